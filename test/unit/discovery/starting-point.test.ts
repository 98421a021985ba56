import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { DiscoveryDeps } from "../../../lib/discovery/deps.ts";
import { releaseDeparted, startingPoint } from "../../../lib/discovery/starting-point.ts";
import type { ClusterSettings } from "../../../lib/ports/fleet.ts";
import type { ClusterState } from "../../../lib/ports/store.ts";
import { simulatedSqliteStore } from "../../../lib/store/sqlite/sqlite-store.ts";
import { aCluster, aDeclared, aKey } from "../../builders.ts";

const NOW = Date.UTC(2030, 0, 1);
const MINUTE_MS = 60_000;
const OPERATOR = { name: "vso", first: "u" };
const CURSOR = { resourceVersion: "50", movedAt: NOW };
const OPTIONS = { seconds: 10, againMs: 0, probeRevision: false, acceptMissing: false, sleep: async () => undefined };

/** A lease table in memory with the syncs `db` of these clusters, and a cluster at revision 60. */
async function scene(...clusters: readonly string[]) {
  const leases = simulatedSqliteStore(undefined);
  for (const cluster of clusters) await leases.declare(aDeclared({ key: aKey("db", cluster) }), NOW);
  const world = { revision: "60", lists: 0 };
  const sweeps: string[] = [];
  const nothing = () => undefined;
  const deps = {
    leases,
    clusters: {
      async list() {
        world.lists += 1;
        return { items: [], resourceVersion: world.revision };
      },
    },
    queue: {
      send: async (messages: readonly { readonly cluster?: string }[]) => void sweeps.push(JSON.stringify(messages)),
    },
    ...{ clock: () => NOW, random: () => 0.5, log: { info: nothing, warn: nothing } },
  } as unknown as DiscoveryDeps;
  const start = (
    state: Partial<ClusterState>,
    { settings = {}, options = {}, uid = "cluster-1", operator = OPERATOR } = {} as {
      readonly settings?: Partial<ClusterSettings>;
      readonly options?: Partial<typeof OPTIONS>;
      readonly uid?: string;
      readonly operator?: ClusterState["operator"] & object;
    },
  ) =>
    startingPoint(
      deps,
      aCluster(settings),
      { cursors: {}, attempts: 0, ...state },
      { uid, operator },
      { ...OPTIONS, ...options },
      new AbortController().signal,
    );
  /** The state that a pass over this cluster has left, a cursor included. */
  const left = async (): Promise<ClusterState> => ({ ...(await start({})), cursors: { Secret: CURSOR } });
  const rows = async (cluster: string) => (await leases.byCluster(cluster)).map(({ key }) => key);
  return { world, deps, leases, sweeps, start, left, rows, [Symbol.asyncDispose]: () => leases[Symbol.asyncDispose]() };
}

describe("a watch pass starts", () => {
  it("lease-table 19: where the one before it ended, and asks the cluster nothing", async () => {
    await using one = await scene("east");
    const before = await one.left();
    const { cursors, restores } = await one.start(before);
    assert.deepEqual([cursors, restores, one.world.lists], [{ Secret: CURSOR }, undefined, 0]);
    assert.deepEqual(await one.rows("east"), [aKey("db")]);
  });

  it("lease-table 20: with a list when a cursor is ahead of the cluster: it was restored", async () => {
    for (const [why, doubt] of [
      ["silent for minutes", { cursors: { Secret: { ...CURSOR, movedAt: NOW - 3 * MINUTE_MS - 1 } } }],
      ["failed before", { attempts: 1 }],
    ] as const) {
      await using one = await scene("east");
      const before = { ...(await one.left()), ...doubt };
      assert.deepEqual((await one.start(before)).cursors, before.cursors, `${why}, and all is well`);
      one.world.revision = "49";
      const { cursors, restores } = await one.start({ ...before, restores: 1 });
      assert.deepEqual([cursors, restores], [{}, 2], why);
    }
    await using asked = await scene("east");
    const before = await asked.left();
    asked.world.revision = "50";
    assert.deepEqual((await asked.start(before, { options: { probeRevision: true } })).cursors, before.cursors);
    asked.world.revision = "49";
    assert.deepEqual((await asked.start(before)).cursors, before.cursors, "nothing makes it doubtful");
    assert.deepEqual((await asked.start(before, { options: { probeRevision: true } })).cursors, {});
  });

  it("lease-table 20: a cursor that moved within three minutes is trusted", async () => {
    await using one = await scene("east");
    const before = { ...(await one.left()), cursors: { Secret: { ...CURSOR, movedAt: NOW - 3 * MINUTE_MS } } };
    one.world.revision = "49";
    assert.deepEqual([(await one.start(before)).cursors, one.world.lists], [before.cursors, 0]);
  });

  it("with a list when a person says that what is missing is really gone", async () => {
    await using one = await scene("east");
    assert.deepEqual((await one.start(await one.left(), { options: { acceptMissing: true } })).cursors, {});
  });

  it("with a list when the fleet file asks for something else", async () => {
    await using one = await scene("east");
    const before = await one.left();
    for (const change of [
      { settings: { observe: "apply" as const } },
      { settings: { operatorNamespace: "other" } },
      { settings: { namespaces: { include: ["*"], exclude: ["kube-*"] } } },
      { operator: { ...OPERATOR, without: "another" } as never },
    ]) {
      assert.deepEqual((await one.start(before, change)).cursors, {}, JSON.stringify(change));
    }
    assert.deepEqual((await one.start(before, { settings: { labels: { a: "b" } } })).cursors, before.cursors);
  });

  it("lease-table 18: without the rows of namespaces that left the fleet file, whose tokens end", async () => {
    await using one = await scene("east");
    const before = await one.left();
    one.sweeps.length = 0;
    const stays = { settings: { namespaces: { include: ["shop", "bank"], exclude: [] } } };
    await one.start(before, stays);
    assert.deepEqual(await one.rows("east"), [aKey("db")]);
    await one.start(before, { settings: { namespaces: { include: ["bank"], exclude: [] } } });
    assert.deepEqual(await one.rows("east"), []);
    assert.match(one.sweeps.at(-1) ?? "", /east/);
  });

  it("lease-table 18: from nothing in a cluster that was built anew under its name, also its key of MACs", async () => {
    await using one = await scene("east", "west");
    const macKey = { state: "made", at: NOW } as const;
    const before = { ...(await one.left()), macKey };
    assert.deepEqual((await one.start(before)).macKey, macKey);
    one.world.revision = "1";
    const anew = await one.start({ ...before, attempts: 1 }, { uid: "cluster-2" });
    assert.deepEqual([anew.uid, anew.cursors, anew.macKey, anew.restores], ["cluster-2", {}, undefined, undefined]);
    assert.deepEqual([await one.rows("east"), await one.rows("west")], [[], [aKey("db", "west")]]);
  });
});

describe("a cluster that left the fleet", () => {
  it("lease-table 18: is forgotten: its rows go, and its tokens end; others stay", async () => {
    await using one = await scene("east", "west");
    for (const name of ["east", "west"]) await one.leases.claimCluster(name, { now: NOW, until: NOW + 1 });
    await releaseDeparted(one.deps, [aCluster()]);
    assert.deepEqual([await one.rows("east"), await one.rows("west")], [[aKey("db", "east")], []]);
    assert.deepEqual(
      (await one.leases.clusters()).map(({ name }) => name),
      ["east"],
    );
    assert.match(one.sweeps.join(), /west/);
    assert.doesNotMatch(one.sweeps.join(), /east/);
  });
});
