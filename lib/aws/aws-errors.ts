import { type ErrorCode, SyncError } from "../errors.ts";

const MISSING =
  /^(QueueDoesNotExist|AWS\.SimpleQueueService\.NonExistentQueue|ParameterNotFound|NotFoundException|NoSuchBucket)$/;
const DENIED = /AccessDenied|Forbidden|UnrecognizedClient|InvalidSignature|Credentials|ExpiredToken|AuthorizationError/;

/** The failure that an error of the SDK means, with the thing's name and what helps. What AWS itself said is the cause, never the message. */
export function awsError(error: unknown, thing: string, permission: string): unknown {
  if (!(error instanceof Error) || error instanceof SyncError) return error;
  const meant = (code: ErrorCode, message: string) => new SyncError(code, message, { cause: error });
  if (MISSING.test(error.name)) return meant("STORE_MISSING", `there is no ${thing}: deploy the stack again`);
  if (DENIED.test(error.name)) return meant("STORE_DENIED", `${thing} refuses us: allow ${permission}`);
  if (isBug(error)) return error;
  return meant("STORE_UNAVAILABLE", `${thing} does not answer (${error.name}): it is tried again`);
}

/** What AWS finds wrong with the request itself is a mistake of ours, unless it says that we ask too often. */
function isBug(error: Error): boolean {
  if (/Throttl|TooMany|Limit|Timeout|Abort/.test(error.name)) return false;
  if ("$fault" in error) return error.$fault === "client";
  return !("code" in error);
}
