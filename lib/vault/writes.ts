import { isLosslessNumber } from "lossless-json";
import { type Clock, type EpochMs, MINUTE_MS } from "../clock.ts";
import { SyncError } from "../errors.ts";
import type { Metrics } from "../ports/telemetry.ts";
import {
  BASE64_LIST,
  type KvFields,
  type KvMount,
  type KvPatch,
  type KvPath,
  type Pusher,
  type SeenPath,
  type VaultWrites,
  type WriteResult,
} from "../ports/vault-writes.ts";
import { SecretValue } from "../secret-value.ts";
import type { JsonObject } from "../util/json.ts";
import { goJson, isLosslessObject, type LosslessObject, type LosslessValue } from "../util/lossless.ts";
import { vaultUrlPath } from "../vault-path.ts";
import type { VaultAnswer } from "./answer.ts";
import { type Asked, describe } from "./asked.ts";
import { counted } from "./counted.ts";
import { askShared } from "./shared-token.ts";
import type { Tokens } from "./tokens.ts";
import { askedOf, type VaultClient, type VaultQuestion } from "./vault-client.ts";
import { answerError, bodyOf, invalidAnswer, objectOf } from "./vault-errors.ts";

export interface WritesDeps {
  readonly client: VaultClient;
  readonly tokens: Tokens;
  readonly clock: Clock;
  readonly metrics?: Metrics | undefined;
}

/** An answer with the request that it belongs to. */
interface Told {
  readonly asked: Asked;
  readonly answer: VaultAnswer;
}

/** What is asked, beside the method and path that every request has. */
type Request = Pick<VaultQuestion, "method" | "path" | "purpose"> & { readonly body?: JsonObject };

/** Writes to kv mounts, each request with the shared token of its identity. */
export function vaultWrites(deps: WritesDeps): VaultWrites {
  const ask = async (who: Pusher, request: Request, signal: AbortSignal): Promise<Told> => {
    const { namespace, target } = who.identity;
    const question = { ...request, namespace, repeatable: request.method === "GET" };
    return { asked: askedOf(target, question), answer: await askShared(deps, who, question, signal) };
  };
  const reading = <T>(work: () => Promise<T>, signal: AbortSignal): Promise<T> =>
    counted({ metrics: deps.metrics, name: "keyferry_vault_reads_total" }, work, signal);
  const writing = <T>(of: string, work: () => Promise<T>, signal: AbortSignal): Promise<T> =>
    counted({ metrics: deps.metrics, name: "keyferry_vault_writes_total", labels: { of } }, work, signal, wordFor);
  const mountOf: VaultWrites["mountOf"] = (who, path, signal) =>
    reading(async () => {
      const request = { method: "GET", purpose: "push", path: `sys/internal/ui/mounts/${urlOf({ path })}` } as const;
      return mountIn(path, await ask(who, request, signal));
    }, signal);
  return {
    mountOf,
    isStill: mountCheck(deps.clock, mountOf),
    read: (who, at, signal) =>
      reading(async () => {
        const request = { method: "GET", purpose: at.engine, path: pathOf(at, "data") } as const;
        return seenIn(at, await ask(who, request, signal));
      }, signal),
    put: (who, at, fields, cas, signal) =>
      writing("put", async () => writtenIn(at, await ask(who, putOf(at, fields, cas), signal)), signal),
    patch: (who, at, fields, cas, signal) =>
      writing("patch", async () => writtenIn(at, await ask(who, patchOf(at, fields, cas), signal)), signal),
    remove: (who, at, version, signal) =>
      writing("delete", async () => endedIn(await ask(who, removalOf(at, version), signal)), signal),
    removeAll: (who, at, signal) =>
      writing("delete", async () => endedIn(await ask(who, removalOfAll(at), signal)), signal),
    mayDescribe: (who, at, signal) =>
      reading(async () => mayPatch(plainOf(at), await ask(who, rightsOf(at), signal)), signal),
    describe: (who, at, custom, signal) =>
      writing("describe", async () => endedIn(await ask(who, descriptionOf(at, custom), signal)), signal),
  };
}

const MOUNT_KNOWN_MS = MINUTE_MS;
const MAX_MOUNTS = 1_000;

function mountCheck(clock: Clock, mountOf: VaultWrites["mountOf"]): VaultWrites["isStill"] {
  const known = new Map<string, { readonly found: KvMount; readonly until: EpochMs }>();
  const isSame = (found: KvMount, { mount, engine }: KvMount): boolean =>
    found.mount === mount && found.engine === engine;
  return async (who, at, signal) => {
    const { target, namespace = "" } = who.identity;
    const id = JSON.stringify([target.address, namespace, at.mount]);
    const last = known.get(id);
    if (last !== undefined && last.until > clock()) return isSame(last.found, at);
    // A path below it: the mount's own path may be forbidden.
    const found = await mountOf(who, `${at.mount}/data`, signal);
    if (known.size >= MAX_MOUNTS) known.clear();
    known.set(id, { found, until: clock() + MOUNT_KNOWN_MS });
    return isSame(found, at);
  };
}

function wordFor(result: unknown): string {
  return (result as WriteResult | undefined)?.kind === "moved" ? "moved" : "ok";
}

function urlOf(parts: Readonly<Record<string, string>>): string {
  return vaultUrlPath(parts);
}

/** The URL path of an entry; `area` counts for kv-v2. */
function pathOf({ mount, path, engine }: KvPath, area: "data" | "metadata" | "delete"): string {
  return vaultUrlPath(engine === "kv-v2" ? { mount, area, path } : { mount, path });
}

function putOf(at: KvPath, fields: KvFields, cas: number): Request {
  const data = Object.fromEntries([...fields].map(([name, field]) => [name, textOf(field)]));
  const body = at.engine === "kv-v2" ? { options: { cas }, data } : data;
  return { method: "POST", purpose: "push", path: pathOf(at, "data"), body };
}

function patchOf(at: KvPath, fields: KvPatch, cas: number): Request {
  const data = Object.fromEntries([...fields].map(([name, field]) => [name, field && textOf(field)]));
  return { method: "PATCH", purpose: "push", path: pathOf(at, "data"), body: { options: { cas }, data } };
}

function textOf({ value, base64 }: { readonly value: SecretValue; readonly base64: boolean }): string {
  return value.reveal().toString(base64 ? "base64" : "utf8");
}

function removalOf(at: KvPath, version: number | undefined): Request {
  if (at.engine === "kv-v1") return { method: "DELETE", purpose: "push", path: pathOf(at, "data") };
  if (version === undefined) throw new Error("a kv-v2 version is deleted by its number");
  return { method: "POST", purpose: "push", path: pathOf(at, "delete"), body: { versions: [version] } };
}

function removalOfAll(at: KvPath): Request {
  return { method: "DELETE", purpose: "push", path: pathOf(at, "metadata") };
}

function descriptionOf(at: KvPath, custom: Readonly<Record<string, string | null>>): Request {
  return { method: "PATCH", purpose: "push", path: pathOf(at, "metadata"), body: { custom_metadata: custom } };
}

function rightsOf(at: KvPath): Request {
  return { method: "POST", purpose: "push", path: "sys/capabilities-self", body: { paths: [plainOf(at)] } };
}

/** Vault names it as policies do, without any escape. */
function plainOf({ mount, path }: KvPath): string {
  return `${mount}/metadata/${path}`;
}

function mayPatch(path: string, { asked, answer }: Told): boolean {
  if (answer.status === 403) return false;
  if (answer.status !== 200) throw answerError(asked, answer);
  const { data } = objectOf(asked, answer);
  const capabilities = isLosslessObject(data) ? data[path] : undefined;
  if (!Array.isArray(capabilities)) throw invalidAnswer(asked, "does not say what the token may do");
  return capabilities.includes("root") || (capabilities.includes("patch") && !capabilities.includes("deny"));
}

function mountIn(path: string, { asked, answer }: Told): KvMount {
  if (answer.status !== 200) throw answerError(asked, answer);
  const { data } = objectOf(asked, answer);
  if (!isLosslessObject(data) || typeof data.path !== "string" || typeof data.type !== "string") {
    throw invalidAnswer(asked, "has no path and type of a mount");
  }
  const mount = data.path.replace(/\/+$/, "");
  if (mount === "" || (path !== mount && !path.startsWith(`${mount}/`))) {
    throw invalidAnswer(asked, "names a mount that does not serve this path");
  }
  if (data.type === "kv" || data.type === "generic") return { mount, engine: engineOf(data) };
  const message = `${describe(asked)} found a mount that is not kv: name a path of a kv mount`;
  throw new SyncError("UNSUPPORTED", message, { outcome: "none" });
}

function engineOf({ type, options }: LosslessObject): KvMount["engine"] {
  const version = isLosslessObject(options) ? options.version : undefined;
  return type === "kv" && String(version) === "2" ? "kv-v2" : "kv-v1";
}

function seenIn({ engine }: KvPath, { asked, answer }: Told): SeenPath {
  const data = bodyOf(answer)?.data;
  if (answer.status === 404) return missingIn({ asked, answer }, data);
  if (answer.status !== 200) throw answerError(asked, answer);
  if (!isLosslessObject(data)) throw invalidAnswer(asked, "has no data object: is this a kv mount?");
  if (engine === "kv-v1") return { kind: "data", fields: fieldsOf(data) };
  const { data: fields, metadata } = data;
  const version = versionIn(asked, metadata);
  if (fields === null) return { kind: "deleted", version, ...listIn(metadata) };
  if (!isLosslessObject(fields)) throw invalidAnswer(asked, "has no data.data");
  return { kind: "data", version, fields: fieldsOf(fields), ...listIn(metadata) };
}

function listIn(metadata: LosslessValue | undefined): { readonly list?: string } {
  const custom = isLosslessObject(metadata) ? metadata.custom_metadata : undefined;
  const list = isLosslessObject(custom) ? custom[BASE64_LIST] : undefined;
  return typeof list === "string" ? { list } : {};
}

/** kv-v2 answers 404 with metadata for a deleted or destroyed version. Other errors than "nothing there" are thrown. */
function missingIn({ asked, answer }: Told, data: LosslessValue | undefined): SeenPath {
  if (isLosslessObject(data) && isLosslessObject(data.metadata)) {
    return { kind: "deleted", version: versionIn(asked, data.metadata), ...listIn(data.metadata) };
  }
  const errors = bodyOf(answer)?.errors;
  if (!Array.isArray(errors) || errors.length > 0) throw answerError(asked, answer);
  return { kind: "absent" };
}

function versionIn(asked: Asked, metadata: LosslessValue | undefined): number {
  const version = isLosslessObject(metadata) ? metadata.version : undefined;
  const number = isLosslessNumber(version) ? Number(version.value) : Number.NaN;
  if (Number.isSafeInteger(number) && number > 0) return number;
  throw invalidAnswer(asked, "has no version in its metadata");
}

/** What no push writes, so that it equals no text. */
const NOT_TEXT = "\u0000json ";

function fieldsOf(data: LosslessObject): ReadonlyMap<string, SecretValue> {
  return new Map(
    Object.entries(data).map(([name, value]) => [
      name,
      SecretValue.of(typeof value === "string" ? value : `${NOT_TEXT}${goJson(value)}`),
    ]),
  );
}

/**
 * Vault answers 400 when the version is another one, and also for a body that it refuses: its text, which differs
 * between versions, is not needed, because a read tells the two apart. A patch of nothing is answered with 404,
 * and no body.
 */
function writtenIn({ engine }: KvPath, { asked, answer }: Told): WriteResult {
  if (answer.status === 400 && bodyOf(answer) !== undefined) return { kind: "moved" };
  if (answer.status === 404 && asked.method === "PATCH") return { kind: "moved" };
  if (engine === "kv-v2" && answer.status === 204) throw invalidAnswer(asked, "has no version: is this mount kv-v2?");
  if (answer.status === 204) return { kind: "written" };
  if (answer.status !== 200) throw answerError(asked, answer);
  const { data } = objectOf(asked, answer);
  return isLosslessObject(data) && data.version !== undefined
    ? { kind: "written", version: versionIn(asked, data) }
    : { kind: "written" };
}

function endedIn({ asked, answer }: Told): void {
  if (answer.status === 200 || answer.status === 204) return;
  const errors = bodyOf(answer)?.errors;
  if (answer.status === 404 && Array.isArray(errors) && errors.length === 0) return;
  throw answerError(asked, answer);
}
