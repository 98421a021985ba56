import { createHmac } from "node:crypto";
import { type EpochMs, SECOND_MS } from "./clock.ts";

/** The headers of a signed POST: `SIGNATURE_HEADER` is `sha256=<hex>`, the HMAC of `<timestamp>.<body>`. */
export const TIMESTAMP_HEADER = "x-keyferry-timestamp";
export const SIGNATURE_HEADER = "x-keyferry-signature";

/** Signs a body with its time, in whole seconds, so that a receiver can refuse forged and old ones. */
export function signedHeaders(body: Uint8Array, key: Uint8Array, now: EpochMs): Readonly<Record<string, string>> {
  const timestamp = String(Math.floor(now / SECOND_MS));
  const signature = createHmac("sha256", key).update(`${timestamp}.`).update(body).digest("hex");
  return { [TIMESTAMP_HEADER]: timestamp, [SIGNATURE_HEADER]: `sha256=${signature}` };
}
