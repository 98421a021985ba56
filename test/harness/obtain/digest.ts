import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { pipeline } from "node:stream/promises";

/** Throws unless the file has this digest, written `sha256:…` or `sha512:…`. */
export async function checkDigest(path: string, expected: string): Promise<void> {
  const [algorithm = "", digest = ""] = expected.split(":");
  const hash = createHash(algorithm);
  await pipeline(createReadStream(path), hash);
  const actual = hash.digest("hex");
  if (actual !== digest) throw new Error(`its ${algorithm} is ${actual}, not the pinned ${digest}: refused`);
}
