import { type DigestKey, digestKey } from "../digest.ts";
import { type SharedKeyOptions, sharedKey } from "./shared-key.ts";

/** The key of all digests in this stack. */
export async function sharedDigestKey(options: SharedKeyOptions): Promise<DigestKey> {
  return digestKey(await sharedKey(options));
}
