import assert from "node:assert/strict";
import { join } from "node:path";
import { describe, it } from "node:test";
import { type EpochMs, MINUTE_MS, SECOND_MS } from "../../lib/clock.ts";
import { KINDS } from "../../lib/kinds/registry.ts";
import type { Schedule } from "../../lib/ports/store.ts";
import type { CoreDeps } from "../../lib/reconcile/deps.ts";
import { reconciler } from "../../lib/reconcile/reconcile.ts";
import { openSqliteStore } from "../../lib/store/sqlite/sqlite-store.ts";
import { aKey } from "../builders.ts";
import { tempFolder } from "../harness/process/temp-folder.ts";
import { counting, QUIET } from "../unit/aws/records.ts";
import { aScene, LEASE_MS, type Scene, START } from "./lease-store/scene.ts";

const KEY = aKey();
const SLOT = { period: 57, phase: 3 };
const ON_WHEEL: Schedule = { kind: "wheel", slot: SLOT };

interface Worker {
  readonly scene: Scene;
  /** Handles a message for the key; answers whether the row was taken up. */
  takesUp(message: { readonly lane: "now" | "refresh"; readonly at: EpochMs }): Promise<boolean>;
  circuitReads(): number;
}

/**
 * A worker over a real store, in front of a cluster whose circuit is open: a row that is taken up is counted as waiting, and
 * nothing else is asked for. So every call of a Vault or a cluster is a failure.
 */
async function withWorker(test: (worker: Worker) => Promise<void>): Promise<void> {
  await using folder = await tempFolder("admit");
  await using scene = await aScene(async () => openSqliteStore({ path: join(folder.path, "state.sqlite") }));
  const { store, clock } = scene;
  const metrics = counting();
  const untouched = new Proxy({}, { get: (_, name) => assert.fail(`${String(name)} was asked for`) });
  const { handle } = reconciler({
    ...{ vault: untouched, secrets: untouched, resources: untouched, clusters: untouched, credentials: untouched },
    leases: store,
    kinds: KINDS,
    fleet: (name: string) => ({ name }),
    clock,
    random: () => 0,
    log: QUIET,
    metrics,
  } as unknown as CoreDeps);
  await store.openCircuit({
    ...{ id: "cluster:east", code: "KUBE_UNREACHABLE", message: "silent", attempts: 1 },
    ...{ since: START, fence: START, probeAt: START + MINUTE_MS },
  });
  await test({
    scene,
    circuitReads: () => store.counts().circuits ?? 0,
    async takesUp({ lane, at }) {
      const before = metrics.counts.keyferry_syncs_waiting_total ?? 0;
      scene.writes();
      const { failed } = await handle({ kind: "keys", keys: [KEY], lane, at }, new AbortController().signal);
      assert.deepEqual(failed, []);
      assert.equal(scene.writes(), 0, "an outage is written once, and not by who waits for its end");
      return (metrics.counts.keyferry_syncs_waiting_total ?? 0) > before;
    },
  });
}

describe("which messages a worker takes up", () => {
  it("lease-table 13: a wheel message that is older than one period is dropped unread", () =>
    withWorker(async ({ scene, takesUp }) => {
      await scene.settled(ON_WHEEL, { key: KEY });
      scene.pass(1);
      const at = scene.clock();
      scene.pass(SLOT.period * SECOND_MS);
      assert.equal(await takesUp({ lane: "refresh", at }), true);
      scene.pass(1);
      assert.equal(await takesUp({ lane: "refresh", at }), false);
    }));

  it("lease-table 14: a due message whose row is due later is acknowledged, and one that is due is worked on", () =>
    withWorker(async ({ scene, takesUp }) => {
      await scene.settled({ kind: "due", at: START + MINUTE_MS }, { key: KEY });
      assert.equal(await takesUp({ lane: "now", at: START }), false);
      scene.pass(MINUTE_MS);
      assert.equal(await takesUp({ lane: "now", at: START }), true);
    }));

  it("lease-table 14: a due message whose row is on the wheel by now has been done", () =>
    withWorker(async ({ scene, takesUp }) => {
      await scene.settled(ON_WHEEL, { key: KEY });
      for (const lane of ["now", "refresh"] as const) assert.equal(await takesUp({ lane, at: START }), false);
    }));

  it("lease-table 3: a row that someone works on is left to them, until their lease ends", () =>
    withWorker(async ({ scene, takesUp }) => {
      await scene.claim(await scene.declare({ key: KEY }));
      assert.equal(await takesUp({ lane: "now", at: START }), false);
      scene.pass(LEASE_MS);
      assert.equal(await takesUp({ lane: "now", at: START }), true);
    }));

  it("lease-table 16: circuits are read at most once in 5 s, whatever comes", () =>
    withWorker(async ({ scene, takesUp, circuitReads }) => {
      await scene.declare({ key: KEY });
      for (let times = 0; times < 10; times++) assert.equal(await takesUp({ lane: "now", at: START }), true);
      assert.equal(circuitReads(), 1);
      scene.pass(5 * SECOND_MS);
      await takesUp({ lane: "now", at: START });
      assert.equal(circuitReads(), 2);
    }));
});
