import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { SECOND_MS } from "../../../lib/clock.ts";
import type { ErrorCode } from "../../../lib/errors.ts";
import { cleanupKey } from "../../../lib/keys.ts";
import { LEASE_MS, type ReconcileDeps } from "../../../lib/ports/deps.ts";
import type { KeysMessage, WorkMessage } from "../../../lib/ports/queue.ts";
import { EMPTY_STATE, type OwnedSecret } from "../../../lib/ports/rows.ts";
import type { Schedule } from "../../../lib/ports/store.ts";
import { claimOf } from "../../../lib/reconcile/claim.ts";
import { simulatedSqliteStore } from "../../../lib/store/sqlite/sqlite-store.ts";
import { aDeclared, aKey } from "../../builders.ts";
import { QUIET } from "../aws/records.ts";

const KEY = aKey();
const NEW = [{ name: "db" }];
const START = Date.UTC(2030, 0, 1);

type Leases = ReconcileDeps["leases"];

/** A row that was just declared, the claims of workers on it, and what was sent to the queue. */
async function aScene() {
  let now = START;
  const clock = () => now;
  const store = simulatedSqliteStore(undefined);
  const sent: number[] = [];
  const messages: KeysMessage[] = [];
  const queue = {
    send: async (more: readonly WorkMessage[]) => {
      messages.push(...more.filter((message) => message.kind === "keys"));
      sent.push(...more.map(({ at }) => at));
    },
  };
  const row = async () => (await store.read([KEY], "strong")).get(KEY) ?? assert.fail("no row");
  await store.declare(aDeclared({ key: KEY }), now);
  return {
    ...{ store, sent, messages, row },
    pass(ms: number) {
      now += ms;
    },
    now: clock,
    worker: async (owned?: readonly OwnedSecret[], leases: Leases = store) =>
      claimOf({ leases, queue, clock, random: () => 0.5, log: QUIET }, await row(), owned),
    [Symbol.asyncDispose]: () => store[Symbol.asyncDispose](),
  };
}

describe("the claim on a row", () => {
  it("is one worker's, and names what is to be written before it is", async () => {
    await using scene = await aScene();
    const [first, second] = [await scene.worker(NEW), await scene.worker(NEW)];
    assert.equal(first.isTaken, false);
    assert.ok(await first.take());
    assert.ok(await first.take(), "it has it already");
    assert.equal(await second.take(), false);
    assert.deepEqual((await scene.row()).state.owned, NEW);
    assert.deepEqual(first.row.state.owned, [], "the run decides by the row as it was read");
  });

  it("asks for what is to be written only where something is", async () => {
    await using scene = await aScene();
    const asked: object[] = [];
    const spying: Leases = {
      ...scene.store,
      claim: async (row, options) => {
        asked.push(options);
        return scene.store.claim(row, options);
      },
    };
    await (await scene.worker(undefined, spying)).take();
    assert.deepEqual(asked, [{ now: START, until: START + LEASE_MS }]);
  });

  it("that writes nothing has the row as it was claimed", async () => {
    await using scene = await aScene();
    const worker = await scene.worker();
    await scene.store.nudge(KEY, { now: scene.now(), verify: true, atOnce: true });
    const { verify } = await scene.row();
    assert.ok(await worker.take());
    assert.equal(worker.row.verify, verify);
    assert.equal(worker.row.verify, true);
  });

  it("lease-table 22: leaves a request to verify the destination to a later run, until one has verified it", async () => {
    const end = { schedule: { kind: "parked" } as const, now: START };
    for (const [how, expected] of [
      [undefined, true],
      ["verified", undefined],
    ] as const) {
      await using scene = await aScene();
      await scene.store.nudge(KEY, { now: scene.now(), verify: true, atOnce: true });
      const worker = await scene.worker();
      await worker.take();
      await worker.settle({ ...end, state: EMPTY_STATE }, how);
      const { verify, state } = await scene.row();
      assert.deepEqual([verify, state.isUnverified], [false, expected]);
    }
    await using routine = await aScene();
    const worker = await routine.worker();
    await worker.take();
    await worker.settle({ ...end, state: EMPTY_STATE });
    assert.equal((await routine.row()).state.isUnverified, undefined);
  });

  it("of a declaration that changed since leaves the row due at once", async () => {
    await using scene = await aScene();
    const schedules: Schedule[] = [];
    const settle: Leases["settle"] = (lease, settlement) => {
      schedules.push(settlement.schedule);
      return scene.store.settle(lease, settlement);
    };
    const leases = new Proxy(scene.store, {
      get: (store, name) => (name === "settle" ? settle : Reflect.get(store, name)),
    });
    await scene.store.nudge(KEY, { now: scene.now(), verify: true, atOnce: true });
    const worker = await scene.worker(NEW, leases);
    await scene.store.declare(aDeclared({ key: KEY, hash: "another" }), scene.now());
    assert.equal(await worker.take(), false);
    assert.deepEqual(schedules, [{ kind: "due", at: START }]);
    assert.equal((await scene.row()).verify, true);
  });

  it("that follows a worker which died has what that one recorded, and not what it is to write itself", async () => {
    await using scene = await aScene();
    const died = await scene.worker([{ name: "old" }, { name: "db" }]);
    await died.take();
    const next = await scene.worker([{ name: "third" }]);
    const recorded = [
      { name: "db", uid: "u1" },
      { name: "late", uid: "u2" },
    ];
    await died.record({ owned: recorded, rolledDigest: "recorded" });
    scene.pass(LEASE_MS + SECOND_MS);
    assert.ok(await next.take());
    const { key, state } = next.row;
    assert.equal(key, KEY);
    assert.equal(state.rolledDigest, "recorded");
    assert.deepEqual(
      new Set(state.owned.map(({ name, uid }) => `${name} ${uid}`)),
      new Set(["db u1", "late u2", "old undefined"]),
    );
  });

  it("records what was written in place of what was to be", async () => {
    await using scene = await aScene();
    const worker = await scene.worker([{ name: "db" }, { name: "web" }]);
    await worker.record({ owned: [{ name: "db", uid: "u1" }] });
    assert.equal(worker.row.key, KEY);
    assert.deepEqual((await scene.row()).state.owned, [{ name: "db", uid: "u1" }, { name: "web" }]);
  });

  it("records, also where nothing is to be written, and ends no lease that it does not have", async () => {
    await using scene = await aScene();
    const worker = await scene.worker();
    await worker.settle({ state: EMPTY_STATE, schedule: { kind: "parked" }, now: scene.now() });
    assert.equal((await scene.row()).dueAt, START);
    await worker.record({ rolledDigest: "before" });
    assert.equal((await scene.row()).state.rolledDigest, "before");
  });

  it("that was lost sends nothing on at its end; one that was nudged does so at once", async () => {
    await using scene = await aScene();
    const late = await scene.worker();
    await late.take();
    scene.pass(LEASE_MS + SECOND_MS);
    const next = await scene.worker();
    await next.take();
    await late.settle({ state: EMPTY_STATE, schedule: { kind: "due", at: scene.now() }, now: scene.now() });
    assert.deepEqual(scene.messages, []);
    await scene.store.nudge(KEY, { now: scene.now(), verify: false });
    await next.settle({ state: EMPTY_STATE, schedule: { kind: "parked" }, now: scene.now() });
    assert.deepEqual(scene.messages, [{ kind: "keys", keys: [KEY], lane: "now", at: scene.now() }]);
  });

  it("lease-table 1: a worker that comes too late asks for another run, and writes nothing", async () => {
    await using scene = await aScene();
    const [first, second] = [await scene.worker(), await scene.worker()];
    await first.take();
    const { nudges } = await scene.row();
    await assert.rejects(second.takeToWrite(), { code: "LEASE_LOST" });
    const row = await scene.row();
    assert.deepEqual([row.nudges, row.verify], [nudges + 1, false]);
    const again = [{ kind: "keys", keys: [KEY], lane: "now", at: START + LEASE_MS }];
    assert.deepEqual(scene.messages, again);
    // It is to come anyway: nothing is sent twice.
    await assert.rejects(second.takeToWrite(), { code: "LEASE_LOST" });
    assert.deepEqual(scene.messages, again);
  });

  it("gives a row back, due now, whose declaration changed since it was read", async () => {
    await using scene = await aScene();
    const worker = await scene.worker();
    await scene.store.declare(aDeclared({ key: KEY, hash: "another" }), scene.now());
    assert.equal(await worker.take(), false);
    const { leaseUntil, dueAt } = await scene.row();
    assert.deepEqual([leaseUntil, dueAt], [undefined, START]);
    assert.deepEqual(scene.messages, [{ kind: "keys", keys: [KEY], lane: "now", at: START }]);
  });

  it("that is lost asks for a run, and for no more than that", async () => {
    await using scene = await aScene();
    const asked: object[] = [];
    const spying: Leases = {
      ...scene.store,
      nudge: async (key, options) => {
        asked.push(options);
        return scene.store.nudge(key, options);
      },
    };
    const second = await scene.worker(undefined, spying);
    await (await scene.worker()).take();
    await assert.rejects(second.takeToWrite(), { code: "LEASE_LOST" });
    assert.deepEqual(asked, [{ now: START, verify: false }]);
  });

  it("lease-table 6: allows no write that might end after the lease", async () => {
    await using scene = await aScene();
    const worker = await scene.worker();
    scene.pass(SECOND_MS);
    await worker.takeToWrite();
    scene.pass(LEASE_MS - 10 * SECOND_MS);
    await worker.takeToWrite();
    assert.deepEqual(scene.messages, []);
    scene.pass(1);
    await assert.rejects(worker.takeToWrite("status"), { code: "LEASE_LOST" });
    assert.deepEqual(scene.messages, [], "its settle says when it comes again");
    await assert.rejects(worker.takeToWrite(), { code: "LEASE_LOST" });
    // Ticks passed the end of the lease before it was taken: without a message it is ten minutes until the next run.
    const again = [{ kind: "keys", keys: [KEY], lane: "now", at: START + SECOND_MS + LEASE_MS }];
    assert.deepEqual(scene.messages, again);
    await assert.rejects(worker.takeToWrite("status"), { code: "LEASE_LOST" });
    assert.deepEqual(scene.messages, again, "nothing is sent twice");
  });

  it("records what must be known whatever follows, and goes on", async () => {
    await using scene = await aScene();
    const worker = await scene.worker(NEW);
    await worker.record({ rolledDigest: "before" });
    assert.equal(worker.row.state.rolledDigest, "before");
    const { state, leaseUntil } = await scene.row();
    assert.deepEqual([state.rolledDigest, state.owned], ["before", NEW]);
    assert.ok(leaseUntil !== undefined, "it is claimed still");
    await worker.settle({ state: worker.row.state, schedule: { kind: "parked" }, now: scene.now() });
    assert.equal((await scene.row()).leaseUntil, undefined);
  });

  it("records nothing once another worker has the row", async () => {
    await using scene = await aScene();
    const late = await scene.worker();
    await late.take();
    scene.pass(LEASE_MS + SECOND_MS);
    await (await scene.worker()).take();
    await assert.rejects(late.record({ rolledDigest: "late" }), { code: "LEASE_LOST" });
    assert.equal((await scene.row()).state.rolledDigest, undefined);
  });

  /** A run at work, and the clean-up of its declaration, which came to nothing and waits for the run. */
  async function anAwaitedRun(scene: Awaited<ReturnType<typeof aScene>>) {
    const run = await scene.worker(NEW);
    await run.take();
    await scene.store.tombstone(KEY, run.row.declared.uid, scene.now());
    const key = cleanupKey(KEY, run.row.declared.uid);
    const cleanup = async () => (await scene.store.read([key], "strong")).get(key) ?? assert.fail("no clean-up");
    const { state, ...row } = await cleanup();
    const claimed = await scene.store.claim({ ...row, state }, { now: scene.now(), until: scene.now() + LEASE_MS });
    const schedule = { kind: "due", at: state.busyUntil ?? assert.fail("it does not wait") } as const;
    await scene.store.settle(claimed?.lease ?? assert.fail(), { state, schedule, now: scene.now() });
    scene.pass(SECOND_MS);
    return { run, key, dueAt: async () => (await cleanup()).dueAt, waitsUntil: schedule.at };
  }

  it("lease-table 8: tells the clean-up that waits for its run, whatever it found, that this is over", async () => {
    for (const code of [undefined, "DECLARATION_GONE", "VAULT_DENIED", "KUBE_DENIED"] as const) {
      await using scene = await aScene();
      const { run, key, dueAt } = await anAwaitedRun(scene);
      const state = { ...EMPTY_STATE, ...(code && { error: { code, message: "", since: START } }) };
      await run.settle({ state, schedule: { kind: "parked" }, now: scene.now() });
      assert.equal(await dueAt(), scene.now(), code);
      assert.deepEqual(scene.messages, [{ kind: "keys", keys: [key], lane: "now", at: scene.now() }]);
    }
  });

  it("lease-table 8: leaves it to wait while a request without an answer may still be carried out", async () => {
    const unanswered = [
      "KUBE_UNREACHABLE",
      "KUBE_NO_ANSWER",
      "KUBE_FAILED",
      "KUBE_ANSWER_INVALID",
      "DEADLINE_EXCEEDED",
    ];
    for (const code of unanswered as readonly ErrorCode[]) {
      await using scene = await aScene();
      const { run, dueAt, waitsUntil } = await anAwaitedRun(scene);
      const state = { ...EMPTY_STATE, error: { code, message: "", since: START } };
      await run.settle({ state, schedule: { kind: "parked" }, now: scene.now() });
      assert.equal(await dueAt(), waitsUntil, code);
      assert.deepEqual(scene.messages, []);
    }
  });

  it("lease-table 8: tells it so when it can't record, and writes nothing after that", async () => {
    await using scene = await aScene();
    const { run, key, dueAt } = await anAwaitedRun(scene);
    await run.takeToWrite();
    await assert.rejects(run.record({ rolledDigest: "late" }), { code: "LEASE_LOST" });
    assert.equal(await dueAt(), scene.now());
    assert.deepEqual(scene.messages, [{ kind: "keys", keys: [key], lane: "now", at: scene.now() }]);
    await assert.rejects(run.takeToWrite(), { code: "LEASE_LOST" });
  });

  it("lease-table 14: sends a row on that is due before ticks come to it, but not one that waits for an outage's end", async () => {
    const open = { code: "VAULT_SEALED", message: "", since: START, attempts: 1, fence: 1, probeAt: START } as const;
    const settled = async (afterMs: number, circuit?: string, schedule?: Schedule): Promise<readonly number[]> => {
      await using scene = await aScene();
      await scene.store.openCircuit({ id: "vault:open", ...open });
      const worker = await scene.worker();
      await worker.take();
      const met = circuit === undefined ? {} : { circuit };
      const at = { schedule: schedule ?? { kind: "due", at: START + afterMs }, now: START } as const;
      await worker.settle({ state: EMPTY_STATE, ...at, ...met });
      return scene.sent.map((at) => at - START);
    };
    assert.deepEqual(await settled(5_000), [5_000]);
    assert.deepEqual(await settled(120_000), [120_000]);
    assert.deepEqual(await settled(120_001), []);
    assert.deepEqual(await settled(0, "vault:open"), []);
    assert.deepEqual(await settled(5_000, "vault:open"), [5_000]);
    assert.deepEqual(await settled(0, "vault:over"), [5_000], "when every worker knows that it is over");
    const slot = { period: 60, phase: 1 };
    assert.deepEqual(await settled(0, undefined, { kind: "wheel", slot, dueAt: START + 1_000 }), [1_000]);
    assert.deepEqual(await settled(0, undefined, { kind: "wheel", slot }), []);
    const parked = { kind: "parked", at: START, dueAt: START } as const;
    assert.deepEqual(await settled(0, undefined, parked), []);
  });
});
