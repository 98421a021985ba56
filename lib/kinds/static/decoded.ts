import { complaintsError } from "../../declarations/parse.ts";
import { BASE64_SUFFIX } from "../../declarations/push/fields.ts";
import { SyncError } from "../../errors.ts";
import type { SourceData } from "../../ports/vault.ts";
import { BASE64_LIST } from "../../ports/vault-writes.ts";
import { SecretValue } from "../../secret-value.ts";
import type { Answer } from "../../transform/secret-data.ts";
import { isLosslessObject, type LosslessValue } from "../../util/lossless.ts";

/** Fields that a push wrote as base64 become the bytes that they were. */
export const DECODE_BASE64 = "keyferry.dev/decode-base64";

/** Whether the annotation asks for it. Throws SPEC_INVALID for any other value than `true`. */
export function decodesBase64({ [DECODE_BASE64]: value }: Readonly<Record<string, string>>): boolean {
  if (value === undefined || value === "true") return value === "true";
  const complaint = { path: [DECODE_BASE64], message: 'must be "true", or not be there' };
  throw complaintsError("SPEC_INVALID", "VaultStaticSecret", [complaint], { root: ["annotations"] });
}

/** Vault's answer, decoded if the declaration asks for it. */
export function decodedIf(asks: { readonly decodesBase64: boolean }, source: SourceData): Answer {
  return asks.decodesBase64 ? decoded(source) : source;
}

/**
 * `<key>.b64` becomes `<key>`, and the fields that custom_metadata names keep their names. Templates still see the
 * base64, because they know no bytes. Throws TRANSFORM_FAILED with the fields that are not base64, or have no free name.
 */
export function decoded(source: SourceData): Answer {
  const listed = new Set(listedIn(source.response));
  const fields = new Map<string, LosslessValue>();
  const bytes = new Map<string, SecretValue>();
  const problems: string[] = [];
  for (const [name, value] of source.fields) {
    const isSuffixed = !listed.has(name) && name.endsWith(BASE64_SUFFIX) && name.length > BASE64_SUFFIX.length;
    const key = isSuffixed ? name.slice(0, -BASE64_SUFFIX.length) : name;
    fields.set(key, value);
    if (!isSuffixed && !listed.has(name)) continue;
    const value64 = bytesOf(value);
    if (value64 === undefined) problems.push(`field ${name} is not base64`);
    else bytes.set(key, value64);
    if (key !== name && source.fields.has(key)) problems.push(`fields ${name} and ${key} would be one key`);
  }
  if (problems.length === 0) return { response: source.response, fields, bytes };
  const message = `${DECODE_BASE64}: ${problems.join("; ")}: repair them in Vault, or remove the annotation`;
  throw new SyncError("TRANSFORM_FAILED", message);
}

function listedIn(response: LosslessValue): readonly string[] {
  const metadata = isLosslessObject(response) ? response.metadata : undefined;
  const custom = isLosslessObject(metadata) ? metadata.custom_metadata : undefined;
  const list = isLosslessObject(custom) ? custom[BASE64_LIST] : undefined;
  return typeof list === "string" && list !== "" ? list.split(",") : [];
}

/** Undefined: not base64 with padding. */
function bytesOf(value: LosslessValue): SecretValue | undefined {
  if (typeof value !== "string") return undefined;
  const bytes = Buffer.from(value, "base64");
  return bytes.toString("base64") === value ? SecretValue.of(bytes) : undefined;
}
