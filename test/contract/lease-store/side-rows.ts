import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Circuit } from "../../../lib/ports/store.ts";
import { aReference, aReferenceKey } from "../../builders.ts";
import { aScene, LEASE_MS, type OpenStore, oneOf, START } from "./scene.ts";

const CIRCUIT: Circuit = {
  id: "vault:https://vault.example",
  code: "VAULT_SEALED",
  message: "Vault is sealed",
  since: START,
  attempts: 1,
  fence: START,
  probeAt: START + 1_000,
};

export function sideRowsContract(open: OpenStore): void {
  describe("dispatchedUntil, clusters, circuits and references", () => {
    it("lease-table 13: dispatchedUntil moves only from where it was read", async () => {
      await using scene = await aScene(open);
      const { store } = scene;
      assert.equal(await store.dispatchedUntil("refresh"), undefined);
      assert.equal(await store.moveDispatched("refresh", START, START + 1), false);
      /** Of two at once, the one that moved it. */
      const moved = async (from: number | undefined, times: readonly [number, number]): Promise<number> => {
        const outcomes = await Promise.all(times.map((time) => store.moveDispatched("refresh", from, time)));
        assert.deepEqual(outcomes.toSorted(), [false, true]);
        return times[outcomes.indexOf(true)] ?? assert.fail();
      };
      const first = await moved(undefined, [START, START + 5]);
      const next = await moved(first, [START + 10, START + 20]);
      assert.equal(await store.dispatchedUntil("refresh"), next);
      assert.equal(await store.moveDispatched("refresh", next, START - 10), true);
      assert.equal(await store.dispatchedUntil("refresh"), START - 10);
    });

    it("the start of a Vault's sweep moves only from where it was read, whatever other Vaults and lanes do", async () => {
      await using scene = await aScene(open);
      const { store } = scene;
      await store.moveDispatched("refresh", undefined, START);
      assert.equal(await store.sweepAt("refresh"), undefined);
      assert.equal(await store.moveSweep("refresh", START, START + 1), false);
      const [first, second] = await Promise.all([
        store.moveSweep("refresh", undefined, START + 1),
        store.moveSweep("refresh", undefined, START + 2),
      ]);
      assert.notEqual(first, second);
      assert.equal(await store.moveSweep("https://vault.example", undefined, START + 3), true);
      const at = first ? START + 1 : START + 2;
      assert.equal(await store.moveSweep("refresh", at, START + 9), true);
      assert.deepEqual(
        [await store.sweepAt("refresh"), await store.sweepAt("https://vault.example")],
        [START + 9, START + 3],
      );
      assert.equal(await store.dispatchedUntil("refresh"), START);
    });

    it("lease-table 21: a watch pass claims the cluster's row, and writes only under that fence", async () => {
      await using scene = await aScene(open);
      const { store } = scene;
      const claim = () => store.claimCluster("east", { now: scene.clock(), until: scene.clock() + LEASE_MS });
      const first = oneOf(await Promise.all([claim(), claim()]));
      assert.deepEqual(
        [first.leaseUntil, first.dueAt, first.state],
        [START + LEASE_MS, START + LEASE_MS, { cursors: {}, attempts: 0 }],
      );
      assert.equal(first.fence, START);

      const state = { cursors: { VaultAuth: { resourceVersion: "9", movedAt: START } }, attempts: 0, uid: "k" };
      assert.equal(await store.saveCluster(first, state, { until: START + 2 * LEASE_MS }), true);
      scene.pass(LEASE_MS);
      assert.equal(await claim(), undefined);
      scene.pass(LEASE_MS);
      const later = await claim();
      assert.equal(later?.fence, first.fence + 1);
      assert.deepEqual(later?.state, state);
      assert.equal(await store.saveCluster(first, { ...state, uid: "late" }, { dueAt: START }), false);
      assert.equal(await store.saveCluster(later ?? assert.fail(), state, { dueAt: scene.clock() + 5 }), true);
      const saved = await store.cluster("east");
      assert.deepEqual(saved, { name: "east", fence: first.fence + 1, dueAt: scene.clock() + 5, state });
      assert.deepEqual(await store.clusters(), [saved]);
      await store.claimCluster("a-cluster", { now: scene.clock(), until: scene.clock() + LEASE_MS });
      assert.deepEqual(await store.cluster("east"), saved);
      assert.equal((await store.cluster("a-cluster"))?.name, "a-cluster");
      await store.removeCluster("a-cluster");
      assert.ok(await claim());
      await store.removeCluster("east");
      assert.equal(await store.cluster("east"), undefined);
      assert.equal(await store.saveCluster(later ?? assert.fail(), state, { dueAt: 0 }), false);
    });

    it("lease-table 16: an outage is written once, however many report it", async () => {
      await using scene = await aScene(open);
      const reported = [CIRCUIT, { ...CIRCUIT, attempts: 9 }];
      const opened = await Promise.all(reported.map((circuit) => scene.store.openCircuit(circuit)));
      assert.deepEqual(opened.toSorted(), [false, true]);
      assert.deepEqual(await scene.store.circuits(), [reported[opened.indexOf(true)]]);
      assert.equal(scene.writes(), 1);
    });

    it("lease-table 16: one probes at a time, when it is due; a prober that dies is followed by another", async () => {
      await using scene = await aScene(open);
      const { store } = scene;
      await store.openCircuit(CIRCUIT);
      const probe = (circuit: Circuit) =>
        store.claimProbe(circuit, { now: scene.clock(), until: scene.clock() + LEASE_MS });
      assert.equal(await probe(CIRCUIT), undefined);
      scene.pass(1_000);
      const first = oneOf(await Promise.all([probe(CIRCUIT), probe(CIRCUIT)]));
      assert.deepEqual(first, { ...CIRCUIT, fence: CIRCUIT.fence + 1, probeAt: START + 1_000 + LEASE_MS });
      assert.equal(await probe(first), undefined);
      scene.pass(LEASE_MS);
      const follower = await probe(first);
      assert.ok(follower);
      const next = {
        code: "VAULT_UNAVAILABLE",
        message: "no answer",
        attempts: 2,
        probeAt: scene.clock() + 9,
      } as const;
      assert.equal(await store.keepOpen(first, next), false);
      assert.equal(await store.keepOpen(follower, next), true);
      assert.deepEqual(await store.circuits(), [{ ...follower, ...next }]);
    });

    it("lease-table 16: a probe that is due minutes from now was put off by a clock that was ahead, and is due", async () => {
      await using scene = await aScene(open);
      const { store } = scene;
      const now = scene.clock();
      const inMinutes = (minutes: number) => ({
        ...CIRCUIT,
        id: `${CIRCUIT.id}${minutes}`,
        probeAt: now + minutes * 60_000,
      });
      const claims = [5, 6].map(async (minutes) => {
        await store.openCircuit(inMinutes(minutes));
        return (await store.claimProbe(inMinutes(minutes), { now, until: now + LEASE_MS }))?.probeAt;
      });
      assert.deepEqual(await Promise.all(claims), [undefined, now + LEASE_MS]);
    });

    it("lease-table 16: who probed closes the circuit; a late prober closes nothing", async () => {
      await using scene = await aScene(open);
      const { store } = scene;
      await store.openCircuit(CIRCUIT);
      scene.pass(1_000);
      const late = await store.claimProbe(CIRCUIT, { now: scene.clock(), until: scene.clock() + 1 });
      scene.pass(1);
      const prober = await store.claimProbe(late ?? assert.fail(), { now: scene.clock(), until: scene.clock() + 1 });
      assert.equal(await store.closeCircuit(late ?? assert.fail()), false);
      assert.equal(await store.closeCircuit(prober ?? assert.fail()), true);
      assert.deepEqual(await store.circuits(), []);
      assert.equal(await store.closeCircuit(prober ?? assert.fail()), false);
    });

    it("lease-table 16: events of circuits are stored with them, and outlive them until they are cleared", async () => {
      await using scene = await aScene(open);
      const { store } = scene;
      const event = (kind: string, at: number) => ({
        id: `${CIRCUIT.id}@${START}/${kind}`,
        kind,
        at,
        detail: { n: 1 },
      });
      const [opened, closed] = [event("ClusterUnreachable", START), event("ClusterReachable", START + 1_000)];
      assert.equal(await store.openCircuit(CIRCUIT, opened), true);
      assert.equal(await store.openCircuit({ ...CIRCUIT, since: START + 1 }, event("Other", START)), false);
      assert.deepEqual(await store.circuitEvents(10), [opened]);
      scene.pass(1_000);
      const prober = await store.claimProbe(CIRCUIT, { now: scene.clock(), until: scene.clock() + 1 });
      assert.equal(await store.closeCircuit(CIRCUIT, event("Late", START)), false);
      assert.equal(await store.closeCircuit(prober ?? assert.fail(), closed), true);
      assert.deepEqual([await store.circuits(), await store.circuitEvents(10)], [[], [opened, closed]]);
      assert.deepEqual(await store.circuitEvents(1), [opened]);
      await store.clearCircuitEvents([opened]);
      await store.clearCircuitEvents([opened]);
      assert.deepEqual(await store.circuitEvents(10), [closed]);
    });

    it("lease-table 23: references are rows of their own, written when uid or hash differ", async () => {
      await using scene = await aScene(open);
      const { store } = scene;
      const reference = aReference();
      assert.equal(await store.putReference(reference), true);
      assert.equal(await store.putReference({ ...reference, generation: 7 }), false);
      assert.equal(scene.writes(), 1);
      const changed = aReference({ hash: "changed" });
      assert.equal(await store.putReference(changed), true);
      assert.equal(await store.putReference({ ...changed, uid: "reborn" }), true);
      const west = aReference({ key: aReferenceKey("default", "west") });
      await store.putReference(west);
      const found = await store.references([reference.key, aReferenceKey("missing")], "strong");
      assert.deepEqual([...found], [[reference.key, { ...changed, uid: "reborn" }]]);
      assert.deepEqual(await store.referencesOf("west"), [west]);
      assert.equal(await store.removeReference(west.key), true);
      assert.equal(await store.removeReference(west.key), false);
      assert.deepEqual(await store.referencesOf("west"), []);
    });
  });
}
