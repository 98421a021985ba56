import { answerAt } from "../../lib/admission/probe.ts";
import { METHOD_NOT_ALLOWED } from "../../lib/admission/webhook.ts";

/** Where the URL of a webhook leads: to this process, to another one, or this machine can't tell. */
export type Reached = "this" | "another" | "unknown";

/** Asks whoever is at this URL, which has a key that only this process knows. */
export async function whoIsAt(url: string, ca: string | undefined, signal: AbortSignal): Promise<Reached> {
  const { status, errorCode } = await answerAt(url, ca, signal);
  if (status !== undefined) return status === METHOD_NOT_ALLOWED.status ? "this" : "another";
  // Another one has a certificate of another CA. Without a CA, API servers may trust more than this machine does.
  return ca !== undefined && /CERT|SIGNATURE|ISSUER|_TLS_|_SSL_/.test(errorCode ?? "") ? "another" : "unknown";
}
