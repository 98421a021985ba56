import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { SyncError } from "../../../lib/errors.ts";
import { freedBy, pathWait, wakeForPaths } from "../../../lib/failures/path-wake.ts";
import type { WorkMessage } from "../../../lib/ports/queue.ts";
import { EMPTY_STATE, pushPlace } from "../../../lib/ports/rows.ts";
import type { Schedule } from "../../../lib/ports/store.ts";
import { openSqliteStore } from "../../../lib/store/sqlite/sqlite-store.ts";
import { aDeclared, aKey, aPushed } from "../../builders.ts";
import { QUIET } from "../aws/records.ts";

const ONE = aPushed("one");
const TWO = aPushed("two");

function freed(after: readonly (typeof ONE)[], kind: "parked" | "gone" = "parked"): readonly string[] {
  const schedule: Schedule = { kind };
  const state = { ...EMPTY_STATE, pushed: after };
  return freedBy({ pushed: [ONE, TWO] }, { state, schedule, now: 0 }).map(({ path }) => path);
}

describe("paths that a settle frees", () => {
  it("are those that the row had, and has not any more", () => {
    assert.deepEqual(freed([{ ...ONE, version: 7 }, TWO]), []);
    assert.deepEqual(freed([TWO]), [ONE.path]);
    assert.deepEqual(freed([]), [ONE.path, TWO.path]);
  });

  it("are all of them when the row ends", () => {
    assert.deepEqual(freed([ONE, TWO], "gone"), [ONE.path, TWO.path]);
  });

  it("are waited for by Vault and path, however long that is", () => {
    const path = "x".repeat(4_000);
    assert.ok(pathWait({ vault: "main", path }).length < 100);
    assert.notEqual(pathWait({ vault: "main", path }), pathWait({ vault: "other", path }));
  });
});

describe("rows that wait for a path", () => {
  const NOW = Date.UTC(2030, 0, 1);

  it("are nudged when it is free, at once, and look at nothing else", async () => {
    await using store = openSqliteStore({ path: ":memory:" });
    const sent: WorkMessage[] = [];
    const told: string[] = [];
    const waits = async (name: string, pushed: typeof ONE) => {
      const key = aKey(name);
      await store.declare(aDeclared({ key }), NOW);
      const row = (await store.read([key], "strong")).get(key) ?? assert.fail();
      const { lease } = (await store.claim(row, { now: NOW, until: NOW + 90_000 })) ?? assert.fail();
      const awaits = [pathWait(pushPlace(pushed))];
      await store.settle(lease, { state: { ...EMPTY_STATE, awaits }, schedule: { kind: "parked" }, now: NOW });
    };
    await waits("one", ONE);
    await waits("two", TWO);
    const log = {
      ...QUIET,
      info: (event: string) => void told.push(event),
      warn: (event: string) => void told.push(event),
    };
    const queue = { send: async (messages: readonly WorkMessage[]) => void sent.push(...messages) };
    const deps = { ...{ leases: store, queue, log }, clock: () => NOW };
    await wakeForPaths(deps, [ONE]);
    assert.deepEqual(sent, [{ kind: "keys", keys: [aKey("one")], lane: "now", at: NOW }]);
    assert.equal((await store.read([aKey("one")], "strong")).get(aKey("one"))?.verify, false);
    await wakeForPaths(deps, [aPushed("nobody's")]);
    assert.deepEqual([sent.length, told], [1, ["path-released"]]);
    const fails = (error: Error) =>
      wakeForPaths({ ...deps, leases: { ...store, byReference: () => Promise.reject(error) } }, [ONE]);
    await fails(new SyncError("STORE_UNAVAILABLE", "away"));
    assert.equal(told.at(-1), "wake-failed");
    await assert.rejects(fails(new TypeError("a bug")), TypeError);
  });
});
