import { SyncError } from "../errors.ts";

const THROTTLED = /Throttl|TooManyRequests|RequestLimit|SlowDown/;
/** AWS reports these as errors of the caller, too. */
const LATER = /Timeout|ServiceUnavailable|InternalFailure/;

/** What a request was about, and what helps when AWS refuses it. */
export interface EksRequest {
  readonly thing: string;
  readonly remedy: string;
}

/** Maps a failure of EKS or STS. AWS's own text is the cause, never the message: it may quote the request. */
export function eksError(error: unknown, { thing, remedy }: EksRequest): SyncError {
  if (error instanceof SyncError) return error;
  const { name = "", $fault: fault } = error as { readonly name?: string; readonly $fault?: string };
  const known = /^[A-Za-z]{1,60}$/.test(name) ? ` (${name})` : "";
  const meant = (code: "CLOUD_UNAVAILABLE" | "REFERENCE_MISSING" | "KUBE_LOGIN_REFUSED", message: string) =>
    new SyncError(code, message, { cause: error });
  if (THROTTLED.test(name)) {
    return meant("CLOUD_UNAVAILABLE", `AWS asks for fewer requests about ${thing}${known}: keyferry tries again`);
  }
  if (name === "ResourceNotFoundException") {
    return meant("REFERENCE_MISSING", `there is no ${thing}: correct cluster, region or roleArn in fleet.yaml`);
  }
  if (fault === "client" && !LATER.test(name)) {
    return meant("KUBE_LOGIN_REFUSED", `AWS refuses ${thing}${known}: ${remedy}`);
  }
  return meant("CLOUD_UNAVAILABLE", `AWS does not answer about ${thing}${known}: keyferry tries again`);
}
