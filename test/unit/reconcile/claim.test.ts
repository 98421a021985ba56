import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { SECOND_MS } from "../../../lib/clock.ts";
import { LEASE_MS } from "../../../lib/ports/deps.ts";
import { EMPTY_STATE } from "../../../lib/ports/rows.ts";
import { claimOf } from "../../../lib/reconcile/claim.ts";
import { simulatedSqliteStore } from "../../../lib/store/sqlite/sqlite-store.ts";
import { aDeclared, aKey } from "../../builders.ts";
import { QUIET } from "../aws/records.ts";

const KEY = aKey();
const NEW = [{ name: "db" }];
const START = Date.UTC(2030, 0, 1);

/** A row that was just declared, the claims of workers on it, and what was sent to the queue. */
async function aScene() {
  let now = START;
  const clock = () => now;
  const store = simulatedSqliteStore(undefined);
  const sent: number[] = [];
  const queue = {
    send: async (messages: readonly { at: number }[]) => void sent.push(...messages.map(({ at }) => at)),
  };
  const row = async () => (await store.read([KEY], "strong")).get(KEY) ?? assert.fail("no row");
  await store.declare(aDeclared({ key: KEY }), now);
  return {
    ...{ store, sent, row },
    pass(ms: number) {
      now += ms;
    },
    now: clock,
    worker: async (owned?: typeof NEW) => claimOf({ leases: store, queue, clock, log: QUIET }, await row(), owned),
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

  it("lease-table 1: a worker that comes too late asks for another run, and writes nothing", async () => {
    await using scene = await aScene();
    const [first, second] = [await scene.worker(), await scene.worker()];
    await first.take();
    const { nudges } = await scene.row();
    await assert.rejects(second.require(), { code: "LEASE_LOST" });
    assert.equal((await scene.row()).nudges, nudges + 1);
  });

  it("gives a row back, due now, whose declaration changed since it was read", async () => {
    await using scene = await aScene();
    const worker = await scene.worker();
    await scene.store.declare(aDeclared({ key: KEY, hash: "another" }), scene.now());
    assert.equal(await worker.take(), false);
    const { leaseUntil, dueAt } = await scene.row();
    assert.deepEqual([leaseUntil, dueAt], [undefined, START]);
    assert.deepEqual(scene.sent, [START]);
  });

  it("lease-table 6: allows no write that might end after the lease", async () => {
    await using scene = await aScene();
    const worker = await scene.worker();
    scene.pass(SECOND_MS);
    await worker.require();
    scene.pass(LEASE_MS - 10 * SECOND_MS);
    await worker.require();
    scene.pass(1);
    await assert.rejects(worker.require(), { code: "LEASE_LOST" });
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

  it("lease-table 14: sends a row on that is due before ticks come to it, but not one that waits for an outage's end", async () => {
    const settled = async (afterMs: number, code?: "VAULT_SEALED"): Promise<readonly number[]> => {
      await using scene = await aScene();
      const worker = await scene.worker();
      await worker.take();
      const error = code && { code, message: "", since: START };
      const state = { ...EMPTY_STATE, ...(error && { error }) };
      await worker.settle({ state, schedule: { kind: "due", at: START + afterMs }, now: START });
      return scene.sent.map((at) => at - START);
    };
    assert.deepEqual(await settled(5_000), [5_000]);
    assert.deepEqual(await settled(120_000), [120_000]);
    assert.deepEqual(await settled(120_001), []);
    assert.deepEqual(await settled(0, "VAULT_SEALED"), []);
  });
});
