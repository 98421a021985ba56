import { createHmac } from "node:crypto";
import { type EpochMs, SECOND_MS } from "./clock.ts";

/** The headers of a signed POST: `SIGNATURE_HEADER` is `sha256=<hex>`. */
export const TIMESTAMP_HEADER = "x-keyferry-timestamp";
export const SIGNATURE_HEADER = "x-keyferry-signature";

/** The HMAC-SHA256 of `<head>.<body>`. `head` begins with the time and has no dot, so that the body follows unambiguously. */
export function signatureOf(key: Uint8Array, head: string, body: Uint8Array): Buffer {
  return createHmac("sha256", key).update(`${head}.`).update(body).digest();
}

/**
 * Signs a body with its time, in whole seconds, so that a receiver can refuse forged and old ones. `also` follows the
 * time in what is signed.
 */
export function signedHeaders(
  body: Uint8Array,
  { key, now, also = "" }: { readonly key: Uint8Array; readonly now: EpochMs; readonly also?: string },
): Readonly<Record<string, string>> {
  const timestamp = String(Math.floor(now / SECOND_MS));
  const signature = signatureOf(key, `${timestamp}${also}`, body).toString("hex");
  return { [TIMESTAMP_HEADER]: timestamp, [SIGNATURE_HEADER]: `sha256=${signature}` };
}
