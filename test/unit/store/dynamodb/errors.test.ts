import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
  ConditionalCheckFailedException,
  ProvisionedThroughputExceededException,
  ResourceNotFoundException,
  ThrottlingException,
  TransactionCanceledException,
} from "@aws-sdk/client-dynamodb";
import { RowTooLarge, SyncError } from "../../../../lib/errors.ts";
import { cancellationReasons, dynamoError } from "../../../../lib/store/dynamodb/errors.ts";

const $metadata = {};
const options = { $metadata, message: "of AWS, with arn:aws:iam::123456789012:role/x in it" };

function named(name: string, more: object = {}): Error {
  return Object.assign(new Error(options.message), { name }, more);
}

function cancelled(...codes: readonly string[]): TransactionCanceledException {
  return new TransactionCanceledException({ ...options, CancellationReasons: codes.map((Code) => ({ Code })) });
}

function refused(...CancellationReasons: readonly { readonly Code: string; readonly Message?: string }[]) {
  return new TransactionCanceledException({ ...options, CancellationReasons: [...CancellationReasons] });
}

describe("what DynamoDB's errors mean", () => {
  const cases: readonly (readonly [string, Error, string, RegExp])[] = [
    [
      "a throttled table",
      new ProvisionedThroughputExceededException(options),
      "STORE_UNAVAILABLE",
      /throttles PutItem/,
    ],
    ["a throttled account", new ThrottlingException(options), "STORE_UNAVAILABLE", /throttles/],
    ["a throttled transaction", cancelled("None", "ThrottlingError"), "STORE_UNAVAILABLE", /throttles/],
    ["a transaction that others cross", cancelled("TransactionConflict"), "STORE_UNAVAILABLE", /Others write/],
    ["a failure inside AWS", named("Unknown", { $fault: "server" }), "STORE_UNAVAILABLE", /did not answer/],
    ["a refused connection", named("Error", { code: "ECONNREFUSED" }), "STORE_UNAVAILABLE", /did not answer/],
    ["a time-out", named("TimeoutError"), "STORE_UNAVAILABLE", /did not answer/],
    ["a missing table", new ResourceNotFoundException(options), "STORE_MISSING", /no table leases/],
    ["a missing permission", named("AccessDeniedException"), "STORE_DENIED", /allow dynamodb:PutItem/],
    ["no credentials", named("CredentialsProviderError"), "STORE_DENIED", /credentials for table leases/],
    ["credentials that ran out", named("ExpiredTokenException"), "STORE_DENIED", /expired/],
  ];
  const names = {
    STORE_UNAVAILABLE: [
      ...["ProvisionedThroughputExceededException", "ThrottlingException", "ThrottlingError", "RequestLimitExceeded"],
      ...["LimitExceededException", "InternalServerError", "ServiceUnavailable", "TimeoutError", "AbortError"],
      ...["TransactionConflictException", "TransactionInProgressException", "TransactionCanceledException"],
    ],
    STORE_MISSING: ["ResourceNotFoundException"],
    STORE_DENIED: [
      ...["AccessDeniedException", "KMSAccessDeniedException", "CredentialsProviderError", "ExpiredTokenException"],
      ...["ExpiredToken", "UnrecognizedClientException", "InvalidSignatureException", "IncompleteSignatureException"],
      "MissingAuthenticationTokenException",
    ],
  };
  it("a refused transaction names the actions of IAM, which has none for a transaction", () => {
    const { message } = Object(dynamoError(named("AccessDeniedException"), "leases", "TransactWriteItems"));
    assert.match(message, /allow dynamodb:PutItem and dynamodb:DeleteItem on it/);
    assert.doesNotMatch(message, /dynamodb:Transact/);
  });

  for (const [code, all] of Object.entries(names)) {
    it(`${code} is what ${all.length} of its names mean`, () => {
      for (const name of all) assert.equal(Object(dynamoError(named(name), "leases", "PutItem")).code, code, name);
    });
  }

  for (const [what, error, code, message] of cases) {
    it(`${what} is ${code}`, () => {
      const meant = dynamoError(error, "leases", "PutItem");
      assert.ok(meant instanceof SyncError);
      assert.equal(meant.code, code);
      assert.match(meant.message, message);
      assert.match(meant.message, /leases/);
      assert.doesNotMatch(meant.message, /arn:/, "what AWS says stays in the cause");
      assert.equal(meant.cause, error);
    });
  }

  it("an item or a key that is too large concerns this row alone, and is not tried again soon", () => {
    const says = [
      "Item size has exceeded the maximum allowed size",
      "Item size to update has exceeded the maximum allowed size",
      "One or more parameter values were invalid: Size of hashkey has exceeded the maximum size limit of2048 bytes",
      "One or more parameter values were invalid: Aggregated size of all range keys has exceeded the size limit of 1024 bytes",
      "One or more parameter values are not valid. A value specified for a secondary index key is not supported. Size of hashkey has exceeded the maximum size limit of2048 bytes. IndexName: place, IndexKey: placeOf",
    ];
    for (const message of says) {
      for (const error of [
        named("ValidationException", { message }),
        refused({ Code: "None" }, { Code: "ValidationError", Message: message }),
        refused({ Code: "ConditionalCheckFailed" }, { Code: "ValidationError", Message: message }),
      ]) {
        const meant = dynamoError(error, "leases", "TransactWriteItems");
        assert.ok(meant instanceof RowTooLarge, `${error.name}: ${message}`);
        assert.deepEqual([meant.code, meant.disposition], ["STORE_INVALID", "recheck"]);
        assert.match(meant.message, /larger than DynamoDB stores.*declare less/);
      }
    }
  });

  it("a transaction with another invalid item is a bug, not contention", () => {
    for (const reasons of [
      [{ Code: "ValidationError", Message: "The provided expression refers to an attribute that does not exist" }],
      [{ Code: "None" }, { Code: "ValidationError" }],
      [{ Code: "TransactionConflict" }, { Code: "ValidationError" }],
    ]) {
      const error = refused(...reasons);
      assert.equal(dynamoError(error, "leases", "TransactWriteItems"), error);
    }
  });

  it("a lost condition is no error, and a bug stays one", () => {
    for (const error of [
      new ConditionalCheckFailedException(options),
      named("ValidationException"),
      new TypeError("x is not a function"),
      "thrown as a text",
      undefined,
    ]) {
      assert.equal(dynamoError(error, "leases", "PutItem"), error);
    }
  });

  it("why a transaction was cancelled is told item by item", () => {
    assert.deepEqual(cancellationReasons(cancelled("None", "ConditionalCheckFailed")), [
      "None",
      "ConditionalCheckFailed",
    ]);
    assert.equal(cancellationReasons(new Error("x")), undefined);
  });
});
