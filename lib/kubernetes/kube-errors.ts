import { type ErrorCode, SyncError, type SyncErrorOptions } from "../errors.ts";
import { codeOf } from "../util/error-code.ts";
import { type Admission, admissionName } from "./admission.ts";
import { type KubeCall, objectOf, permissionOf } from "./kube-call.ts";
import { isAbsent, isUnknownKind, type KubeFailure } from "./kube-failure.ts";

/** The id of a cluster's circuit (lease-table 16). */
export function circuitOf(cluster: string): string {
  return `cluster:${cluster}`;
}

interface Rule {
  readonly code: ErrorCode;
  readonly when: (failure: KubeFailure, call: KubeCall) => boolean;
  readonly says: (call: KubeCall, failure: KubeFailure) => string;
}

const isSecretWrite = (call: KubeCall): boolean => call.kind.resource === "secrets" && call.verb === "patch";
const has = (failure: KubeFailure, field: RegExp, reason?: string): boolean =>
  failure.status?.causes.some(
    (cause) => field.test(cause.field) && (reason === undefined || cause.reason === reason),
  ) ?? false;
const hasCause = (failure: KubeFailure, reason: string): boolean =>
  failure.status?.causes.some((cause) => cause.reason === reason) ?? false;

/** Fields and reasons of an answer, the only parts that messages may repeat (kubernetes-rules 14). */
function fieldsOf(failure: KubeFailure): string {
  const parts = (failure.status?.causes ?? []).map((cause) => [cause.field, cause.reason].filter(Boolean).join(" "));
  const named = [...new Set(parts.filter((part) => part !== ""))].slice(0, 5).join(", ");
  return named || failure.status?.reason || `HTTP ${failure.http}`;
}

const DATA = /^data$/;
const DATA_KEY = /^data\[/;

/** Whether an admission webhook or policy gave this answer, in one of these ways. */
const isOf =
  (...ways: readonly Admission["how"][]) =>
  ({ status }: KubeFailure): boolean =>
    status?.admission !== undefined && ways.includes(status.admission.how);
const admissionIn = ({ status }: KubeFailure): string => (status?.admission ? admissionName(status.admission) : "");

/**
 * kubernetes-rules 13, top to bottom. `details` and `reason` decide, never the message. The exception is admission: a
 * webhook chooses code, reason and details freely, so only the API server's own words identify it. Missing data comes
 * before a changed type, because a type change means delete and create, and a refused create would lose the Secret.
 */
const RULES: readonly Rule[] = [
  {
    code: "ADMISSION_DENIED",
    when: isOf("denied"),
    says: (call, failure) => `${admissionIn(failure)} denies ${objectOf(call)}: ask its operator what it requires`,
  },
  {
    code: "ADMISSION_DENIED",
    when: isOf("undryable"),
    says: (call, failure) =>
      `${admissionIn(failure)} does not support dry runs, which keyferry uses to read ${objectOf(call)}: set its sideEffects to None if it has none`,
  },
  {
    code: "ADMISSION_FAILED",
    when: isOf("broken"),
    says: (call, failure) =>
      `${admissionIn(failure)} must admit ${objectOf(call)}, but fails: check it in that cluster`,
  },
  {
    code: "KUBE_LOGIN_REFUSED",
    when: ({ http }) => http === 401,
    says: ({ cluster }) => `cluster ${cluster} refuses keyferry's login: renew its credentials`,
  },
  {
    code: "KUBE_UNREACHABLE",
    when: ({ http, status }) => !status && (http === 502 || http === 503 || http === 504),
    says: ({ cluster }, { http }) =>
      `cluster ${cluster} is out of reach: something in front of it answered HTTP ${http}`,
  },
  {
    code: "KUBE_THROTTLED",
    when: ({ http }) => http === 429,
    says: ({ cluster }) => `cluster ${cluster} asks for fewer requests`,
  },
  {
    code: "SECRET_TOO_LARGE",
    when: (failure, call) => isSecretWrite(call) && (failure.http === 413 || has(failure, DATA, "FieldValueTooLong")),
    says: (call) => `${objectOf(call)} would hold more than the 1048576 bytes that Kubernetes allows`,
  },
  {
    code: "SECRET_REFUSED",
    when: (failure, call) => isSecretWrite(call) && failure.http === 422 && has(failure, DATA_KEY),
    says: (call, failure) => `cluster refuses ${objectOf(call)}: ${fieldsOf(failure)}`,
  },
  {
    code: "SECRET_IMMUTABLE",
    when: (failure, call) => isSecretWrite(call) && failure.http === 422 && has(failure, DATA, "FieldValueForbidden"),
    says: (call) => `${objectOf(call)} is immutable: delete it, and keyferry creates it again`,
  },
  {
    code: "KUBE_CONFLICT",
    when: (failure) => failure.http === 422 && has(failure, /^metadata\.uid$/),
    says: (call) => `${objectOf(call)} was deleted and created again since it was read`,
  },
  {
    code: "SECRET_TYPE_DIFFERS",
    when: (failure, call) => isSecretWrite(call) && failure.http === 422 && has(failure, /^type$/),
    says: (call) => `${objectOf(call)} has another type, which can't be changed in place`,
  },
  {
    code: "KUBE_CONFLICT",
    when: ({ http, status }) => http === 422 && status?.kind === "" && status.causes.length === 0,
    says: (call) => `${objectOf(call)} changed since it was read`,
  },
  {
    code: "SECRET_REFUSED",
    when: (failure, call) => isSecretWrite(call) && failure.http === 422 && has(failure, /./),
    says: (call, failure) => `cluster refuses ${objectOf(call)}: ${fieldsOf(failure)}`,
  },
  {
    code: "NAMESPACE_MISSING",
    when: (failure, call) => isAbsent(failure, "namespaces") && call.kind.resource !== "namespaces",
    says: (call) => `cluster ${call.cluster} has no namespace ${call.namespace ?? ""}: create it`,
  },
  {
    code: "KUBE_REJECTED",
    when: isUnknownKind,
    says: ({ cluster, kind }) => `cluster ${cluster} does not serve ${kind.kind} (${kind.group}/${kind.version})`,
  },
  {
    code: "SECRET_MISSING",
    when: (failure, call) => isAbsent(failure, "secrets") && isSecretWrite(call),
    says: (call) => `there is no ${objectOf(call)}`,
  },
  {
    code: "REFERENCE_MISSING",
    when: (failure, call) => isAbsent(failure, call.kind.resource),
    says: (call) =>
      `there is no ${call.kind.kind} ${call.namespace ?? ""}/${call.name ?? ""} in cluster ${call.cluster}`,
  },
  {
    code: "NAMESPACE_TERMINATING",
    when: (failure) => failure.http === 403 && hasCause(failure, "NamespaceTerminating"),
    says: (call) => `namespace ${call.namespace ?? ""} of cluster ${call.cluster} is being deleted`,
  },
  {
    code: "QUOTA_EXCEEDED",
    when: ({ http, status }) => http === 403 && status?.quota === true,
    says: (call) => `a resource quota leaves no room for ${objectOf(call)}: raise the quota`,
  },
  {
    code: "KUBE_DENIED",
    when: ({ http, status }) => http === 403 && status !== undefined && status.kind !== "",
    says: (call) => `keyferry may not ${permissionOf(call)}: grant it to its role there`,
  },
  {
    code: "KUBE_CONFLICT",
    when: ({ http }) => http === 409 || http === 410,
    says: (call) => `${objectOf(call)} changed since it was read`,
  },
  {
    code: "REQUEST_MALFORMED",
    when: ({ http, status }, call) => isSecretWrite(call) && http === 500 && status?.reason === "",
    says: (call) => `cluster ${call.cluster} can't parse what keyferry sent as ${call.verb} of ${objectOf(call)}`,
  },
  {
    code: "KUBE_REJECTED",
    when: ({ http, status }) => http === 500 && status?.reason === "",
    says: (call) => `cluster ${call.cluster} can't parse what keyferry sent as ${call.verb} of ${objectOf(call)}`,
  },
  {
    code: "KUBE_FAILED",
    when: ({ http }) => http >= 500,
    says: (call, failure) => `cluster ${call.cluster} failed to ${call.verb} ${objectOf(call)}: ${fieldsOf(failure)}`,
  },
  {
    code: "KUBE_ANSWER_INVALID",
    when: ({ status, http }) => !status && http !== 413,
    says: ({ cluster }, { http }) =>
      `cluster ${cluster} answered HTTP ${http}, but not as an API server: check its address`,
  },
];

/** Maps an API server's refusal to an error, whose code says when to retry. */
export function refusalOf(call: KubeCall, failure: KubeFailure): SyncError {
  const rule = RULES.find((candidate) => candidate.when(failure, call));
  const code = rule?.code ?? "KUBE_REJECTED";
  const message = rule?.says(call, failure) ?? `cluster refuses ${objectOf(call)}: ${fieldsOf(failure)}`;
  const options: SyncErrorOptions = {
    ...(code === "KUBE_UNREACHABLE" && { circuit: circuitOf(call.cluster) }),
    ...(failure.retryAfterMs !== undefined && { retryAfterMs: failure.retryAfterMs }),
  };
  return new SyncError(code, message, options);
}

/** Codes of OpenSSL and Node for certificates that either side refuses. */
const TLS_CODE = /^(ERR_TLS_|ERR_SSL_|CERT_|SELF_SIGNED_|DEPTH_ZERO_|UNABLE_TO_|HOSTNAME_MISMATCH|INVALID_CA|EPROTO$)/;

/** Maps a broken connection, a TLS refusal or an unreadable answer. Returns any other error unchanged. */
export function connectionFailure(cluster: string, error: unknown): unknown {
  const code = error instanceof SyncError ? undefined : codeOf(error);
  if (code === undefined) return error;
  if (TLS_CODE.test(code)) {
    const message = `cluster ${cluster}: TLS failed (${code}): check its CA and certificates`;
    return new SyncError("KUBE_TLS_REFUSED", message, { cause: error });
  }
  if (code.startsWith("HPE_") || code === "UND_ERR_HEADERS_OVERFLOW") {
    const message = `cluster ${cluster} sent an unreadable answer (${code}): check its address`;
    return new SyncError("KUBE_ANSWER_INVALID", message, { cause: error });
  }
  return new SyncError("KUBE_UNREACHABLE", `cluster ${cluster} is out of reach (${code})`, {
    circuit: circuitOf(cluster),
    cause: error,
  });
}
