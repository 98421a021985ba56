import assert from "node:assert/strict";
import { beforeEach, describe, it } from "node:test";
import { SyncError } from "../../lib/errors.ts";
import type { Fleet } from "../../lib/fleet/fleet.ts";
import type { Hub } from "../../lib/fleet/hub-schema.ts";
import { unreadHubs } from "../../lib/hubs/compose.ts";
import { liveFleet } from "../../lib/hubs/live-fleet.ts";
import { hubPass } from "../../lib/hubs/pass.ts";
import type { ClusterApi, ListPage } from "../../lib/ports/clusters.ts";
import type { SeenResource } from "../../lib/ports/resources.ts";
import { SecretValue } from "../../lib/secret-value.ts";
import { type SqliteStore, simulatedSqliteStore } from "../../lib/store/sqlite/sqlite-store.ts";

const START = 1_900_000_000_000;
const PAGE = 500;
const silent = { debug() {}, info() {}, warn() {}, error() {} };

const hub: Hub = {
  name: "main",
  connect: { kubeconfig: { path: "hub" } },
  argocd: { namespace: "argocd" },
  defaults: { labels: {}, observe: "watch", namespaces: { include: ["*"], exclude: [] }, operatorNamespace: "vso" },
};
const fleet: Fleet = { clusters: [], vaults: [], hubs: [hub] };

/** A hub in memory: cluster Secrets, each with an API server of its own. */
class MemoryHub {
  objects = new Map<string, { resourceVersion: string; server: string; name?: string }>();
  failure: SyncError | undefined;
  isEndless = false;
  reads = 0;
  checks = 0;
  now = START;
  /** uids by server. */
  readonly uids = new Map<string, string>();

  add(from: number, to: number): void {
    for (let at = from; at < to; at++) {
      this.objects.set(`c-${at}`, { resourceVersion: "1", server: `https://c-${at}` });
    }
  }

  readonly clock = () => this.now;

  readonly clusters: Pick<ClusterApi, "list" | "identity"> = {
    list: async (_cluster, _kind, _options, page): Promise<ListPage> => {
      if (this.failure) throw this.failure;
      const from = Number(page ?? 0);
      const all = [...this.objects].slice(from, from + PAGE);
      const next = from + PAGE;
      const more =
        this.isEndless || next < this.objects.size ? { continue: `${this.isEndless ? next % PAGE : next}` } : {};
      return {
        items: all.map(([name, { resourceVersion }]) => seen(name, resourceVersion)),
        resourceVersion: "1",
        ...more,
      };
    },
    identity: async (place) => {
      this.checks += 1;
      const { server } = this.objects.get(place.split("/").at(-1) ?? "") ?? { server: "" };
      return this.uids.get(server) ?? `uid of ${server}`;
    },
  };

  readonly credentials = {
    secret: async ({ name }: { readonly name: string }) => {
      this.reads += 1;
      const { server, name: display = name } = this.objects.get(name) ?? { server: "" };
      const config = JSON.stringify({ bearerToken: "t0ken" });
      return new Map(
        Object.entries({ server, config, name: display }).map(([key, text]) => [key, SecretValue.of(text)]),
      );
    },
  };
}

function seen(name: string, resourceVersion: string): SeenResource {
  return {
    ...{ uid: name, resourceVersion, generation: 1, deleting: false, labels: { env: "prod" }, annotations: {} },
    ...{ finalizers: [], spec: {}, status: {}, ownerReferences: [], namespace: "argocd", name },
  };
}

describe("passes over a hub", () => {
  let world: MemoryHub;
  let leases: SqliteStore;

  beforeEach(() => {
    world = new MemoryHub();
    leases = simulatedSqliteStore(undefined);
  });

  const pass = async (accepted: readonly string[] = [], inFile = fleet) => {
    world.now += 60_000;
    const now = await known(inFile);
    const { clusters, credentials, clock } = world;
    const resources = { get: async () => undefined };
    const deps = { clusters, credentials, resources, clock, leases, log: silent, forget: () => undefined };
    return hubPass(deps, { fleet: now, hub, accepted: new Set(accepted) }, new AbortController().signal);
  };
  /** The fleet as a process that has just started has it. */
  const known = async (inFile = fleet) => liveFleet(inFile, leases).take(inFile);

  it("take 1,000 clusters in, and read and write nothing when nothing changed", async () => {
    world.add(0, 1_000);
    await pass();
    assert.deepEqual([world.reads, world.checks], [1_000, 1_000]);
    const { clusters } = await known();
    assert.equal(clusters.length, 1_000);
    assert.doesNotMatch(JSON.stringify(await leases.hubState("main")), /t0ken/);
    const [before] = await leases.hubs();
    await pass();
    assert.deepEqual([world.reads, world.checks], [1_000, 1_000]);
    const [after] = await leases.hubs();
    assert.equal(after?.revision, before?.revision);
    world.objects.set("c-7", { resourceVersion: "2", server: "https://c-7" });
    await pass();
    assert.deepEqual([world.reads, world.checks], [1_001, 1_000]);
  });

  it("keep all clusters when too many vanish at once, also after a restart, until a person accepts it", async () => {
    world.add(0, 50);
    await pass();
    for (let at = 0; at < 11; at++) world.objects.delete(`c-${at}`);
    await pass();
    assert.equal((await known()).clusters.length, 50);
    assert.deepEqual((await leases.hubState("main"))?.state.awaitingApproval, { since: world.now, gone: 11, of: 50 });
    await pass(["main"]);
    assert.equal((await known()).clusters.length, 50, "a cluster's name accepts nothing of its hub");
    await pass(["hub:main"]);
    assert.equal((await known()).clusters.length, 39);
    for (let at = 11; at < 18; at++) world.objects.delete(`c-${at}`);
    await pass();
    assert.equal((await known()).clusters.length, 32, "a fifth may leave");
  });

  it("remove nobody when the hub can't be read, and store its failure once", async () => {
    world.add(0, 3);
    await pass();
    world.failure = new SyncError("KUBE_DENIED", "no right to list secrets");
    await pass();
    const [failed] = await leases.hubs();
    const { state } = (await leases.hubState("main")) ?? {};
    assert.deepEqual([state?.error?.code, state?.members.length], ["KUBE_DENIED", 3]);
    await pass();
    assert.equal((await leases.hubs())[0]?.revision, failed?.revision);
    const fleet = await known();
    assert.deepEqual([fleet.clusters.length, fleet.unread], [3, []]);
    assert.deepEqual(
      unreadHubs(fleet).map(({ name, error }) => [name, error?.code]),
      [["main", "KUBE_DENIED"]],
    );
    world.failure = undefined;
    await pass();
    assert.deepEqual([(await leases.hubState("main"))?.state.error, unreadHubs(await known())], [undefined, []]);
  });

  it("leave the clusters unknown until the first list is complete", async () => {
    world.failure = new SyncError("KUBE_UNREACHABLE", "gone");
    await pass();
    const unread = await known();
    assert.deepEqual([unread.unread.length, unread.clusters.length], [1, 0]);
    assert.deepEqual([unread.unread[0]?.name, unread.unread[0]?.error?.code], ["main", "KUBE_UNREACHABLE"]);
    assert.equal((await leases.hubState("main"))?.state.error?.code, "KUBE_UNREACHABLE");
    world.failure = undefined;
    world.add(0, 1);
    await pass();
    const { unread: none, clusters } = await known();
    assert.deepEqual([none, clusters.length], [[], 1]);
  });

  it("tell that their time was over, where it will be over at the same place again, and nothing of a stop", async () => {
    world.add(0, 3);
    await pass();
    const cutOff = async (more: { readonly hasTimeLimit?: true }) => {
      world.now += 60_000;
      const deps = {
        ...world,
        resources: { get: async () => undefined },
        leases,
        log: silent,
        forget: () => undefined,
      };
      const over = new AbortController();
      over.abort();
      world.failure = new SyncError("DEADLINE_EXCEEDED", "no time left for it");
      const input = { fleet: await known(), hub, accepted: new Set<string>(), ...more };
      const { againAt } = await hubPass(deps, input, over.signal);
      return { wait: againAt - world.now, error: (await leases.hubState("main"))?.state.error?.code };
    };
    assert.deepEqual(await cutOff({}), { wait: 0, error: undefined });
    assert.deepEqual(await cutOff({ hasTimeLimit: true }), { wait: 30_000, error: "DEADLINE_EXCEEDED" });
    assert.equal((await known()).clusters.length, 3);
  });

  it("end for a hub that has too many objects, or does not end its list", async () => {
    world.add(0, 3);
    await pass();
    world.add(3, 2_001);
    await pass();
    assert.equal((await leases.hubState("main"))?.state.error?.code, "KUBE_ANSWER_TOO_LARGE");
    world.objects.clear();
    world.isEndless = true;
    await pass();
    const { state } = (await leases.hubState("main")) ?? {};
    assert.deepEqual([state?.error?.code, state?.members.length], ["KUBE_ANSWER_TOO_LARGE", 3]);
  });

  it("do not follow an object to another API server, and follow it to another address of the same", async () => {
    world.add(0, 3);
    await pass();
    const uid = "uid of https://c-0";
    world.objects.set("c-0", { resourceVersion: "2", server: "https://elsewhere" });
    await pass();
    const refused = await known();
    assert.deepEqual(
      refused.refused.map(({ name, error }) => [name, error.code]),
      [["c-0", "CLUSTER_REPLACED"]],
    );
    assert.equal(refused.clusters.find(({ name }) => name === "c-0")?.connect.hub?.uid, uid);
    world.uids.set("https://elsewhere", uid);
    await pass();
    assert.deepEqual((await known()).refused, []);
    world.uids.set("https://elsewhere", "rebuilt");
    world.objects.set("c-0", { resourceVersion: "3", server: "https://elsewhere/" });
    await pass(["c-0"]);
    world.objects.set("c-0", { resourceVersion: "4", server: "https://elsewhere/v2" });
    world.uids.set("https://elsewhere/v2", "rebuilt");
    await pass(["c-0"]);
    assert.equal((await known()).clusters.find(({ name }) => name === "c-0")?.connect.hub?.uid, "rebuilt");
  });

  it("give the rows of a cluster to no other object that takes its name", async () => {
    world.add(0, 3);
    await pass();
    const row = await leases.claimCluster("c-0", { now: world.now, until: world.now + 1 });
    assert.ok(row);
    await leases.saveCluster(row, { cursors: {}, attempts: 0, uid: "uid of https://c-0" }, { dueAt: world.now });
    world.objects.delete("c-0");
    world.objects.set("thief", { resourceVersion: "1", server: "https://thief", name: "c-0" });
    await pass();
    assert.equal((await known()).clusters.length, 2, "first the cluster leaves");
    await pass();
    assert.deepEqual(
      (await known()).refused.map(({ object, error }) => [object, error.code]),
      [["argocd/thief", "CLUSTER_REPLACED"]],
    );
    await leases.removeCluster("c-0");
    await pass();
    assert.equal((await known()).clusters.find(({ name }) => name === "c-0")?.connect.hub?.object, "argocd/thief");
  });

  it("keep a cluster whose uid one of fleet.yaml takes over, and no other object that leads there", async () => {
    const uid = "uid of https://c-0";
    const own = { ...hub.defaults, name: "own", connect: { kubeconfig: { path: "own" } } };
    const withOwn: Fleet = { ...fleet, clusters: [own] };
    const ownIs = async (more: { readonly uid: string; readonly sameAs?: string }) => {
      const row = await leases.claimCluster("own", { now: world.now, until: world.now + 1 });
      assert.ok(row);
      await leases.saveCluster(row, { cursors: {}, attempts: 0, ...more }, { dueAt: world.now });
      await pass([], withOwn);
      const { clusters, refused } = await known(withOwn);
      return [clusters.map(({ name }) => name), refused.map(({ name, error }) => [name, error.code])];
    };
    world.add(0, 1);
    assert.deepEqual(await ownIs({ uid: "its own" }), [["own", "c-0"], []]);
    assert.deepEqual(await ownIs({ uid, sameAs: "c-0" }), [["own", "c-0"], []]);
    world.objects.set("again", { resourceVersion: "1", server: "https://c-0" });
    const refused = [["again", "CLUSTER_DUPLICATE"]];
    assert.deepEqual(await ownIs({ uid, sameAs: "c-0" }), [["own", "c-0"], refused]);
    world.objects.delete("c-0");
    assert.deepEqual(await ownIs({ uid }), [["own"], refused]);
  });

  it("are one at a time", async () => {
    world.add(0, 3);
    const [first, second] = await Promise.all([pass(), pass()]);
    assert.equal([first, second].filter(({ state }) => state !== undefined).length, 1);
  });
});
