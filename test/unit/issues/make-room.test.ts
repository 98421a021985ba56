import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { MAX_REPLACED, toRevokeEarly } from "../../../lib/issues/make-room.ts";
import type { Issue } from "../../../lib/ports/issues.ts";
import { anIssue, START } from "./an-issue.ts";

/** The nth certificate that was replaced. */
const replaced = (nth: number, changed: Partial<Issue> = {}): Issue => {
  const { vaultLease: _none, ...issue } = anIssue({ serial: String(nth), state: "ending", replacedAt: START + nth });
  return { ...issue, certificate: { serial: String(nth), mount: "pki" }, ...changed };
};
const many = (count: number) => Array.from({ length: count }, (_, nth) => replaced(nth));
const early = (issues: readonly Issue[]) => toRevokeEarly(issues).map(({ serial }) => serial);

describe("certificates that are revoked early", () => {
  it("are the oldest, as many as are too many with the next one, and some at a time", () => {
    assert.deepEqual(early(many(MAX_REPLACED - 1)), []);
    assert.deepEqual(early(many(MAX_REPLACED).toReversed()), ["0"]);
    assert.deepEqual(early(many(MAX_REPLACED + 1)), ["0", "1"]);
    assert.deepEqual(early(many(500)), ["0", "1", "2", "3"]);
  });

  it("are those first that could be revoked, as far as is known", () => {
    const [first, second, ...rest] = many(MAX_REPLACED);
    assert.ok(first && second);
    assert.deepEqual(early([{ ...first, tries: 2 }, { ...second, tries: 1 }, ...rest]), ["2"]);
    assert.deepEqual(early(many(MAX_REPLACED).map((one, nth) => ({ ...one, tries: nth === 7 ? 1 : 2 }))), ["7"]);
  });

  it("are none that are in use, are not to be revoked, or have a lease", () => {
    const others = [replaced(90, { state: "live" }), replaced(91, { endBy: "none" }), anIssue({ state: "ending" })];
    assert.deepEqual(early([...others, ...many(MAX_REPLACED - 1)]), []);
  });
});
