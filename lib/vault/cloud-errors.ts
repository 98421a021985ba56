import { SyncError } from "../errors.ts";

/** AWS's names for "later", though they come as mistakes of the caller. */
const LATER = /Throttl|TooManyRequests|RequestLimit|IDPCommunicationError|ServiceUnavailable|InternalFailure|Timeout/;

/** What a failure of AWS's token service means. Its text is not repeated: it quotes what it was given. */
export function awsFailure(error: unknown, subject: string): SyncError {
  const { name = "", $fault: fault } = error as { readonly name?: string; readonly $fault?: string };
  const known = /^[A-Za-z]{1,60}$/.test(name) ? ` (${name})` : "";
  if (fault !== "client" || LATER.test(name)) {
    return new SyncError("CLOUD_UNAVAILABLE", `${subject}, which did not answer or failed${known}`);
  }
  const remedy = "check its trust policy, the cluster's identity provider in IAM, and the audience";
  return new SyncError("VAULT_LOGIN_REFUSED", `${subject}, which was refused${known}: ${remedy}`);
}

/** Ends a wait for a cloud with the signal. */
export async function cloudDeadline<T>(work: Promise<T>, subject: string, signal: AbortSignal): Promise<T> {
  const { promise: ended, reject } = Promise.withResolvers<never>();
  const end = (): void => reject(new SyncError("DEADLINE_EXCEEDED", `${subject} was given up: no time left`));
  if (signal.aborted) end();
  signal.addEventListener("abort", end, { once: true });
  try {
    return await Promise.race([work, ended]);
  } finally {
    signal.removeEventListener("abort", end);
  }
}
