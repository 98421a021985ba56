import { SECOND_MS } from "../clock.ts";
import { LONGEST_SERVER_PAUSE_MS } from "../retry-after.ts";
import { type Admission, admissionOf } from "./admission.ts";
import { isShape, numberAt, type Shape, shapeAt, shapesAt, textAt } from "./shapes.ts";

/** Why an API server refused. Without its messages, which can contain data (kubernetes-rules 14). */
export interface KubeFailure {
  /** HTTP status, or the code of an ERROR event in a watch. */
  readonly http: number;
  /** Missing: the answer was not a Status, so it came from something in front of the API server. */
  readonly status?: KubeStatus;
  readonly retryAfterMs?: number;
}

/** The result or the API server's refusal. Failures of the connection are thrown. */
export type KubeAnswer<T> = { readonly object: T } | { readonly failure: KubeFailure };

export interface KubeStatus {
  readonly reason: string;
  /** `details.kind`: the object refused or missing; empty without details. */
  readonly kind: string;
  readonly causes: readonly { readonly field: string; readonly reason: string }[];
  /** A resource quota refused it. Only the message tells: a role's refusal has the same details. */
  readonly quota: boolean;
  /** An admission webhook or policy refused: the rest of the answer is its own text, and is dropped. */
  readonly admission?: Admission;
}

/** An API server's answer for an unknown API group; for an unknown kind in a known group it sends a Status. */
const NO_SUCH_PATH = "404 page not found";

/** Parses a refusal: the HTTP code, the body (parsed if it was JSON), and the pause of the Retry-After header. */
export function failureOf(http: number, body: unknown, retryAfterMs?: number): KubeFailure {
  const isNoSuchPath = http === 404 && typeof body === "string" && body.trim() === NO_SUCH_PATH;
  const status = isNoSuchPath ? {} : isShape(body) && body.kind === "Status" ? body : undefined;
  if (status === undefined) return { http, ...pause(retryAfterMs) };
  const admission = admissionOf(status);
  if (admission !== undefined) return { http, status: { reason: "", kind: "", causes: [], quota: false, admission } };
  const seconds = numberAt(shapeAt(status, "details"), "retryAfterSeconds");
  return { http, status: statusOf(status), ...pause(seconds === undefined ? retryAfterMs : seconds * SECOND_MS) };
}

function statusOf(body: Shape): KubeStatus {
  const details = shapeAt(body, "details");
  const causes = shapesAt(details, "causes");
  return {
    reason: textAt(body, "reason") ?? "",
    kind: textAt(details, "kind") ?? "",
    causes: causes.map((cause) => ({ field: textAt(cause, "field") ?? "", reason: textAt(cause, "reason") ?? "" })),
    quota: (textAt(body, "message") ?? "").includes(" is forbidden: exceeded quota: "),
  };
}

/** At most an hour, whatever the server asks for. */
function pause(ms: number | undefined): { retryAfterMs?: number } {
  return ms !== undefined && ms > 0 ? { retryAfterMs: Math.min(ms, LONGEST_SERVER_PAUSE_MS) } : {};
}

/** The API server asks for a pause, as API Priority and Fairness does. A webhook's 429 is no word of the API server. */
export function isThrottled({ http, status }: KubeFailure): boolean {
  return http === 429 && status?.admission === undefined;
}

/** Whether the named object does not exist. Never true for a missing kind or namespace (lease-table 18). */
export function isAbsent(failure: KubeFailure, resource: string): boolean {
  return failure.http === 404 && failure.status?.kind === resource;
}

/** Whether the cluster does not serve the kind. */
export function isUnknownKind(failure: KubeFailure): boolean {
  return failure.http === 404 && failure.status?.kind === "" && failure.status.admission === undefined;
}

/** Whether the cursor, or a list's continue token, is too old. */
export function isExpired(failure: KubeFailure): boolean {
  return failure.http === 410 && failure.status?.admission === undefined;
}
