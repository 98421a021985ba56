import { SyncError } from "../errors.ts";
import { goJson, type LosslessValue } from "../lossless.ts";
import type { SourceData } from "../reconcile/ports.ts";
import { type SecretData, SecretValue } from "../secret-value.ts";

/** The key that holds the whole `data` object of Vault's answer (reference 4.1). */
const RAW_KEY = "_raw";

const SECRET_KEY = /^[-._a-zA-Z0-9]+$/;
const MAX_KEY_LENGTH = 253;

/** What Kubernetes takes: the bytes of all values together (kubernetes-rules 13). */
export const MAX_SECRET_BYTES = 1_048_576;

const MAX_NAMED = 10;

export interface SecretDataOptions {
  readonly excludeRaw: boolean;
}

/** A text is stored byte for byte, anything else as Go writes its JSON (reference 4.1). */
function encode(value: LosslessValue): SecretValue {
  return SecretValue.of(typeof value === "string" ? value : goJson(value));
}

/** What Vault's answer becomes in a Secret, before any template or filter (reference 4.1). */
export function secretData(source: Pick<SourceData, "fields" | "response">, options: SecretDataOptions): SecretData {
  const data = new Map<string, SecretValue>();
  if (!options.excludeRaw) {
    if (source.fields.has(RAW_KEY)) throw rawNotPermitted();
    data.set(RAW_KEY, SecretValue.of(goJson(source.response)));
  }
  for (const [key, value] of source.fields) data.set(key, encode(value));
  mustBeTaken(data);
  return data;
}

function rawNotPermitted(): SyncError {
  return new SyncError(
    "TRANSFORM_FAILED",
    `key '${RAW_KEY}' not permitted in Secret data: rename that field in Vault, or set destination.transformation.excludeRaw`,
  );
}

/** What the API server would refuse is found here, since its answer could quote data. */
function mustBeTaken(data: SecretData): void {
  const refused = [...data.keys()].filter((key) => !isSecretKey(key));
  if (refused.length > 0) throw keysRefused(refused);
  const bytes = [...data.values()].reduce((sum, value) => sum + value.byteLength, 0);
  if (bytes > MAX_SECRET_BYTES) throw tooLarge(data, bytes);
}

/** `.` and names that begin with `..` are refused too: they would be paths in a volume. */
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
    `not keys that a Secret may have: ${named(keys)}. Letters, digits, -, _ and . are allowed, ${MAX_KEY_LENGTH} characters ` +
      "at most: rename these fields in Vault",
  );
}

function tooLarge(data: SecretData, bytes: number): SyncError {
  const largest = [...data.entries()].sort(([, a], [, b]) => b.byteLength - a.byteLength).slice(0, 3);
  const sizes = largest.map(([key, value]) => `${key} ${value.byteLength}`).join(", ");
  const hint = data.has(RAW_KEY) ? `; without ${RAW_KEY} (destination.transformation.excludeRaw) it is smaller` : "";
  return new SyncError(
    "SECRET_TOO_LARGE",
    `${bytes} bytes of data, and a Secret holds ${MAX_SECRET_BYTES} at most (largest: ${sizes})${hint}`,
  );
}
