import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Registry } from "prom-client";
import { rowsWithIssues } from "../../../lib/issues/rows-with-issues.ts";
import { cleanupKey, type SyncKey } from "../../../lib/keys.ts";
import type { Issue } from "../../../lib/ports/issues.ts";
import { EMPTY_STATE } from "../../../lib/ports/rows.ts";
import type { LeaseStore, Schedule } from "../../../lib/ports/store.ts";
import { simulatedSqliteStore } from "../../../lib/store/sqlite/sqlite-store.ts";
import { issuesHeld } from "../../../lib/telemetry/issues-held.ts";
import { aDeclared, aKey, anIssue } from "../../builders.ts";

const NOW = Date.UTC(2030, 0, 1);
const PARKED: Schedule = { kind: "parked" };

async function claimed(store: LeaseStore, key: SyncKey, now = NOW) {
  const row = (await store.read([key], "strong")).get(key);
  assert.ok(row);
  const claim = await store.claim(row, { now, until: now + 90_000 });
  assert.ok(claim);
  return claim.lease;
}

async function declared(store: LeaseStore, name: string): Promise<SyncKey> {
  const key = aKey(name);
  await store.declare(aDeclared({ key, uid: `uid-${name}` }), NOW);
  return key;
}

async function settledWith(store: LeaseStore, name: string, issues: readonly Issue[]): Promise<SyncKey> {
  const key = await declared(store, name);
  await settle(store, key, issues);
  return key;
}

async function settle(store: LeaseStore, key: SyncKey, issues: readonly Issue[], schedule = PARKED): Promise<void> {
  const lease = await claimed(store, key);
  for (const { target } of issues) await store.putTarget({ target }, key);
  assert.equal(await store.settle(lease, { state: { ...EMPTY_STATE, issues }, schedule, now: NOW }), "settled");
}

describe("what Vault issued is counted", () => {
  it("by state, from the start of a process, with each record, and over the end of its declaration", async () => {
    await using plain = simulatedSqliteStore(undefined);
    const registry = new Registry();
    const held = issuesHeld(registry);
    const store = held.seeing<LeaseStore>(plain);
    const counts = async () => {
      const lines = [
        ...(await registry.metrics()).matchAll(/^keyferry_issues\{cluster="east",state="([\w-]+)"\} (\d+)$/gm),
      ];
      return Object.fromEntries(lines.map(([, state = "", count]) => [state, Number(count)]));
    };
    const target = await plain.putTarget({ address: "https://vault" }, aKey("before"));
    const issue = (overrides: Partial<Issue> = {}) => anIssue({ target, ...overrides });
    await settledWith(plain, "before", [issue(), issue({ serial: "2", state: "ending", endAt: NOW })]);
    assert.deepEqual(await counts(), {});
    for await (const { key, state } of rowsWithIssues(plain)) held.remember(key, state.issues ?? []);
    assert.deepEqual(await counts(), { live: 1, ending: 1 });

    const key = await declared(store, "db");
    const lease = await claimed(store, key);
    await store.record(lease, { ...EMPTY_STATE, issues: [issue({ state: "asking" })] }, NOW);
    assert.deepEqual(await counts(), { live: 1, ending: 1, asking: 1 });
    const state = { ...EMPTY_STATE, issues: [issue({ atRisk: NOW })] };
    await store.settle(lease, { state, schedule: PARKED, now: NOW });
    assert.deepEqual(await counts(), { live: 1, ending: 1, "at-risk": 1 });

    await store.tombstone(key, "uid-db", NOW);
    assert.deepEqual(await counts(), { live: 1, ending: 1, "at-risk": 1 });
    await settle(store, cleanupKey(key, "uid-db"), [], { kind: "gone" });
    assert.deepEqual(await counts(), { live: 1, ending: 1 });
    await store.retire(aKey("before"), NOW, NOW);
    assert.deepEqual(await counts(), { live: 1, ending: 1 });
    await settle(store, cleanupKey(aKey("before"), "uid-before"), [], { kind: "gone" });
    assert.deepEqual(await counts(), {});
  });
});
