import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { HOUR_MS } from "../../lib/clock.ts";
import { retryAfterOf } from "../../lib/retry-after.ts";

const DATE = "Wed, 21 Oct 2026 07:28:00 GMT";

describe("the pause that a server asks for", () => {
  const cases: readonly (readonly [string, string | string[] | undefined, string | undefined, number | undefined])[] = [
    ["seconds", "7", undefined, 7_000],
    ["a date, by the server's own clock", "Wed, 21 Oct 2026 07:28:30 GMT", DATE, 30_000],
    ["a date that is over", "Wed, 21 Oct 2026 07:27:00 GMT", DATE, undefined],
    ["a date of a server without a clock", "Wed, 21 Oct 2026 07:28:30 GMT", undefined, undefined],
    ["an hour at most", "999999999999999999999", undefined, HOUR_MS],
    ["a date far away", "Fri, 31 Dec 2099 23:59:59 GMT", DATE, HOUR_MS],
    ["none", "0", undefined, undefined],
    ["a time before", "-1", undefined, undefined],
    ["no number", "tomorrow", DATE, undefined],
    ["a date in another form", "2026-10-21T07:29:00Z", DATE, undefined],
    ["two of them", ["1", "2"], undefined, undefined],
    ["nothing", undefined, DATE, undefined],
  ];
  for (const [what, text, date, ms] of cases) {
    it(`${what}: ${ms ?? "no pause"}`, () => {
      assert.equal(retryAfterOf({ "retry-after": text, date }), ms);
    });
  }
});
