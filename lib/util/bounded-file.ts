import { createReadStream } from "node:fs";
import { boundedBody } from "./bounded-body.ts";

/** For fleets, kubeconfigs, certificates and tokens. A path may also lead to an endless device. */
const MAX_BYTES = 8 * 1_024 * 1_024;

/** Reads a file of at most MAX_BYTES as text. Throws BodyTooLarge, or the file system's error. */
export async function boundedFile(path: string): Promise<string> {
  return String(await boundedBody(createReadStream(path), MAX_BYTES));
}
