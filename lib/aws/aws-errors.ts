import { type ErrorCode, SyncError } from "../errors.ts";

const MISSING =
  /^(QueueDoesNotExist|AWS\.SimpleQueueService\.NonExistentQueue|ParameterNotFound|NotFoundException|NoSuchBucket)$/;
const DENIED = /AccessDenied|Forbidden|UnrecognizedClient|InvalidSignature|Credentials|ExpiredToken|AuthorizationError/;

/** Maps an error of the SDK, with the resource's name and a remedy. AWS's own text is the cause, never the message. */
export function awsError(error: unknown, thing: string, permission: string): unknown {
  if (!(error instanceof Error) || error instanceof SyncError) return error;
  const meant = (code: ErrorCode, message: string) => new SyncError(code, message, { cause: error });
  if (MISSING.test(error.name)) return meant("STORE_MISSING", `there is no ${thing}: deploy the stack again`);
  if (DENIED.test(error.name)) return meant("STORE_DENIED", `${thing} refuses us: allow ${permission}`);
  if (isBug(error)) return error;
  return meant("STORE_UNAVAILABLE", `${thing} does not answer (${error.name}): keyferry tries again`);
}

/** An error in the request itself is a bug of ours, unless it is throttling. */
function isBug(error: Error): boolean {
  if (/Throttl|TooMany|Limit|Timeout|Abort/.test(error.name)) return false;
  if ("$fault" in error) return error.$fault === "client";
  return !("code" in error);
}
