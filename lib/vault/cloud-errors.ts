import { SyncError } from "../errors.ts";

/** AWS reports these retryable failures as errors of the caller. */
const LATER = /Throttl|TooManyRequests|RequestLimit|IDPCommunicationError|ServiceUnavailable|InternalFailure|Timeout/;

/** Maps a failure of AWS's token service. Omits its text, which quotes the request. */
export function awsFailure(error: unknown, subject: string): SyncError {
  const { name = "", $fault: fault } = error as { readonly name?: string; readonly $fault?: string };
  const known = /^[A-Za-z]{1,60}$/.test(name) ? ` (${name})` : "";
  if (fault !== "client" || LATER.test(name)) {
    return new SyncError("CLOUD_UNAVAILABLE", `${subject} got no answer or failed${known}`);
  }
  const remedy = "check its trust policy, the cluster's identity provider in IAM, and the audience";
  return new SyncError("VAULT_LOGIN_REFUSED", `${subject} was refused${known}: ${remedy}`);
}

/** Stops waiting for a cloud when the signal aborts. */
export async function cloudDeadline<T>(work: Promise<T>, subject: string, signal: AbortSignal): Promise<T> {
  const { promise: ended, reject } = Promise.withResolvers<never>();
  const end = (): void => reject(new SyncError("DEADLINE_EXCEEDED", `${subject} ran out of time`));
  if (signal.aborted) end();
  signal.addEventListener("abort", end, { once: true });
  try {
    return await Promise.race([work, ended]);
  } finally {
    signal.removeEventListener("abort", end);
  }
}
