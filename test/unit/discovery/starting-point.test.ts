import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { releaseDeparted } from "../../../lib/discovery/departed.ts";
import { type DiscoveryDeps, REFERENCE_KINDS, SYNC_KINDS } from "../../../lib/discovery/deps.ts";
import type { WatchPassOptions } from "../../../lib/discovery/pass.ts";
import { inDoubt, startingPoint } from "../../../lib/discovery/starting-point.ts";
import { SyncError } from "../../../lib/errors.ts";
import { cleanupKey, partsOf, referenceKey, type SyncKey, syncKey } from "../../../lib/keys.ts";
import type { ClusterSettings } from "../../../lib/ports/fleet.ts";
import type { Row, RowState } from "../../../lib/ports/rows.ts";
import type { ClusterState, Schedule } from "../../../lib/ports/store.ts";
import { type SqliteStore, simulatedSqliteStore } from "../../../lib/store/sqlite/sqlite-store.ts";
import { aCluster, aDeclared, aKey, anIssue, aPushed, aReference, aReferenceKey } from "../../builders.ts";

const NOW = Date.UTC(2030, 0, 1);
const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const OPERATOR = { name: "vso", first: "u" };
const CURSOR = { resourceVersion: "50", movedAt: NOW };
const OPTIONS: WatchPassOptions = {
  seconds: 10,
  againMs: 0,
  probeRevision: false,
  acceptMissing: false,
  sleep: async () => undefined,
};

/** A lease table in memory with the syncs `db` of these clusters, and a cluster at revision 60. */
async function scene(...clusters: readonly string[]) {
  const leases = simulatedSqliteStore(undefined);
  for (const cluster of clusters) await leases.declare(aDeclared({ key: aKey("db", cluster) }), NOW);
  const world = { revision: "60", lists: 0, now: NOW };
  const sweeps: string[] = [];
  const replaced: unknown[] = [];
  const nothing = () => undefined;
  const warn = (event: string, fields: object) => void (event === "cluster-replaced" && replaced.push(fields));
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
    ...{ clock: () => world.now, random: () => 0.5, log: { info: nothing, warn } },
  } as unknown as DiscoveryDeps;
  const start = (
    state: Partial<ClusterState>,
    {
      settings = {},
      options = {},
      uid = "cluster-1",
      operator = OPERATOR,
      signal = new AbortController().signal,
    } = {} as {
      readonly settings?: Partial<ClusterSettings>;
      readonly options?: Partial<typeof OPTIONS>;
      readonly uid?: string;
      readonly operator?: ClusterState["operator"] & object;
      readonly signal?: AbortSignal;
    },
  ) =>
    startingPoint(
      deps,
      aCluster(settings),
      { cursors: {}, attempts: 0, ...state },
      { uid, operator },
      { ...OPTIONS, ...options },
      signal,
    );
  /** The state that a pass over this cluster has left, a cursor included. */
  const left = async (): Promise<ClusterState> => ({ ...(await start({})), cursors: { Secret: CURSOR } });
  const rows = async (cluster: string) => (await leases.byCluster(cluster)).map(({ key }) => key);
  return {
    world,
    deps,
    leases,
    sweeps,
    replaced,
    start,
    left,
    rows,
    [Symbol.asyncDispose]: () => leases[Symbol.asyncDispose](),
  };
}

/** Lets a run end, after which nothing is left to do for a row that has this. */
async function parked(leases: SqliteStore, key: SyncKey, more: Partial<RowState> = {}): Promise<Row> {
  const row = (await leases.read([key], "strong")).get(key) ?? assert.fail();
  const { lease } = (await leases.claim(row, { now: NOW, until: NOW + 1 })) ?? assert.fail();
  await leases.settle(lease, { state: { ...row.state, ...more }, schedule: { kind: "parked" }, now: NOW });
  return row;
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

  it("lease-table 20: compares a cursor with its own kind's list: Secrets may be in an etcd of their own", async () => {
    await using one = await scene("east");
    const at = (revision: string) => ({ resourceVersion: revision, movedAt: NOW - HOUR_MS });
    const own = { "Secret/shop": at("900"), "Secret:shop/login": at("950"), "push:Deployment/shop": at("800") };
    const before = { ...(await one.left()), cursors: { ...own, VaultAuth: at("50") } };
    const asked: unknown[] = [];
    const revisions: Record<string, string> = { Secret: "1000", Deployment: "800" };
    one.deps.clusters.list = async (...[, { kind }, { namespace, name }]) => {
      asked.push([kind, namespace, name]);
      if (revisions[kind] === "denied") throw new SyncError("KUBE_DENIED", "no");
      return { items: [], resourceVersion: revisions[kind] ?? "60" };
    };
    const start = async () => (await one.start(before)).restores;
    assert.equal(await start(), undefined);
    assert.deepEqual(asked, [
      ["VaultConnection", undefined, undefined],
      ["Secret", "shop", "login"],
      ["Deployment", "shop", undefined],
    ]);
    revisions.Secret = "denied";
    assert.equal(await start(), undefined, "what may not be read proves nothing");
    revisions.Deployment = "799";
    assert.equal(await start(), 1);
    one.deps.clusters.list = async () => ({ items: [], resourceVersion: "900" });
    assert.equal(await start(), 1, "Secrets too");
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

  it("with what fleet.yaml says now of namespaces beside Vault Secrets Operator, and with nothing seen before", async () => {
    await using one = await scene("east");
    const seen = { what: "status", name: "db", at: NOW, until: NOW + MINUTE_MS, isProven: true };
    const before = { ...(await one.left()), besideVso: ["former"], vsoIn: { shop: seen } };
    const none = await one.start(before);
    assert.deepEqual([none.besideVso, none.vsoIn], [undefined, undefined]);
    const settings = { besideVso: ["shop"] };
    assert.deepEqual((await one.start(before, { settings })).besideVso, ["shop"]);
  });

  it("and runs every sync again that ran with other settings, also where not all were told of the last ones", async () => {
    await using one = await scene("east", "west");
    const main = { name: "main", addresses: ["https://v.test"], identities: [] };
    const settings = { vaults: [main] };
    const isDue = async (before: ClusterState, how: Parameters<typeof one.start>[1] = {}) => {
      await parked(one.leases, aKey("db"));
      const { ranWith } = await one.start(before, how);
      const due = (await one.leases.byCluster("east")).some(({ dueAt }) => dueAt !== undefined);
      return { due, state: { ...before, ...(ranWith === undefined ? {} : { ranWith }) } };
    };
    const { ranWith: _none, ...left } = await one.left();
    const first = await isDue(left, { settings });
    assert.equal(first.due, false, "nothing ran with others");
    assert.equal((await isDue(first.state, { settings })).due, false);
    assert.equal((await isDue(first.state, { settings: { ...settings, labels: { a: "b" } } })).due, false);
    const proxied = { vaults: [{ ...main, proxy: "http://user:password@proxy.test" }] };
    assert.equal((await isDue(first.state, { settings: proxied })).due, false);
    const second = await isDue(first.state, { settings: { vaults: [{ ...main, name: "other" }] } });
    assert.equal(second.due, true);
    assert.equal((await isDue(second.state, { settings })).due, true, "the former ones are others too");
    assert.equal((await isDue({ ...first.state, ranWith: "" }, { settings })).due, true, "an interrupted change");
    await parked(one.leases, aKey("db"));
    await one.start({ ...first.state, ranWith: "" }, { settings, options: { settingsLagMs: 35_000 } });
    const [row] = await one.leases.byCluster("east");
    assert.equal(row?.dueAt, NOW + 35_000, "other processes work with the former ones until then");
  });

  it("and runs once more what other processes may have run with the former settings meanwhile, and only that", async () => {
    await using one = await scene("east");
    const before = { ...(await one.left()), ranWith: "former" };
    const names = ["at-work", "due-soon", "parked", "later"];
    for (const name of names) await one.leases.declare(aDeclared({ key: aKey(name) }), NOW);
    const run = async (name: string, at: number, schedule: Schedule = { kind: "parked" }) => {
      const row = (await one.leases.read([aKey(name)], "strong")).get(aKey(name)) ?? assert.fail();
      const { lease } = (await one.leases.claim(row, { now: at, until: at + 90_000 })) ?? assert.fail();
      return () => one.leases.settle(lease, { state: row.state, schedule, now: at + 1_000 });
    };
    for (const name of ["db", "parked", "later"]) await (await run(name, NOW - 5_000))();
    await (await run("due-soon", NOW - 5_000, { kind: "due", at: NOW + 5_000 }))();
    const settle = await run("at-work", NOW - 5_000);
    const options = { settingsLagMs: 35_000 };
    let state = await one.start(before, { options });
    assert.equal(state.formerUntil, NOW + 35_000);
    assert.equal(await settle(), "nudged");
    for (const name of ["at-work", "due-soon"]) await (await run(name, NOW + 5_000))();
    for (const name of ["db", "parked"]) await (await run(name, NOW + 35_000))();
    const dueAt = async () => {
      const rows = await one.leases.byCluster("east");
      return Object.fromEntries(rows.map((row) => [partsOf(row.key).name, row.dueAt && row.dueAt - NOW]));
    };
    const done = { db: undefined, parked: undefined, later: 35_000 };
    assert.deepEqual(await dueAt(), { ...done, "at-work": undefined, "due-soon": undefined });
    one.world.now = NOW + 34_999;
    state = await one.start(state, { options });
    assert.equal(state.formerUntil, NOW + 35_000, "it is too early");
    one.world.now = NOW + 60_000;
    state = await one.start(state, { options });
    assert.equal(state.formerUntil, undefined);
    assert.deepEqual(await dueAt(), { ...done, "at-work": 60_000, "due-soon": 60_000 });
    assert.equal((await one.start(before)).formerUntil, undefined, "one process knows its settings at once");
  });

  it("lease-table 21: after it has stored what is in doubt, for another cluster, filter or setting", async () => {
    await using one = await scene("east");
    const before = await one.left();
    const doubt = (settings: Partial<ClusterSettings>, uid = "cluster-1", operator: typeof OPERATOR = OPERATOR) =>
      inDoubt(before, aCluster(settings), { uid, operator });
    assert.equal(doubt({}), before, "nothing is written when nothing is new");
    assert.equal(doubt({ labels: { a: "b" } }), before);
    const { filter: _filter, ...unfiltered } = before;
    const included = { namespaces: { include: ["shop"], exclude: [] } };
    assert.deepEqual(doubt(included), { ...unfiltered, cursors: {} });
    assert.deepEqual(doubt({}, "cluster-2"), { ...unfiltered, cursors: {} });
    assert.deepEqual(doubt({ vaultAddresses: "named" }), { ...before, ranWith: "" });
    const { ranWith: _unknown, ...older } = before;
    assert.equal(inDoubt(older, aCluster(), { uid: "cluster-1", operator: OPERATOR }), older);
  });

  it("lease-table 20: knows a restored cluster by the first kind that it serves, also where it reads namespaces alone", async () => {
    const filter = { include: ["shop"], exclude: [] };
    await using one = await scene("east");
    const left = {
      ...(await one.start({}, { settings: { namespaces: filter } })),
      cursors: { VaultStaticSecret: CURSOR },
    };
    const listed: unknown[] = [];
    one.deps.clusters.list = async (...[_cluster, kind, { namespace, limit, metadataOnly }]) => {
      listed.push([kind.kind, namespace, limit, metadataOnly]);
      return listed.length < 2 ? undefined : { items: [], resourceVersion: "49" };
    };
    const how = { settings: { namespaces: filter }, options: { probeRevision: true } };
    const restored = await one.start(left, how);
    assert.deepEqual([restored.cursors, restored.restores], [{}, 1]);
    assert.deepEqual(
      listed.slice(0, 2).map((asked) => (asked as unknown[]).slice(1)),
      [
        ["vso", 1, true],
        ["vso", 1, true],
      ],
    );
    const [references, syncs] = [REFERENCE_KINDS, SYNC_KINDS].map((kinds) => kinds.map(({ kind }) => kind));
    assert.deepEqual(
      listed.map((asked) => (asked as unknown[])[0]),
      [...(references?.slice(0, 2) ?? []), "VaultStaticSecret"],
    );
    one.deps.clusters.list = async (_cluster, { kind }) =>
      syncs?.includes(kind) ? { items: [], resourceVersion: "49" } : undefined;
    assert.deepEqual((await one.start(left, how)).cursors, {}, "it serves syncs alone");
    one.deps.clusters.list = async () => undefined;
    assert.deepEqual((await one.start(left, how)).cursors, left.cursors, "it serves none of the kinds");
    const none = await one.start({ ...left, cursors: {} }, how);
    assert.equal(none.restores, undefined);
  });

  it("lease-table 18: follows references of named namespaces and the operator's alone", async () => {
    await using one = await scene("east");
    const before = await one.left();
    const at = (namespace: string) => referenceKey({ cluster: "east", kind: "VaultAuth", namespace, name: "default" });
    const known = ["shop", "bank", "vso"].map(at);
    for (const key of known) await one.leases.putReference(aReference({ key }));
    const keys = async () => (await one.leases.referencesOf("east")).map(({ key }) => key).sort();
    await one.start(before, { settings: { observe: "apply" } });
    assert.deepEqual(await keys(), [...known].sort(), "every namespace is followed");
    await one.start(before, { settings: { namespaces: { include: ["shop"], exclude: [] } } });
    assert.deepEqual(await keys(), [at("shop"), at("vso")].sort());
  });

  it("releases what a kind pushed that is pushed no more, and runs all others again", async () => {
    await using one = await scene("east");
    const keyOf = (kind: string) => syncKey({ cluster: "east", kind, namespace: "shop", name: "app" });
    const before = await one.left();
    for (const kind of ["Deployment", "Secret"]) {
      await one.leases.declare(aDeclared({ key: keyOf(kind) }), NOW);
      await parked(one.leases, keyOf(kind));
    }
    await parked(one.leases, aKey("db"));
    one.sweeps.length = 0;
    const namespaces = { include: ["*"], exclude: [] as readonly string[] };
    const push = { kinds: ["Secret"], namespaces } as unknown as NonNullable<ClusterSettings["push"]>;
    await one.start(before, { settings: { push } });
    assert.deepEqual(await one.rows("east"), [keyOf("Secret"), aKey("db")].sort());
    const due = one.sweeps.join();
    assert.deepEqual([due.includes(keyOf("Secret")), due.includes(aKey("db"))], [true, true]);
    const pushed = (await one.leases.read([keyOf("Secret")], "strong")).get(keyOf("Secret"));
    assert.equal(pushed?.verify, false, "nobody changed what stands in Vault");
    const elsewhere = { ...push, namespaces: { include: ["*"], exclude: ["shop"] } };
    await one.start({ ...before, filter: "former" }, { settings: { push: elsewhere } });
    assert.deepEqual(await one.rows("east"), [aKey("db")]);
    await one.leases.declare(aDeclared({ key: keyOf("Secret") }), NOW);
    await one.start({ ...before, filter: "former" });
    assert.deepEqual(await one.rows("east"), [aKey("db")]);
  });

  it("lease-table 18: no more when the time is over before all rows are released: the next one goes on", async () => {
    for (const how of [
      { uid: "cluster-2" },
      { settings: { namespaces: { include: ["bank"], exclude: [] as readonly string[] } } },
    ]) {
      await using one = await scene("east");
      const before = await one.left();
      for (let n = 0; n < 205; n++) await one.leases.declare(aDeclared({ key: aKey(`s-${n}`) }), NOW);
      await parked(one.leases, aKey("s-95"), { pushed: [aPushed()] });
      const time = new AbortController();
      const { retire, byReference } = one.leases;
      let [retired, woken] = [0, 0];
      Object.assign(one.deps.leases, {
        retire: async (...row: Parameters<typeof retire>) => {
          retired += 1;
          if (retired === 203) time.abort();
          return retire(...row);
        },
        byReference: async (...[ref, page]: Parameters<typeof byReference>) => {
          if (ref.startsWith("path:")) woken += 1;
          return byReference(ref, page);
        },
      });
      await assert.rejects(one.start(before, { ...how, signal: time.signal }), {
        code: "DEADLINE_EXCEEDED",
        message: /release 3 of 206 syncs/,
      });
      assert.deepEqual([(await one.rows("east")).length, woken], [3, 1]);
      await one.start(before, how);
      assert.equal((await one.rows("east")).length, 0);
    }
  });

  it("lease-table 18: nor before all references are: the next one goes on", async () => {
    await using one = await scene("east");
    const before = await one.left();
    const settings = { namespaces: { include: ["bank"], exclude: [] as readonly string[] } };
    for (const name of ["a", "b", "c"]) await one.leases.putReference(aReference({ key: aReferenceKey(name) }));
    const time = new AbortController();
    const { removeReference } = one.leases;
    one.deps.leases.removeReference = async (key) => {
      time.abort();
      return removeReference(key);
    };
    await assert.rejects(one.start(before, { settings, signal: time.signal }), { code: "DEADLINE_EXCEEDED" });
    const count = async () => (await one.leases.referencesOf("east")).length;
    assert.equal(await count(), 2);
    await one.start(before, { settings });
    assert.equal(await count(), 0);
  });

  it("lease-table 28: keeps what a row has in Vault for its retention, when its namespace leaves", async () => {
    await using one = await scene("east");
    const row = await parked(one.leases, aKey("db"), { issues: [anIssue()], waitsFor: "vault:https://v.test" });
    const vault = { name: "main", addresses: ["https://v.test"], identities: [], retentionMs: 7 * MINUTE_MS };
    const settings = { vaults: [vault], namespaces: { include: ["bank"], exclude: [] } };
    await one.start(await one.left(), { settings });
    const retired = cleanupKey(aKey("db"), row.declared.uid);
    const kept = (await one.leases.read([retired], "strong")).get(retired);
    assert.equal(kept?.state.retainUntil, NOW + 7 * MINUTE_MS);
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

describe("a cluster that says that it is another one", () => {
  const claimed = async (leases: SqliteStore, name: string, uid: string): Promise<void> => {
    const row = (await leases.claimCluster(name, { now: NOW, until: NOW + 1 })) ?? assert.fail();
    await leases.saveCluster(row, { cursors: {}, attempts: 0, uid }, { dueAt: NOW });
  };

  it("is known by that one's name when its uid changes, for as long as both have the uid", async () => {
    await using one = await scene("east", "west");
    await claimed(one.leases, "west", "cluster-2");
    const before = await one.left();
    const after = await one.start(before, { uid: "cluster-2" });
    assert.deepEqual([after.uid, after.sameAs], ["cluster-2", "west"]);
    assert.deepEqual(one.replaced, [{ cluster: "east", sameAs: "west" }]);
    assert.equal((await one.start(after, { uid: "cluster-2" })).sameAs, "west");
    await one.leases.removeCluster("west");
    assert.equal("sameAs" in (await one.start(after, { uid: "cluster-2" })), false);
  });

  it("is not by its first answer: who wrote fleet.yaml decides", async () => {
    await using one = await scene("east", "west");
    await claimed(one.leases, "west", "cluster-1");
    await claimed(one.leases, "east", "cluster-1");
    const first = await one.start({});
    assert.equal("sameAs" in first, false);
    assert.equal("sameAs" in (await one.start(first)), false);
    assert.equal("sameAs" in (await one.start(first, { uid: "cluster-2" })), false, "nobody else has that one");
  });
});

describe("a cluster that left the fleet", () => {
  it("lease-table 18: is forgotten: its rows go, and its tokens end; others stay", async () => {
    await using one = await scene("east", "west");
    for (const name of ["east", "west"]) await one.leases.claimCluster(name, { now: NOW, until: NOW + 1 });
    await releaseDeparted(one.deps, [aCluster()], { isAlone: true });
    assert.deepEqual([await one.rows("east"), await one.rows("west")], [[aKey("db", "east")], []]);
    assert.deepEqual(
      (await one.leases.clusters()).map(({ name }) => name),
      ["east"],
    );
    assert.match(one.sweeps.join(), /west/);
    assert.doesNotMatch(one.sweeps.join(), /east/);
  });

  it("lease-table 18: is forgotten also when no other one is left", async () => {
    await using one = await scene("east");
    await one.leases.claimCluster("east", { now: NOW, until: NOW + 1 });
    await releaseDeparted(one.deps, [], { isAlone: true });
    assert.deepEqual([await one.rows("east"), await one.leases.clusters()], [[], []]);
  });

  it("lease-table 18: is left to a later call while another process watches it, whose rows would come back", async () => {
    await using one = await scene("east");
    await one.leases.claimCluster("east", { now: NOW, until: NOW + 1 });
    await releaseDeparted(one.deps, [], { isAlone: false });
    assert.deepEqual(await one.rows("east"), [aKey("db", "east")]);
    await releaseDeparted({ ...one.deps, clock: () => NOW + 1 }, [], { isAlone: false });
    assert.deepEqual([await one.rows("east"), await one.leases.clusters()], [[], []]);
  });

  it("lease-table 21: is released no further when it is back in the fleet, and a watch pass has begun", async () => {
    await using one = await scene("east");
    await one.leases.claimCluster("east", { now: NOW, until: NOW + 1 });
    const key = aReferenceKey("default", "east");
    await one.leases.putReference(aReference({ key }));
    const slow = async (rows: Parameters<typeof one.leases.read>[0], how: "strong") => {
      await one.leases.claimCluster("east", { now: NOW + HOUR_MS, until: NOW + 2 * HOUR_MS });
      return one.leases.read(rows, how);
    };
    await releaseDeparted({ ...one.deps, leases: { ...one.leases, read: slow } }, [], { isAlone: true });
    assert.equal((await one.leases.referencesOf("east")).length, 1);
    assert.equal((await one.leases.clusters()).length, 1);
    // A part has 200 rows, and the watch pass begins during the first one.
    for (let n = 0; n < 205; n++) await one.leases.declare(aDeclared({ key: aKey(`s-${n}`) }), NOW);
    const later = { ...one.deps, clock: () => NOW + 3 * HOUR_MS };
    let parts = 0;
    const again = async (rows: Parameters<typeof one.leases.read>[0], how: "strong") => {
      if (parts++ === 0) await one.leases.claimCluster("east", { now: NOW + 5 * HOUR_MS, until: NOW + 6 * HOUR_MS });
      return one.leases.read(rows, how);
    };
    await releaseDeparted({ ...later, leases: { ...one.leases, read: again } }, [], { isAlone: true });
    assert.deepEqual([parts, (await one.rows("east")).length], [1, 5]);
  });

  it("lease-table 18: is released as far as there is time, and a later call goes on at once", async () => {
    await using one = await scene("east", "west");
    for (const name of ["east", "west"]) await one.leases.claimCluster(name, { now: NOW, until: NOW + 1 });
    await one.leases.putReference(aReference({ key: aReferenceKey("default", "east") }));
    for (let n = 0; n < 205; n++) await one.leases.declare(aDeclared({ key: aKey(`s-${n}`) }), NOW);
    const { clusters, deps } = { clusters: ["east", "west"], deps: { ...one.deps, clock: () => NOW + 1 } };
    const left = async () => (await Promise.all(clusters.map(one.rows))).flat().length;
    const counts: number[] = [];
    for (let call = 0; call < 5; call++) {
      const time = new AbortController();
      let retired = 0;
      const retire: typeof one.leases.retire = async (...row) => {
        retired += 1;
        if (retired === 103) time.abort();
        return one.leases.retire(...row);
      };
      const slow = { ...deps, leases: { ...one.leases, retire } };
      await releaseDeparted(slow, [], { isAlone: false, signal: time.signal });
      counts.push(await left());
    }
    assert.deepEqual(counts, [104, 1, 0, 0, 0]);
    assert.deepEqual([await one.leases.clusters(), await one.leases.referencesOf("east")], [[], []]);
    const over = AbortSignal.abort();
    await one.leases.claimCluster("east", { now: NOW, until: NOW + 1 });
    await releaseDeparted(deps, [], { isAlone: false, signal: over });
    assert.equal((await one.leases.clusters()).length, 1);
  });

  it("lease-table 18: takes its references along, and keeps what it has in Vault as long as its Vault says", async () => {
    await using one = await scene("east", "west");
    for (const name of ["east", "west"]) {
      await one.leases.claimCluster(name, { now: NOW, until: NOW + 1 });
      await one.leases.putReference(aReference({ key: aReferenceKey("default", name) }));
    }
    const key = aKey("db", "west");
    const row = await parked(one.leases, key, { issues: [anIssue()], waitsFor: "vault:https://v.test" });
    const main = { name: "main", addresses: ["https://v.test"], identities: [], retentionMs: 7 * MINUTE_MS };
    await releaseDeparted(one.deps, [aCluster({ vaults: [main] })], { isAlone: true });
    const count = async (name: string) => (await one.leases.referencesOf(name)).length;
    assert.deepEqual([await count("east"), await count("west")], [1, 0]);
    const retired = cleanupKey(key, row.declared.uid);
    const kept = (await one.leases.read([retired], "strong")).get(retired);
    assert.equal(kept?.state.retainUntil, NOW + 7 * MINUTE_MS);
  });
});
