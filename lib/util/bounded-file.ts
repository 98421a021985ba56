import { createReadStream } from "node:fs";
import { boundedBody } from "./bounded-body.ts";

/** Fleets, kubeconfigs, certificates and tokens; a path may lead to anything, a device without an end as well. */
const MAX_BYTES = 8 * 1_024 * 1_024;

/** The text of a file that is no longer than any of ours. Throws BodyTooLarge, or what the file system says. */
export async function boundedFile(path: string): Promise<string> {
  return String(await boundedBody(createReadStream(path), MAX_BYTES));
}
