import { SyncError } from "../errors.ts";
import type { Rendered, TemplateInput } from "../ports/templates.ts";
import type { SourceData } from "../ports/vault.ts";
import { type SecretData, SecretValue } from "../secret-value.ts";
import { goJson, isLosslessObject, type LosslessValue } from "../util/lossless.ts";
import type { Transformation } from "./transformation.ts";

/** VSO's key for the whole `data` object of Vault's answer. */
const RAW_KEY = "_raw";

const SECRET_KEY = /^[-._a-zA-Z0-9]+$/;
const MAX_KEY_LENGTH = 253;

/** Kubernetes' limit for the bytes of all values together (kubernetes-rules 13). */
export const MAX_SECRET_BYTES = 1_048_576;

const MAX_NAMED = 10;

/** Strings byte for byte; other values as Go's JSON, like VSO. */
function encode(value: LosslessValue): SecretValue {
  return SecretValue.of(typeof value === "string" ? value : goJson(value));
}

/** Vault's answer. `bytes`: of fields that are base64 of something else than text. */
export interface Answer extends Pick<SourceData, "fields" | "response"> {
  readonly bytes?: ReadonlyMap<string, SecretValue>;
}

/** The parts of Vault's answer and of the declaration that templates can use. */
export function templateInput(source: Answer, about: Pick<TemplateInput, "annotations" | "labels">): TemplateInput {
  const { response } = source;
  const metadata = isLosslessObject(response) ? response.metadata : undefined;
  return {
    secrets: Object.fromEntries(source.fields),
    metadata: isLosslessObject(metadata) ? metadata : {},
    annotations: about.annotations,
    labels: about.labels,
  };
}

/**
 * The Secret's data for Vault's answer. `rendered` is the template engine's output; without it every field is copied.
 * `added`: further keys, which no filter drops. Throws TRANSFORM_FAILED, SECRET_REFUSED, SECRET_TOO_LARGE.
 */
export function secretData(
  source: Answer,
  { excludeRaw }: Pick<Transformation, "excludeRaw">,
  rendered?: Rendered,
  added: SecretData = new Map(),
): SecretData {
  const data = new Map<string, SecretValue>();
  const outputs: SecretData = rendered?.outputs ?? new Map<string, SecretValue>();
  if (!excludeRaw) {
    if (source.fields.has(RAW_KEY)) throw rawNotPermitted("rename that field in Vault");
    if (outputs.has(RAW_KEY)) throw rawNotPermitted("let that template fill another key");
    data.set(RAW_KEY, SecretValue.of(goJson(source.response)));
  }
  for (const [key, value] of outputs) data.set(key, value);
  for (const [key, value] of source.fields) {
    if (!outputs.has(key) && (rendered?.fields.has(key) ?? true))
      data.set(key, source.bytes?.get(key) ?? encode(value));
  }
  for (const [key, value] of added) data.set(key, value);
  mustBeTaken(data);
  return data;
}

function rawNotPermitted(remedy: string): SyncError {
  return new SyncError(
    "TRANSFORM_FAILED",
    `key '${RAW_KEY}' not permitted in Secret data: ${remedy}, or set destination.transformation.excludeRaw`,
  );
}

/** Refuses what the API server would refuse, because the API server's message could quote data. */
function mustBeTaken(data: SecretData): void {
  const refused = [...data.keys()].filter((key) => !isSecretKey(key));
  if (refused.length > 0) throw keysRefused(refused);
  const bytes = [...data.values()].reduce((sum, value) => sum + value.byteLength, 0);
  if (bytes > MAX_SECRET_BYTES) throw tooLarge(data, bytes);
}

/** Also refuses `.` and names that begin with `..`, which would be paths in a volume. */
function isSecretKey(key: string): boolean {
  return SECRET_KEY.test(key) && key.length <= MAX_KEY_LENGTH && key !== "." && !key.startsWith("..");
}

function named(keys: readonly string[]): string {
  const shown = keys.slice(0, MAX_NAMED).map((key) => JSON.stringify(key.slice(0, MAX_KEY_LENGTH).toWellFormed()));
  const left = keys.length - shown.length;
  return `${shown.join(", ")}${left > 0 ? ` and ${left} more` : ""}`;
}

function keysRefused(keys: readonly string[]): SyncError {
  return new SyncError(
    "SECRET_REFUSED",
    `not valid keys of a Secret: ${named(keys)}. Letters, digits, -, _ and . are allowed, ${MAX_KEY_LENGTH} characters ` +
      "at most: rename these fields in Vault, or the keys of templates",
  );
}

function tooLarge(data: SecretData, bytes: number): SyncError {
  const largest = [...data.entries()].sort(([, a], [, b]) => b.byteLength - a.byteLength).slice(0, 3);
  const sizes = largest.map(([key, value]) => `${key} ${value.byteLength}`).join(", ");
  const hint = data.has(RAW_KEY) ? `; without ${RAW_KEY} (destination.transformation.excludeRaw) it is smaller` : "";
  return new SyncError(
    "SECRET_TOO_LARGE",
    `${bytes} bytes of data, but a Secret holds at most ${MAX_SECRET_BYTES} (largest: ${sizes})${hint}`,
  );
}
