import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { SyncError } from "../../../lib/errors.ts";
import { cleanupKey, syncKey } from "../../../lib/keys.ts";
import { HANDED_OVER, TO_VSO } from "../../../lib/origins/handed-over.ts";
import type { Circuit } from "../../../lib/ports/store.ts";
import { aCluster, aDeclared, aKey, anIssue } from "../../builders.ts";
import { anIssuingVault } from "../issues/an-issuing-vault.ts";
import { aResolved, aSync, CIRCUIT, START } from "./a-sync.ts";

const MINUTE_MS = 60_000;
const delays = (observed: readonly string[]) =>
  observed.filter((line) => line.startsWith("keyferry_sync_delay_seconds"));
const open = (id: string): Circuit => ({
  ...{ id, code: "KUBE_UNREACHABLE", message: "m", since: START, attempts: 1, fence: 1, probeAt: START + MINUTE_MS },
});

/** On the wheel, in step. */
async function onTheWheel(given: Parameters<typeof aSync>[0] = {}) {
  const one = await aSync(given);
  await one.run();
  const { wheel } = await one.row();
  one.seen.observed.length = 0;
  one.seen.obtains.length = 0;
  one.pass(10 * MINUTE_MS);
  return { ...one, period: (wheel?.period ?? assert.fail("not on the wheel")) * 1_000 };
}

describe("lease-table 14: a message for a row", () => {
  it("that is due starts a run, which is as late as the row is", async () => {
    await using one = await aSync();
    one.pass(3_000);
    await one.run({ at: START + 2_000 });
    assert.deepEqual([one.seen.obtains.length, delays(one.seen.observed)], [1, ["keyferry_sync_delay_seconds 3"]]);
  });

  it("of its slot of the wheel starts one, which is as late as the message is", async () => {
    await using one = await onTheWheel();
    await one.run({ lane: "refresh", at: one.now() - 2_000 });
    assert.deepEqual([one.seen.obtains.length, delays(one.seen.observed)], [1, ["keyferry_sync_delay_seconds 2"]]);
  });

  it("that is ahead of its time is not late", async () => {
    await using one = await onTheWheel();
    await one.run({ lane: "refresh", at: one.now() + 2_000 });
    assert.deepEqual(delays(one.seen.observed), ["keyferry_sync_delay_seconds 0"]);
  });

  it("of a slot that is older than a period starts none: a newer one is on its way", async () => {
    await using one = await onTheWheel();
    await one.run({ lane: "refresh", at: one.now() - one.period - 1 });
    assert.deepEqual(one.seen.obtains, []);
    await one.run({ lane: "refresh", at: one.now() - one.period });
    assert.equal(one.seen.obtains.length, 1);
  });

  it("of the wheel starts none when a whole run ended since, and one when that seems to be still to come", async () => {
    await using one = await aSync();
    one.pass(1_000);
    await one.run();
    const at = one.now();
    one.pass(2_000);
    one.seen.obtains.length = 0;
    await one.run({ lane: "refresh", at });
    assert.deepEqual(one.seen.obtains, []);
    await one.run({ lane: "refresh", at: at + 1_000 });
    assert.equal(one.seen.obtains.length, 1);
    one.pass(-3_000);
    await one.run({ lane: "refresh", at: at - 1_000 });
    assert.equal(one.seen.obtains.length, 2, "the clock was set back");
  });

  it("that is not due, or has left the wheel, starts none", async () => {
    await using wheel = await onTheWheel();
    await wheel.run({ lane: "now" });
    await using parked = await aSync();
    await parked.settled();
    await parked.run({ lane: "refresh" });
    await using later = await aSync();
    await later.settled({}, { kind: "due", at: START + 1 });
    await later.run();
    for (const one of [wheel, parked, later]) assert.deepEqual([one.seen.obtains, delays(one.seen.observed)], [[], []]);
    later.pass(1);
    await later.run();
    assert.equal(later.seen.obtains.length, 1);
  });

  it("that another worker has starts none before that one's lease is over", async () => {
    await using one = await aSync();
    const until = START + MINUTE_MS;
    await one.store.claim(await one.row(), { now: START, until });
    one.pass(MINUTE_MS - 1);
    await one.run();
    assert.deepEqual([one.seen.obtains, delays(one.seen.observed)], [[], []]);
    one.pass(1);
    await one.run();
    assert.equal(one.seen.obtains.length, 1);
  });

  it("whose cluster left the fleet starts none", async () => {
    await using one = await aSync({ settings: undefined });
    await one.run();
    assert.deepEqual([one.seen.obtains, one.seen.settled], [[], []]);
  });
});

describe("a row that is suspended", () => {
  it("lease-table 16: waits for its cluster, or for another controller in it or in its namespace", async () => {
    for (const [circuit, waits] of [
      ["cluster:east", true],
      ["cluster:west", false],
      ["vso:east", true],
      ["vso:east/shop", true],
      ["vso:east/bank", false],
    ] as const) {
      await using one = await aSync();
      await one.store.openCircuit(open(circuit));
      await one.run();
      assert.equal(one.seen.obtains.length === 0, waits, circuit);
      assert.deepEqual(one.seen.counts.includes("keyferry_syncs_waiting_total east"), waits, circuit);
    }
  });

  it("works beside Vault Secrets Operator where fleet.yaml says so", async () => {
    await using one = await aSync({ settings: aCluster({ besideVso: ["shop"] }) });
    await one.store.openCircuit(open("vso:east"));
    await one.run();
    assert.equal(one.seen.obtains.length, 1);
  });

  it("still ends what is due in Vault, but does not ask the cluster about it", async () => {
    const issue = anIssue({ state: "ending", endAt: START, inUseUntil: START + 30 * MINUTE_MS, replacedAt: START - 1 });
    const resolved = aResolved({ rolloutTargets: [{ kind: "Deployment", name: "app" }] });
    for (const isAway of [false, true]) {
      const asked: string[] = [];
      const get = async ({ name }: { name: string }) => void asked.push(name);
      await using one = await aSync({ resolved, deps: { rollouts: { get } } });
      const { hash } = one.declared;
      await one.settled({ issues: [issue], appliedHash: hash }, { kind: "due", at: START });
      if (isAway) await one.store.openCircuit(open("cluster:east"));
      await one.run();
      assert.deepEqual([asked, one.seen.obtains.length], [isAway ? [] : ["app"], 0]);
      assert.ok(((await one.row()).dueAt ?? 0) > START);
    }
    const asked: string[] = [];
    const get = async ({ name }: { name: string }) => void asked.push(name);
    await using lost = await aSync({ resolved: new SyncError("REFERENCE_MISSING", "no"), deps: { rollouts: { get } } });
    await lost.settled({ issues: [issue], appliedHash: lost.declared.hash }, { kind: "due", at: START });
    await lost.run();
    assert.deepEqual([asked, lost.seen.obtains.length], [[], 0], "its workloads are not known");
  });
});

describe("a row that is handed over to Vault Secrets Operator", () => {
  it("goes, and nothing runs for it", async () => {
    await using one = await aSync({ declared: { annotations: { [HANDED_OVER]: TO_VSO } } });
    await one.run();
    assert.deepEqual([await one.exists(one.key), one.seen.obtains], [false, []]);
  });
});

describe("a declaration that is being deleted", () => {
  it("is cleaned up when it is due, and not by a slot of the wheel", async () => {
    const cleared: string[] = [];
    await using one = await aSync({ declared: { deleting: true }, clears: () => cleared.push("db") });
    one.change({ resource: undefined });
    const owned = [{ name: "db", uid: "s" }];
    await one.settled({ owned }, { kind: "wheel", slot: { period: 60, phase: 0 } });
    await one.run({ lane: "refresh" });
    assert.deepEqual([cleared, one.seen.obtains], [[], []]);
    await one.settled({ owned }, { kind: "due", at: START });
    await one.run();
    assert.deepEqual([cleared, one.seen.released, one.seen.obtains], [["db"], 1, []]);
  });
});

describe("a row of a kind that nobody knows", () => {
  it("is a bug, and said to be one", async () => {
    const key = syncKey({ cluster: "east", kind: "Nothing", namespace: "shop", name: "db" });
    await using one = await aSync({ declared: { key }, deps: { kinds: { of: () => undefined } } });
    await assert.rejects(one.run(), /no kind of that name/);
  });
});

describe("what left the fleet", () => {
  it("lease-table 28: ends when its retention is over, and not before", async () => {
    for (const [ms, isGone] of [
      [MINUTE_MS - 1, false],
      [MINUTE_MS, true],
    ] as const) {
      const { issues, seals } = anIssuingVault().deps;
      await using one = await aSync({ deps: { issues, seals } });
      await one.settled({ issues: [anIssue({ renewWithin: 100 })], waitsFor: CIRCUIT });
      await one.store.retire(one.key, START + MINUTE_MS, START);
      const of = cleanupKey(aKey(), aDeclared().uid);
      one.change({ settings: undefined });
      one.pass(ms);
      await one.run({ of });
      const states = (await one.exists(of)) ? (await one.row(of)).state.issues?.map(({ state }) => state) : [];
      assert.equal(states?.includes("live"), !isGone, `after ${ms} ms`);
    }
  });
});
