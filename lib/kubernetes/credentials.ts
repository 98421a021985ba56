import { SyncError } from "../errors.ts";
import type { CredentialRef, CredentialSource, SecretCredential } from "../ports/credentials.ts";
import type { NamedObject } from "../ports/objects.ts";
import type { KindRef } from "../resource-kinds.ts";
import { SECRET } from "../resource-kinds.ts";
import { type SecretData, SecretValue } from "../secret-value.ts";
import { accepted, type ClusterClients } from "./cluster-client.ts";
import { type KubeCall, objectOf } from "./kube-call.ts";
import { isAbsent, type KubeAnswer } from "./kube-failure.ts";
import { type Shape, shapeAt, textAt, textsAt } from "./shapes.ts";

const SERVICE_ACCOUNT: KindRef = { group: "", version: "v1", resource: "serviceaccounts", kind: "ServiceAccount" };

/** The API server refuses less (kubernetes-rules 19). */
const MIN_EXPIRATION_SECONDS = 600;

/** Reads what logins to Vault need from clusters: service account tokens and annotations, and keys of Secrets. */
export function credentialSource({ clients }: { clients: ClusterClients }): CredentialSource {
  return {
    credential: (ref, signal) =>
      ref.kind === "serviceAccount" ? token(clients, ref, signal) : secretKey(clients, ref, signal),
    secret: (secret, signal) => secretData(clients, secret, signal),
    async annotations({ cluster, namespace, name }, signal) {
      const call: KubeCall = { cluster, verb: "get", kind: SERVICE_ACCOUNT, namespace, name };
      const account = present(call, await clients.send(call, signal));
      return textsAt(shapeAt(account, "metadata"), "annotations");
    },
  };
}

async function token(
  clients: ClusterClients,
  ref: CredentialRef & { kind: "serviceAccount" },
  signal: AbortSignal,
): Promise<SecretCredential> {
  const { cluster, namespace, name, audiences } = ref;
  const spec = {
    expirationSeconds: Math.max(ref.expirationSeconds, MIN_EXPIRATION_SECONDS),
    // Without audiences: the API server's own.
    ...(audiences.length > 0 && { audiences }),
  };
  const body = { apiVersion: "authentication.k8s.io/v1", kind: "TokenRequest", spec };
  const call: KubeCall = {
    cluster,
    verb: "create",
    kind: SERVICE_ACCOUNT,
    subresource: "token",
    namespace,
    name,
    body,
  };
  const status = shapeAt(present(call, await clients.send(call, signal)), "status");
  const value = textAt(status, "token");
  const expiresAt = Date.parse(textAt(status, "expirationTimestamp") ?? "");
  if (!value || Number.isNaN(expiresAt)) {
    throw new SyncError(
      "KUBE_ANSWER_INVALID",
      `cluster ${cluster} returned no token of ServiceAccount ${namespace}/${name}`,
    );
  }
  return { value: SecretValue.of(value), expiresAt };
}

async function secretKey(
  clients: ClusterClients,
  ref: CredentialRef & { kind: "secret" },
  signal: AbortSignal,
): Promise<SecretCredential> {
  const { cluster, namespace, name, key } = ref;
  const value = (await secretData(clients, ref, signal)).get(key);
  if (value === undefined) {
    throw new SyncError(
      "REFERENCE_MISSING",
      `Secret ${namespace}/${name} in cluster ${cluster} has no key ${key}: add it`,
    );
  }
  return { value };
}

async function secretData(clients: ClusterClients, secret: NamedObject, signal: AbortSignal): Promise<SecretData> {
  const { cluster, namespace, name } = secret;
  const call: KubeCall = { cluster, verb: "get", kind: SECRET, namespace, name };
  const data = textsAt(present(call, await clients.send(call, signal)), "data");
  return new Map(Object.entries(data).map(([key, value]) => [key, SecretValue.of(Buffer.from(value, "base64"))]));
}

/** A missing object or namespace is an error of the declaration that refers to it. */
function present(call: KubeCall, answer: KubeAnswer<Shape>): Shape {
  if ("failure" in answer && isAbsent(answer.failure, "namespaces")) {
    throw new SyncError("REFERENCE_MISSING", `there is no namespace for ${objectOf(call)}`);
  }
  return accepted(call, answer);
}
