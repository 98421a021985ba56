import { trimSlashes } from "../declarations/identity.ts";
import { MARK } from "../ports/own-calls.ts";
import { asObject } from "../util/canonical.ts";
import type { JsonObject } from "../util/json.ts";
import { parsedObject, textOf, versionOf } from "./parsed.ts";
import { isBelow, joined } from "./paths.ts";

/** Operations that may change something. `recover`: a secret of a snapshot (Vault Enterprise). */
const CHANGES = ["create", "update", "patch", "delete", "recover"] as const;

export type Change = (typeof CHANGES)[number];

/** The mount that served a request. */
export interface LineMount {
  /** Absolute, as in `Place`. */
  readonly path: string;
  /** `kv` for both versions. */
  readonly type: string;
  /** The request's path below it. */
  readonly below: string;
}

/** A change that Vault carried out, as its audit log tells it: paths are decoded, without slashes at the ends. */
export interface AuditLine {
  /** The id of the request, which is also in Vault's answer. */
  readonly id: string;
  /** RFC 3339, as Vault wrote it. */
  readonly time: string;
  readonly change: Change;
  /** Empty: root. */
  readonly namespace: string;
  /** Vault's own id of the namespace: lease ids end with it. */
  readonly namespaceId: string;
  /** Relative to the namespace. */
  readonly path: string;
  /** Missing: the line does not name it. */
  readonly mount?: LineMount;
  /** Writes of kv-v2. */
  readonly version?: number;
  /** A member of the body that marks a call of keyferry's own. */
  readonly mark?: string;
}

/**
 * `bad`: not a line of an audit log. `request`: the first half of a request, whose result is not known. `failed`: Vault
 * refused it. `unchanging`: a read, a list or help. `own`: a token that looks at, renews or revokes itself.
 */
export type NoChange = "bad" | "request" | "failed" | "unchanging" | "own";

/** What a line of Vault's or OpenBao's audit log tells. Reads cost a search in the text, and no parsing. */
export function auditLine(text: string): AuditLine | NoChange {
  return skippedUnread(text) ?? readLine(text);
}

// Servers and log shippers write these names and values without escapes, with or without a space.
const RESPONSE = /"type"\s*:\s*"response"/;
const CHANGE = new RegExp(`"operation"\\s*:\\s*"(?:${CHANGES.join("|")})"`);
const OWN = /"path"\s*:\s*"auth\/token\/(?:lookup|renew|revoke)-self"/y;
/** An ASCII letter written as an escape, which nobody does. */
const ESCAPED_LETTER = /\\u00[4-7]/;

/**
 * Skips only what `readLine` skips as well. A user's data may contain any of these texts, so the absence of one counts,
 * never its presence. `"path"`: where it occurs once, it is the request's.
 */
export function skippedUnread(text: string): Exclude<NoChange, "bad" | "failed"> | undefined {
  if (!(text.startsWith("{") && text.endsWith("}")) || ESCAPED_LETTER.test(text)) return undefined;
  if (!RESPONSE.test(text)) return text.includes('"request"') ? "request" : undefined;
  if (!CHANGE.test(text)) return text.includes('"operation"') ? "unchanging" : undefined;
  OWN.lastIndex = text.indexOf('"path"');
  return OWN.lastIndex === text.lastIndexOf('"path"') && OWN.test(text) ? "own" : undefined;
}

/** The same by parsing every line: exact, and slower for lines that tell of no change. */
export function readLine(text: string): AuditLine | NoChange {
  const line = parsedObject(text);
  const request = asObject(line?.request);
  if (line === undefined || request === undefined) return "bad";
  const { operation, path, id } = request;
  if (typeof operation !== "string" || typeof path !== "string" || typeof id !== "string") return "bad";
  if (line.type !== "response") return line.type === "request" ? "request" : "bad";
  const change = CHANGES.find((name) => name === operation);
  if (change === undefined) return "unchanging";
  if (isFailed(line)) return "failed";
  if (/^auth\/token\/(?:lookup|renew|revoke)-self$/.test(trimSlashes(path))) return "own";
  const namespace = asObject(request.namespace);
  const place = { namespace: trimSlashes(textOf(namespace, "path")), path: trimSlashes(path) };
  const mount = mountOf(request, place);
  const version = versionOf(asObject(asObject(line.response)?.data)?.version);
  return {
    ...{ id, time: textOf(line, "time"), change, ...place, namespaceId: textOf(namespace, "id") },
    ...(mount && { mount }),
    ...(version !== undefined && { version }),
    ...markOf(request),
  };
}

/** Servers hash the values of a body, and show the names of its members. */
function markOf({ data }: JsonObject): Pick<AuditLine, "mark"> {
  const mark = Object.keys(asObject(data) ?? {}).find((name) => MARK.test(name));
  return mark === undefined ? {} : { mark };
}

function isFailed({ error }: JsonObject): boolean {
  return error !== undefined && error !== null && error !== "";
}

/** `mount_point` includes the namespace. Undefined when the path is not below it. */
function mountOf(
  request: JsonObject,
  { namespace, path }: Pick<AuditLine, "namespace" | "path">,
): LineMount | undefined {
  const [point, type] = [trimSlashes(textOf(request, "mount_point")), textOf(request, "mount_type")];
  const whole = joined(namespace, path);
  const found = [point, joined(namespace, point)].find((mount) => isBelow(mount, namespace) && isBelow(whole, mount));
  return found === undefined ? undefined : { path: found, type, below: whole.slice(found.length + 1) };
}
