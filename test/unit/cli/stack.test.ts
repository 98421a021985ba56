import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { stackError } from "../../../cli/stack.ts";
import { InputError, SyncError } from "../../../lib/errors.ts";

const named = (name: string, message = "secret text of AWS") => Object.assign(new Error(message), { name });

describe("why a stack can't be described", () => {
  it("tells bad input: no such stack, no access, no region", () => {
    for (const [error, says] of [
      [named("ValidationError"), /there is no such stack/],
      [named("AccessDeniedException"), /cloudformation:DescribeStacks/],
      [named("CredentialsProviderError"), /check AWS_PROFILE/],
      [named("Error", "Region is missing"), /set AWS_REGION/],
    ] as const) {
      const told = stackError("x", error);
      assert.ok(told instanceof InputError, error.name);
      assert.match(told.message, says);
      assert.doesNotMatch(told.message, /secret text/);
    }
  });

  it("does not blame the input when AWS doesn't answer", () => {
    for (const name of ["TimeoutError", "Throttling", "ServiceUnavailable"]) {
      const told = stackError("x", named(name));
      assert.ok(told instanceof SyncError, name);
      assert.deepEqual([told.code, told.disposition], ["STORE_UNAVAILABLE", "retry"]);
      assert.match(told.message, new RegExp(`stack x \\(${name}\\): .*try again$`));
    }
  });
});
