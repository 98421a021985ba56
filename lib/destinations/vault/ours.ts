import { type Digest, type DigestKey, digestOf, isOfKey, sameDigest } from "../../digest.ts";
import type { Pushed } from "../../ports/rows.ts";
import type { SecretData } from "../../secret-value.ts";

/** One write of a row to a path: the last one, or one that may not have been carried out. */
export interface OwnWrite {
  readonly version: number | undefined;
  readonly digest: Digest | undefined;
  readonly keys: readonly string[];
}

/** Only these fields. */
export function some(all: SecretData, names: readonly string[]): SecretData {
  return new Map(names.flatMap((name) => (all.get(name) === undefined ? [] : [[name, all.get(name) as never]])));
}

/** The writes that the row knows of, the last one first. */
function writesOf({
  version,
  digest,
  keys = [],
  writing,
  writingVersion,
  writingKeys = keys,
}: Pushed): readonly OwnWrite[] {
  const last: OwnWrite = { version, digest, keys };
  if (writing === undefined) return [last];
  return [{ version: writingVersion, digest: writing, keys: writingKeys }, last];
}

/** The write of this row whose version stands at the path. kv-v1 has no versions, so that equal data counts. */
export function standingWrite(
  key: DigestKey,
  pushed: Pushed,
  fields: SecretData,
  version: number | undefined,
  isMerged: boolean,
): OwnWrite | undefined {
  return writesOf(pushed).find((write) => {
    if (pushed.engine === "kv-v2" && (version === undefined || version !== write.version)) return false;
    // Of another key, a digest says nothing about the data: the version has to.
    if (version !== undefined && write.digest !== undefined && !isOfKey(key, write.digest)) return true;
    return holds(key, write.digest, isMerged ? some(fields, write.keys) : fields);
  });
}

/** The write of this row whose fields stand at the path, in whatever version: others change it too. */
export function standingFields(key: DigestKey, pushed: Pushed, fields: SecretData): OwnWrite | undefined {
  return writesOf(pushed).find((write) => holds(key, write.digest, some(fields, write.keys)));
}

/** The fields that the row wrote: also those of a write that was carried out without having been recorded. */
export function ownKeys(key: DigestKey, pushed: Pushed, fields: SecretData): readonly string[] {
  const { keys = [], writing, writingKeys } = pushed;
  if (writing === undefined || writingKeys === undefined) return keys;
  const isApplied = holds(key, writing, some(fields, writingKeys));
  return isApplied ? [...new Set([...keys, ...writingKeys])] : keys;
}

function holds(key: DigestKey, digest: Digest | undefined, fields: SecretData): boolean {
  return digest !== undefined && sameDigest(digest, digestOf(key, fields));
}
