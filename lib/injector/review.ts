import type { InjectorSettings } from "../injector-settings.ts";
import { printable } from "../util/printable.ts";
import { readAnnotations } from "./annotation-values.ts";
import { STATUS_ANNOTATION, VAULT_PREFIX } from "./annotations.ts";
import { injectionOf } from "./injection.ts";
import { Notes } from "./notes.ts";
import { podPatch } from "./patch.ts";
import { fields, Malformed, own, type PodOperation, readAnnotationsOf, readPod, text } from "./pod.ts";
import { VALUE_TYPES } from "./value-types.ts";

export interface AdmissionReview {
  readonly apiVersion: string;
  readonly kind: "AdmissionReview";
  readonly response: AdmissionResponse;
}

export interface AdmissionResponse {
  readonly uid: string;
  readonly allowed: boolean;
  readonly patchType?: "JSONPatch";
  /** The JSON Patch, in base64. */
  readonly patch?: string;
  readonly status?: { readonly code: number; readonly message: string };
  readonly warnings?: readonly string[];
}

export interface ReviewOutcome {
  /** Of the HTTP response. */
  readonly status: number;
  readonly body: AdmissionReview;
  readonly result: "injected" | "ignored" | "refused" | "bad";
  readonly namespace?: string;
  readonly generateName?: string;
  /** What an injected pod gets; missing when it gets no agent. */
  readonly injection?: "init_and_sidecar" | "init_only" | "sidecar_only";
  /** Nothing is created. */
  readonly isDryRun: boolean;
  /** Why the pod was refused, for the log. They name annotations and never have their values. */
  readonly reasons: readonly string[];
}

/** keyferry's own answer to a review that is none. */
const BAD = 400;
const MALFORMED = 400;
const INVALID = 422;
const MAX_UID = 128;

const VERSIONS: ReadonlySet<unknown> = new Set(["admission.k8s.io/v1", "admission.k8s.io/v1beta1"]);
const PROTECTED: ReadonlySet<string> = new Set(["kube-system", "kube-public", "kube-node-lease"]);

interface Request {
  readonly apiVersion: string;
  readonly uid: string;
  readonly namespace: string;
  readonly generateName: string;
  readonly operation: string;
  readonly kind: string;
  readonly isDryRun: boolean;
  readonly object: unknown;
}

/**
 * The answer to an AdmissionReview: a pure function of the review and the cluster's settings. `input`: the parsed
 * JSON of the request, whatever it is.
 */
export function review(input: unknown, settings: InjectorSettings): ReviewOutcome {
  const request = requestOf(input);
  if (typeof request === "string") return bad(request);
  try {
    return answer(request, settings);
  } catch (error) {
    if (error instanceof Malformed) return refused(request, MALFORMED, [error.message]);
    throw error;
  }
}

function requestOf(input: unknown): Request | string {
  try {
    const found = fields(input, "the review");
    const apiVersion = own(found, "apiVersion");
    if (own(found, "kind") !== "AdmissionReview" || !VERSIONS.has(apiVersion)) {
      return "must be an AdmissionReview of admission.k8s.io/v1 or v1beta1";
    }
    const request = fields(own(found, "request"), "request");
    const uid = text(own(request, "uid"), "request.uid");
    if (uid === "" || uid.length > MAX_UID) return "request.uid must be the id of the request";
    return {
      apiVersion: apiVersion as string,
      uid,
      namespace: text(own(request, "namespace"), "request.namespace"),
      operation: text(own(request, "operation"), "request.operation"),
      kind: text(own(fields(own(request, "kind"), "request.kind"), "kind"), "request.kind.kind"),
      isDryRun: own(request, "dryRun") === true,
      object: own(request, "object"),
      generateName: generateNameOf(own(request, "object")),
    };
  } catch (error) {
    if (error instanceof Malformed) return error.message;
    throw error;
  }
}

/** For the log; the Pod itself is checked later. */
function generateNameOf(object: unknown): string {
  const metadata = memberOf(object, "metadata");
  const found = memberOf(metadata, "generateName") ?? memberOf(metadata, "name");
  return typeof found === "string" ? printable(found, MAX_UID) : "";
}

function memberOf(object: unknown, name: string): unknown {
  return typeof object === "object" && object !== null ? own(object as Record<string, unknown>, name) : undefined;
}

function answer(request: Request, settings: InjectorSettings): ReviewOutcome {
  if (request.kind !== "" && request.kind !== "Pod") {
    return refused(request, MALFORMED, ["the webhook must be registered for Pods only"]);
  }
  const annotations = readAnnotationsOf(request.object);
  const wanted = VALUE_TYPES.bool.parse(annotations.get(`${VAULT_PREFIX}agent-inject`) ?? "");
  if (typeof wanted === "object" && "problem" in wanted) {
    return refused(request, INVALID, [`${VAULT_PREFIX}agent-inject: ${wanted.problem}`]);
  }
  const isWanted = typeof wanted === "object" && wanted.value;
  // No update may add containers, so an agent for an existing pod is impossible.
  if (!isWanted || (request.operation !== "" && request.operation !== "CREATE")) return ignored(request);
  if (annotations.get(STATUS_ANNOTATION) === "injected") return ignored(request);
  const size = [...annotations].reduce((sum, [key, value]) => sum + key.length + value.length, 0);
  if (size > MAX_ANNOTATIONS) return refused(request, INVALID, ["metadata.annotations: longer than Kubernetes allows"]);
  return inject(request, settings);
}

/** Kubernetes' own limit, in bytes. */
const MAX_ANNOTATIONS = 256 * 1024;

function inject(request: Request, settings: InjectorSettings): ReviewOutcome {
  const pod = readPod(request.object);
  if (pod.phase !== "" && pod.phase !== "Pending") return ignored(request);
  if (PROTECTED.has(request.namespace)) {
    return refused(request, INVALID, ["namespace: pods of Kubernetes' own namespaces get no agent"]);
  }
  const notes = new Notes();
  const values = readAnnotations(pod.annotations, notes);
  const injection = injectionOf(pod, request.namespace, values, settings, notes);
  const patch = injection === undefined ? [] : podPatch(injection, notes);
  if (injection === undefined || notes.refusals.length > 0) return refused(request, INVALID, notes.refusals, notes);
  const { hasInit, hasSidecar } = injection.shape;
  return {
    ...outcome(request, "injected", {
      uid: request.uid,
      allowed: true,
      patchType: "JSONPatch",
      patch: base64(patch),
      ...warnings(notes),
    }),
    ...(hasInit || hasSidecar ? { injection: injectionType(hasInit, hasSidecar) } : {}),
  };
}

function injectionType(hasInit: boolean, hasSidecar: boolean): NonNullable<ReviewOutcome["injection"]> {
  if (hasInit && hasSidecar) return "init_and_sidecar";
  return hasInit ? "init_only" : "sidecar_only";
}

function base64(patch: readonly PodOperation[]): string {
  return Buffer.from(JSON.stringify(patch)).toString("base64");
}

function warnings(notes: Notes): Pick<AdmissionResponse, "warnings"> {
  return notes.warnings.length === 0 ? {} : { warnings: notes.warnings };
}

function ignored(request: Request): ReviewOutcome {
  return outcome(request, "ignored", { uid: request.uid, allowed: true });
}

function refused(request: Request, code: number, reasons: readonly string[], notes?: Notes): ReviewOutcome {
  const response = { uid: request.uid, allowed: false, status: { code, message: reasons.join("; ") } };
  return outcome(request, "refused", { ...response, ...(notes === undefined ? {} : warnings(notes)) }, reasons);
}

function outcome(
  request: Request,
  result: ReviewOutcome["result"],
  response: AdmissionResponse,
  reasons: readonly string[] = [],
): ReviewOutcome {
  const { apiVersion, namespace, generateName, isDryRun } = request;
  return {
    status: 200,
    body: { apiVersion, kind: "AdmissionReview", response },
    result,
    namespace: printable(namespace, MAX_UID),
    ...(generateName === "" ? {} : { generateName }),
    isDryRun,
    reasons,
  };
}

/** Nothing of it can be answered in its own form. */
function bad(reason: string): ReviewOutcome {
  const response = { uid: "", allowed: false, status: { code: BAD, message: reason } };
  return {
    status: BAD,
    body: { apiVersion: "admission.k8s.io/v1", kind: "AdmissionReview", response },
    result: "bad",
    isDryRun: false,
    reasons: [reason],
  };
}
