import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { LEASE_MS } from "../../../lib/ports/deps.ts";
import { claimOf } from "../../../lib/reconcile/claim.ts";
import { simulatedSqliteStore } from "../../../lib/store/sqlite/sqlite-store.ts";
import { aDeclared, aKey, anIssue, aPushed } from "../../builders.ts";
import { QUIET } from "../../unit/aws/records.ts";

const KEY = aKey();
const START = Date.UTC(2030, 0, 1);

describe("a worker that stands still after it read a row that another one works on", () => {
  it("lease-table 26, 28: keeps what that one recorded before it died, also of a declaration that changed since", async () => {
    let now = START;
    const clock = () => now;
    await using store = simulatedSqliteStore(undefined);
    const deps = { leases: store, queue: { send: async () => undefined }, clock, random: () => 0.5, log: QUIET };
    const row = async () => (await store.read([KEY], "strong")).get(KEY) ?? assert.fail("no row");
    await store.declare(aDeclared({ key: KEY }), now);
    const dying = claimOf(deps, await row());
    assert.ok(await dying.take());
    const late = claimOf(deps, await row());
    // The other one asks Vault for a credential, writes to a path, and dies.
    await dying.record({ issues: [anIssue({ state: "asking" })], pushed: [aPushed("db", { writing: "key:digest" })] });
    await store.declare(aDeclared({ key: KEY, hash: "changed", spec: { changed: true } }), now);
    now += LEASE_MS;
    assert.equal(await late.take(), false, "the next run reads the declaration");
    const { issues = [], pushed = [] } = (await row()).state;
    assert.deepEqual([issues.map(({ state }) => state), pushed.length], [["asking"], 1]);
  });
});
