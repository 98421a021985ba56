import { type ErrorCode, RowTooLarge, SyncError } from "../../errors.ts";

interface Meaning {
  readonly code: ErrorCode;
  /** The message, with a remedy. */
  readonly say: (table: string, operation: string) => string;
}

const THROTTLED: Meaning = {
  code: "STORE_UNAVAILABLE",
  say: (table, operation) => `DynamoDB throttles ${operation} on table ${table}: keyferry tries again`,
};
const UNAVAILABLE: Meaning = {
  code: "STORE_UNAVAILABLE",
  say: (table, operation) => `DynamoDB did not answer ${operation} on table ${table}: keyferry tries again`,
};
const CONTENDED: Meaning = {
  code: "STORE_UNAVAILABLE",
  say: (table, operation) => `Others write the same items of table ${table} as ${operation}: keyferry tries again`,
};
const MISSING: Meaning = {
  code: "STORE_MISSING",
  say: (table) =>
    `There is no table ${table}, or it lacks an index: deploy the stack, and check the table's name and region`,
};
const DENIED: Meaning = {
  code: "STORE_DENIED",
  say: (table, operation) =>
    `DynamoDB refuses ${operation} on table ${table}: allow ${actionsOf(operation)} on it and its indexes, and the use of its key`,
};

/** IAM has no action for a transaction, only for what is in it. */
function actionsOf(operation: string): string {
  const actions = operation === "TransactWriteItems" ? ["PutItem", "DeleteItem"] : [operation];
  return actions.map((action) => `dynamodb:${action}`).join(" and ");
}

const NO_CREDENTIALS: Meaning = {
  code: "STORE_DENIED",
  say: (table) => `The AWS credentials for table ${table} are missing, wrong or expired: check the role or the profile`,
};
const NOT_OURS: Meaning = {
  code: "STORE_INVALID",
  say: (table) => `Table ${table} is not a lease table of keyferry: nothing in it was changed; check its name`,
};

/** The meaning of DynamoDB's errors, by name. */
const MEANINGS: Readonly<Record<string, Meaning>> = {
  ProvisionedThroughputExceededException: THROTTLED,
  ThrottlingException: THROTTLED,
  ThrottlingError: THROTTLED,
  RequestLimitExceeded: THROTTLED,
  LimitExceededException: THROTTLED,
  InternalServerError: UNAVAILABLE,
  ServiceUnavailable: UNAVAILABLE,
  TimeoutError: UNAVAILABLE,
  AbortError: UNAVAILABLE,
  TransactionConflictException: CONTENDED,
  TransactionInProgressException: CONTENDED,
  TransactionCanceledException: CONTENDED,
  ResourceNotFoundException: MISSING,
  AccessDeniedException: DENIED,
  KMSAccessDeniedException: DENIED,
  CredentialsProviderError: NO_CREDENTIALS,
  ExpiredTokenException: NO_CREDENTIALS,
  ExpiredToken: NO_CREDENTIALS,
  UnrecognizedClientException: NO_CREDENTIALS,
  InvalidSignatureException: NO_CREDENTIALS,
  IncompleteSignatureException: NO_CREDENTIALS,
  MissingAuthenticationTokenException: NO_CREDENTIALS,
};

/** Errors of a request to a table with another schema; any other validation error is a bug of ours. */
const SHAPES: readonly (readonly [RegExp, Meaning])[] = [
  [/does not have the specified index/, MISSING],
  [/key element does not match the schema|key condition missed key schema|Missing the key/i, NOT_OURS],
];

/** An item may have 400 KB, the parts of its key 2,048 and 1,024 bytes. */
const TOO_LARGE = /^Item size|ize of hashkey|size of all range keys/;

/** Maps an error of the SDK; returns a bug unchanged. */
export function dynamoError(error: unknown, table: string, operation: string): unknown {
  if (error instanceof SyncError) return error;
  const invalid = invalidBecause(error);
  if (invalid?.some((because) => TOO_LARGE.test(because))) {
    const message = `What ${operation} would write to table ${table} is larger than DynamoDB stores (an item of 400 KB): declare less in one object`;
    return new RowTooLarge(message, { cause: error });
  }
  const meaning = meaningOf(error);
  return meaning === undefined ? error : new SyncError(meaning.code, meaning.say(table, operation), { cause: error });
}

/** What is wrong with the items of a request, if DynamoDB refused it for them. */
function invalidBecause(error: unknown): readonly string[] | undefined {
  if (!(error instanceof Error)) return undefined;
  if (error.name === "ValidationException") return [error.message];
  const invalid = reasonsOf(error).filter(({ Code }) => Code === "ValidationError");
  return invalid.length === 0 ? undefined : invalid.map(({ Message = "" }) => Message);
}

interface Reason {
  readonly Code?: string;
  readonly Message?: string;
}

function reasonsOf(error: Error): readonly Reason[] {
  if (error.name !== "TransactionCanceledException" || !("CancellationReasons" in error)) return [];
  return Array.isArray(error.CancellationReasons) ? error.CancellationReasons : [];
}

/** Why DynamoDB cancelled a transaction: a name for each item ("None" for those without a problem). */
export function cancellationReasons(error: unknown): readonly string[] | undefined {
  if (!(error instanceof Error) || error.name !== "TransactionCanceledException") return undefined;
  return reasonsOf(error).map(({ Code = "None" }) => Code);
}

function meaningOf(error: unknown): Meaning | undefined {
  if (!(error instanceof Error)) return undefined;
  if (error.name === "TransactionCanceledException" && invalidBecause(error) !== undefined) return undefined;
  const reason = cancellationReasons(error)?.find((code) => code !== "None" && MEANINGS[code] !== undefined);
  const named = MEANINGS[reason ?? error.name];
  if (named !== undefined) return named;
  if (error.name === "ValidationException") return SHAPES.find(([pattern]) => pattern.test(error.message))?.[1];
  return isServersOrNetworks(error) ? UNAVAILABLE : undefined;
}

/** A 5xx, or a socket error, which has a system code (ECONNREFUSED, ENOTFOUND). */
function isServersOrNetworks(error: Error): boolean {
  if ("$fault" in error && error.$fault === "server") return true;
  return "code" in error && typeof error.code === "string" && /^(E[A-Z]+|UND_ERR_.+)$/.test(error.code);
}
