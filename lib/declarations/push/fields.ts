import { SyncError } from "../../errors.ts";
import type { SecretData, SecretValue } from "../../secret-value.ts";

/** The limit of a kv entry in Vault: its storage holds 1 MiB with some overhead. */
export const MAX_PUSH_BYTES = 1_048_576;

/** The suffix of a field whose value is base64, because its bytes are no text. */
export const BASE64_SUFFIX = ".b64";

/** One field of a kv entry: text as it is, other bytes as base64. */
export interface PushField {
  readonly name: string;
  readonly value: SecretValue;
  readonly base64: boolean;
}

/** The limit of a value in custom_metadata. */
const MAX_LIST_BYTES = 512;

/** The binary values of an object, as custom_metadata lists them; empty: there are none, or they can't be listed. */
export function binaryList(data: SecretData): string {
  const names = [...data].filter(([, value]) => !isText(value)).map(([key]) => key);
  const list = names.sort().join(",");
  return names.some((name) => name.includes(",")) || Buffer.byteLength(list) > MAX_LIST_BYTES ? "" : list;
}

const STRICT = new TextDecoder("utf-8", { fatal: true });

/** Whether bytes are valid UTF-8, so that JSON holds them unchanged. */
export function isText(value: SecretValue): boolean {
  try {
    STRICT.decode(value.reveal());
    return true;
  } catch {
    return false;
  }
}

/**
 * The fields of an object in Vault: valid UTF-8 unchanged, other bytes as base64 under `<key>.b64`, or, `areListed`,
 * under their own names. Throws SECRET_TOO_LARGE, and SECRET_REFUSED when a name is taken twice.
 */
export function pushFields(data: SecretData, place: string, areListed = false): readonly PushField[] {
  const fields = [...data].map(([key, value]): PushField => {
    const base64 = !isText(value);
    return { name: base64 && !areListed ? `${key}${BASE64_SUFFIX}` : key, value, base64 };
  });
  const names = new Set<string>();
  for (const { name } of fields) {
    if (names.has(name)) throw takenTwice(place, name);
    names.add(name);
  }
  const bytes = fields.reduce((sum, field) => sum + field.name.length + sizeOf(field), 0);
  if (bytes <= MAX_PUSH_BYTES) return fields;
  const message = `${place}: ${bytes} bytes of keys and values, but a path of Vault holds at most ${MAX_PUSH_BYTES}: push fewer keys`;
  throw new SyncError("SECRET_TOO_LARGE", message);
}

function takenTwice(place: string, name: string): SyncError {
  const message = `${place}: the base64 of a binary value would take the name ${name}, which is a key itself: rename it`;
  return new SyncError("SECRET_REFUSED", message);
}

function sizeOf({ value, base64 }: PushField): number {
  return base64 ? Math.ceil(value.byteLength / 3) * 4 : value.byteLength;
}
