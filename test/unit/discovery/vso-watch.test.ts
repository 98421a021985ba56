import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { MINUTE_MS, SECOND_MS } from "../../../lib/clock.ts";
import { noticeVso, vsoWatch } from "../../../lib/discovery/vso-watch.ts";
import { SyncError } from "../../../lib/errors.ts";
import type { VsoLease } from "../../../lib/ports/clusters.ts";
import type { SeenResource } from "../../../lib/ports/resources.ts";
import type { ClusterState } from "../../../lib/ports/store.ts";
import { type KindRef, VAULT_STATIC_SECRET } from "../../../lib/resource-kinds.ts";
import { aCluster, aRow } from "../../builders.ts";

const START = Date.UTC(2026, 0, 1);

/** Looks one after the other, with what is stored between them; the cluster answers with the object that was seen last. */
function aScene(lease?: VsoLease) {
  const scene = {
    now: START,
    lease,
    object: undefined as SeenResource | undefined,
    stored: {} as NonNullable<ClusterState["vsoIn"]>,
    leasesAsked: 0,
    fails: undefined as Error | undefined,
    gets: 0,
    asked: [] as string[],
    replaced: false,
    opened: [] as (string | undefined)[],
  };
  const deps = {
    clock: () => scene.now,
    clusters: {
      vsoLease: async () => {
        scene.leasesAsked++;
        if (scene.fails) throw scene.fails;
        return scene.lease;
      },
    },
    resources: {
      get: async (of: { cluster: string; namespace: string; name: string; kind: KindRef }) => {
        scene.gets++;
        scene.asked.push([of.cluster, of.kind.kind, of.namespace, of.name].join("/"));
        return scene.object && (scene.replaced ? { ...scene.object, uid: "another" } : scene.object);
      },
    },
  } as unknown as Parameters<typeof vsoWatch>[0];
  const settledRow = aRow();
  const row = { ...settledRow, state: { ...settledRow.state, settledAt: START - 10 * MINUTE_MS } };
  const signal = new AbortController().signal;
  return {
    scene,
    watchPass() {
      const watch = vsoWatch(deps, {
        settings: aCluster(),
        operator: { name: "vso", first: "a" },
        circuits: { open: async ({ circuit }) => void scene.opened.push(circuit) },
        before: scene.stored,
        save: async (seen) => {
          scene.stored = seen;
        },
      });
      return {
        async see(namespace: string, name = "db", at = scene.now) {
          scene.object = written(namespace, name, at);
          await watch.see(row, scene.object, VAULT_STATIC_SECRET, signal);
        },
        watch,
        end() {
          scene.stored = watch.latest();
        },
      };
    },
  };
}

const written = (namespace: string, name: string, at: number): SeenResource => ({
  ...{ uid: `${namespace}/${name}`, resourceVersion: "1", generation: 1, deleting: false, namespace, name },
  ...{ labels: {}, annotations: {}, finalizers: [], spec: {}, status: {}, ownerReferences: [] },
  statusBy: { manager: "manager", at },
});

describe("another controller, as watch passes see it", () => {
  it("kubernetes-rules 24: the first write in one watch pass and the second in the next one stop their namespace alone", async () => {
    const { scene, watchPass } = aScene();
    const first = watchPass();
    await first.see("shop");
    await first.see("pay");
    first.end();
    assert.deepEqual([scene.opened, scene.gets], [[], 0]);
    scene.now += 20 * SECOND_MS;
    const second = watchPass();
    await second.see("shop");
    assert.deepEqual([scene.opened, scene.gets], [["vso:east/shop"], 1]);
    assert.deepEqual(
      [scene.stored.shop?.isProven, scene.stored.pay?.isProven],
      [true, false],
      "stored before it is told",
    );
  });

  it("kubernetes-rules 24: a namespace that is stopped stays so as long as writes go on, and is told each 20 s", async () => {
    const { scene, watchPass } = aScene();
    const { see, watch } = watchPass();
    await see("shop");
    scene.now += 20 * SECOND_MS;
    await see("shop");
    const [until = 0, opened] = [watch.latest().shop?.until, scene.opened.length];
    assert.equal(opened, 1);
    scene.now += 10 * SECOND_MS;
    await see("shop");
    assert.deepEqual([scene.opened.length, scene.gets], [1, 1], "it is proven: nobody is asked again");
    assert.equal(watch.latest().shop?.until, until + 10 * SECOND_MS);
    scene.now += 10 * SECOND_MS;
    await see("shop");
    assert.deepEqual([scene.opened.length, scene.stored.shop?.isProven], [2, true]);
    await see("shop", "older", scene.now - 15 * SECOND_MS);
    assert.equal(watch.latest().shop?.until, until + 20 * SECOND_MS, "an older write shortens nothing");
  });

  it("kubernetes-rules 24: the second write must be of the object that is there, which is asked for by name", async () => {
    const { scene, watchPass } = aScene();
    const { see } = watchPass();
    await see("shop");
    scene.now += 20 * SECOND_MS;
    scene.replaced = true;
    await see("shop");
    assert.deepEqual([scene.asked, scene.opened], [["east/VaultStaticSecret/shop/db"], []]);
  });

  it("kubernetes-rules 24: the same write seen again, or one that the object does not show any more, proves nothing", async () => {
    const { scene, watchPass } = aScene();
    const { see, watch } = watchPass();
    await see("shop");
    await see("shop");
    assert.equal(scene.gets, 0);
    scene.now += 20 * SECOND_MS;
    const claimed = written("shop", "db", scene.now);
    const { statusBy: _by, ...shown } = claimed;
    scene.object = shown;
    const row = { ...aRow(), state: { ...aRow().state, settledAt: START - MINUTE_MS } };
    await watch.see(row, claimed, VAULT_STATIC_SECRET, new AbortController().signal);
    assert.deepEqual([scene.gets, scene.opened], [1, []]);
  });

  it("kubernetes-rules 24: a lease that is held stops the cluster, and what its holder wrote is held against nobody after it", async () => {
    const { scene, watchPass } = aScene({ holder: "pod", renewedAt: START, durationMs: 15 * SECOND_MS });
    const { see, watch } = watchPass();
    await see("shop");
    assert.deepEqual([scene.opened, watch.latest()], [["vso:east"], {}]);
    scene.lease = { holder: "", renewedAt: START + 11 * SECOND_MS, durationMs: SECOND_MS };
    scene.now += 12 * SECOND_MS;
    await see("shop", "db", START + 10 * SECOND_MS);
    await see("shop", "other", START + 10 * SECOND_MS);
    assert.deepEqual([scene.opened.length, watch.latest()], [1, {}]);
  });

  it("a lease that could not be read is asked for again with the next write", async () => {
    const { scene, watchPass } = aScene();
    const { see } = watchPass();
    scene.fails = new SyncError("KUBE_UNREACHABLE", "away");
    await assert.rejects(see("shop"), scene.fails);
    scene.fails = undefined;
    await see("shop");
    assert.equal(scene.leasesAsked, 2);
  });

  it("a lease that can't be read before a watch pass is a failure, and says nothing of another controller", async () => {
    const opened: unknown[] = [];
    const away = new SyncError("KUBE_UNREACHABLE", "away");
    const notice = (vsoLease: () => Promise<VsoLease | undefined>) =>
      noticeVso(
        { clock: () => START, clusters: { vsoLease } } as unknown as Parameters<typeof noticeVso>[0],
        { open: async ({ circuit }) => void opened.push(circuit) },
        aCluster(),
        { name: "vso", first: "a" },
        new AbortController().signal,
      );
    await assert.rejects(
      notice(async () => Promise.reject(away)),
      away,
    );
    assert.deepEqual(opened, []);
    const held = { holder: "pod", renewedAt: START, durationMs: 15 * SECOND_MS };
    assert.deepEqual([await notice(async () => held), opened], [false, ["vso:east"]]);
    assert.equal(await notice(async () => undefined), true);
  });

  it("a clock that was set back asks for the lease again", async () => {
    const { scene, watchPass } = aScene();
    const { see } = watchPass();
    await see("shop");
    scene.now -= MINUTE_MS;
    await see("pay");
    assert.equal(scene.leasesAsked, 2);
    scene.now += 10 * SECOND_MS - 1;
    await see("bank");
    assert.equal(scene.leasesAsked, 2);
    scene.now += 1;
    await see("bank");
    assert.equal(scene.leasesAsked, 3);
  });

  it("however much is written, the lease is asked for every 10 s, and so is each namespace; what is remembered has a bound", async () => {
    const { scene, watchPass } = aScene();
    const { see, watch } = watchPass();
    for (let at = 0; at < 1_000; at++) await see(`ns-${at}`);
    assert.equal(scene.leasesAsked, 1);
    assert.equal(Object.keys(watch.latest()).length, 200);
    for (let at = 0; at < 50; at++) await see("ns-1", `db-${at}`, START - MINUTE_MS - at);
    assert.equal(scene.gets, 0, "too old to say something of now");
    scene.now += 2 * MINUTE_MS;
    await see("ns-999");
    assert.deepEqual(Object.keys(watch.latest()), ["ns-999"], "what is over makes room");
  });
});
