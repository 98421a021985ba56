import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { DiscoveryDeps } from "../../../lib/discovery/deps.ts";
import { runWatchPass } from "../../../lib/discovery/watch-pass.ts";
import { type ErrorCode, RowTooLarge, SyncError } from "../../../lib/errors.ts";
import type { ClusterSettings } from "../../../lib/ports/fleet.ts";
import type { ClusterState } from "../../../lib/ports/store.ts";
import type { KindRef } from "../../../lib/resource-kinds.ts";
import { simulatedSqliteStore } from "../../../lib/store/sqlite/sqlite-store.ts";
import { aCluster, aKey } from "../../builders.ts";
import { aSeen } from "./a-seen.ts";

const START = Date.UTC(2030, 0, 1);
const HOUR_MS = 3_600_000;
const fail =
  (code: ErrorCode, more: object = {}) =>
  async (): Promise<never> => {
    throw new SyncError(code, "why", more);
  };

interface Given {
  readonly clusters?: object;
  readonly leases?: object;
  readonly settings?: Partial<ClusterSettings>;
  readonly options?: object;
  /** What the passes before this one left. */
  readonly before?: Partial<ClusterState>;
}

/** Watch passes over a cluster with the declaration `shop/db`, and what they opened, sent and logged. */
async function aScene({ clusters = {}, leases = {}, settings = {}, options = {}, before }: Given = {}) {
  const store = simulatedSqliteStore(undefined);
  let now = START;
  const opened: SyncError[] = [];
  const log: string[] = [];
  const line = (event: string) => void log.push(event);
  const stop = new AbortController();
  const deps = {
    leases: { ...store, ...leases },
    clusters: {
      identity: async () => "cluster-1",
      installation: async () => ({ id: "ours", uid: "mark" }),
      namespaceUid: async () => "vso-uid",
      markInstallation: async () => ({ id: "ours", uid: "mark" }),
      vsoLease: async () => undefined,
      list: async (_cluster: string, { kind }: KindRef) => ({
        items: kind === "VaultStaticSecret" ? [aSeen()] : [],
        resourceVersion: "9",
      }),
      ...clusters,
    },
    ...{ installation: "ours", clock: () => now, random: () => 0.5, queue: { send: async () => undefined } },
    ...{ log: { debug: line, info: line, warn: line, error: line }, metrics: { count: () => undefined } },
  } as unknown as DiscoveryDeps;
  const circuits = { open: async (error: SyncError) => void opened.push(error) };
  const all = {
    ...{ seconds: 0, againMs: 0, probeRevision: false, acceptMissing: false },
    sleep: () => new Promise<void>((resolve) => void setImmediate(resolve)),
    ...options,
  };
  if (before !== undefined) {
    const row = (await store.claimCluster("east", { now: now - 1, until: now })) ?? assert.fail();
    await store.saveCluster(row, { cursors: {}, attempts: 0, ...before }, { dueAt: now });
  }
  return {
    ...{ deps, store, opened, log, stop },
    run: () => runWatchPass(deps, circuits, aCluster(settings), all, stop.signal),
    state: async () => (await store.cluster("east"))?.state ?? assert.fail("no row"),
    row: async () => (await store.cluster("east")) ?? assert.fail("no row"),
    pass(ms: number) {
      now += ms;
    },
    [Symbol.asyncDispose]: () => store[Symbol.asyncDispose](),
  };
}

describe("a watch pass", () => {
  it("stores what the cluster declares, and where the next one begins", async () => {
    await using one = await aScene({
      before: { attempts: 3, outOfSight: 7, error: { code: "KUBE_FAILED", message: "m", since: 1 } },
    });
    assert.deepEqual(await one.run(), { kind: "done", againAt: START + 1_000 });
    assert.deepEqual(
      (await one.store.byCluster("east")).map(({ key }) => key),
      [aKey()],
    );
    const state = await one.state();
    assert.deepEqual(
      [state.uid, state.attempts, state.error, state.outOfSight],
      ["cluster-1", 0, undefined, undefined],
    );
    assert.equal(state.cursors.VaultStaticSecret?.resourceVersion, "9");
    assert.deepEqual([state.operator?.first, state.operator?.mark], ["vso-uid", "mark"]);
    const row = await one.row();
    assert.deepEqual([row.dueAt, row.leaseUntil, one.opened], [START + 1_000, undefined, []]);
  });

  it("is followed by the next one after its own pause, or the shortest", async () => {
    await using later = await aScene({ options: { againMs: 20_000 } });
    assert.deepEqual(await later.run(), { kind: "done", againAt: START + 20_000 });
    await using empty = await aScene({ clusters: { list: async () => undefined } });
    assert.equal((await empty.run()).againAt, START + 30_000, "nothing could be watched");
  });

  it("is followed as soon as ever by the next one when the clock steps back by an hour meanwhile", async () => {
    let stepBack = (): void => undefined;
    await using one = await aScene({ clusters: { vsoLease: async () => stepBack() } });
    stepBack = () => one.pass(-HOUR_MS);
    assert.deepEqual(await one.run(), { kind: "done", againAt: START - HOUR_MS + 1_000 });
    assert.equal((await one.row()).dueAt, START - HOUR_MS + 1_000);
  });

  it("is none of a cluster that another worker has", async () => {
    await using one = await aScene();
    await one.store.claimCluster("east", { now: START, until: START + 60_000 });
    assert.deepEqual(await one.run(), { kind: "claimed", againAt: START + 5_000 });
    assert.deepEqual(await one.store.byCluster("east"), []);
  });

  it("has the cluster for its time and a minute more", async () => {
    let until: number | undefined;
    const store = simulatedSqliteStore(undefined);
    await using _store = store;
    await using watched = await aScene({
      options: { seconds: 90 },
      clusters: { identity: fail("KUBE_FAILED") },
      leases: {
        claimCluster: async (name: string, options: { now: number; until: number }) => {
          until = options.until;
          return store.claimCluster(name, options);
        },
      },
    });
    await watched.run();
    assert.equal(until, START + 150_000);
  });

  it("goes on with the other kinds when one may not be read, and says so", async () => {
    const list = async (_cluster: string, { kind }: KindRef) => {
      if (kind === "VaultDynamicSecret") throw new SyncError("KUBE_DENIED", "no right");
      return { items: kind === "VaultStaticSecret" ? [aSeen()] : [], resourceVersion: "9" };
    };
    await using one = await aScene({ clusters: { list } });
    const outcome = await one.run();
    assert.equal(outcome.kind === "done" && outcome.error?.code, "KUBE_DENIED");
    assert.ok(outcome.againAt > START + 1_000 && outcome.againAt <= START + 30_000);
    const state = await one.state();
    assert.deepEqual(
      [state.error?.code, state.attempts, (await one.store.byCluster("east")).length],
      ["KUBE_DENIED", 1, 1],
    );
    assert.deepEqual([one.opened, "isOutOfSight" in outcome], [[], false]);
  });

  it("of a cluster without any kind that may be read is out of sight", async () => {
    await using one = await aScene({ clusters: { list: fail("KUBE_DENIED") } });
    const outcome = await one.run();
    assert.deepEqual([outcome.kind === "done" && outcome.isOutOfSight, (await one.state()).outOfSight], [true, START]);
  });

  it("suspends a cluster where Vault Secrets Operator is at work, and watches nevertheless", async () => {
    const vsoLease = async () => ({ holder: "pod", renewedAt: START, durationMs: 15_000 });
    await using one = await aScene({ clusters: { vsoLease } });
    assert.equal((await one.run()).kind, "done");
    assert.deepEqual(
      one.opened.map(({ code, circuit }) => [code, circuit]),
      [["OTHER_CONTROLLER", "vso:east"]],
    );
    assert.equal((await one.store.byCluster("east")).length, 1);
  });

  it("begins with a list in a cluster that was built anew", async () => {
    await using one = await aScene({
      before: { uid: "former", cursors: { VaultStaticSecret: { resourceVersion: "7", movedAt: START } } },
    });
    await one.run();
    assert.deepEqual([(await one.state()).uid, one.log.includes("cluster-replaced")], ["cluster-1", true]);
  });
});

describe("a watch pass that fails", () => {
  it("keeps what the one before it found, and is tried again ever later", async () => {
    const cursors = { VaultStaticSecret: { resourceVersion: "7", movedAt: START } };
    const again: number[] = [];
    for (const attempts of [0, 3, 30]) {
      await using one = await aScene({ clusters: { identity: fail("KUBE_FAILED") }, before: { cursors, attempts } });
      const outcome = await one.run();
      assert.deepEqual(outcome.kind === "done" && [outcome.error?.code, outcome.isOutOfSight], ["KUBE_FAILED", true]);
      const state = await one.state();
      assert.deepEqual([state.cursors, state.attempts, state.outOfSight], [cursors, attempts + 1, START]);
      assert.deepEqual(state.error, { code: "KUBE_FAILED", message: "why", since: START });
      assert.deepEqual(
        [(await one.row()).dueAt, one.opened, one.log.includes("watch-pass-failed")],
        [outcome.againAt, [], true],
      );
      again.push(outcome.againAt - START);
    }
    const [first = 0, then = 0, last = 0] = again;
    assert.ok(first >= 1_000 && first < then && then < last && last <= 300_000, again.join());
  });

  it("is out of sight since the first failure, and failing since then with the same code", async () => {
    const error = { code: "KUBE_FAILED", message: "former", since: 5 } as const;
    await using one = await aScene({ clusters: { identity: fail("KUBE_FAILED") }, before: { outOfSight: 7, error } });
    await one.run();
    const state = await one.state();
    assert.deepEqual([state.outOfSight, state.error], [7, { code: "KUBE_FAILED", message: "why", since: 5 }]);
  });

  it("lease-table 16: opens the circuit of a cluster that is away, or another's, and no other", async () => {
    for (const [clusters, codes] of [
      [{ identity: fail("KUBE_UNREACHABLE") }, ["KUBE_UNREACHABLE"]],
      [{ list: fail("KUBE_UNREACHABLE") }, ["KUBE_UNREACHABLE"]],
      [{ installation: async () => ({ id: "theirs", uid: "mark" }) }, ["OTHER_CONTROLLER"]],
      [{ identity: fail("KUBE_DENIED") }, []],
      [{ identity: fail("VAULT_UNAVAILABLE", { circuit: "vault:https://v" }) }, []],
    ] as const) {
      await using one = await aScene({ clusters });
      const outcome = await one.run();
      assert.deepEqual(
        one.opened.map(({ code, circuit }) => [code, circuit]),
        codes.map((code) => [code, "cluster:east"]),
      );
      assert.equal(outcome.kind === "done" && outcome.isOutOfSight, true);
    }
  });

  it("for want of a token of Vault's is tried again within 30 s", async () => {
    const identity = fail("VAULT_UNAVAILABLE", { circuit: "vault:https://v" });
    await using one = await aScene({ clusters: { identity }, before: { attempts: 50 } });
    assert.equal((await one.run()).againAt, START + 30_000);
  });

  it("because the process stops finds out nothing: the next one begins at once", async () => {
    await using one = await aScene({ clusters: { identity: fail("KUBE_UNREACHABLE") }, before: { attempts: 2 } });
    one.stop.abort();
    assert.deepEqual(await one.run(), { kind: "done", againAt: START });
    assert.deepEqual([one.opened, (await one.state()).attempts, (await one.row()).dueAt], [[], 2, START]);
  });

  it("because its time is over before a list ends says so, and is tried again ever later", async () => {
    const again: number[] = [];
    for (const attempts of [0, 1, 30]) {
      const { one, outcome } = await aLateList({ attempts, hasTimeLimit: true });
      await using _one = one;
      const state = await one.state();
      assert.deepEqual([state.error?.code, state.outOfSight], ["DEADLINE_EXCEEDED", START]);
      assert.match(state.error?.message ?? "", /vaultstaticsecrets in cluster east, after 1 pages with 1 objects/);
      assert.deepEqual([state.cursors.VaultAuth?.resourceVersion, state.cursors.VaultStaticSecret], ["9", undefined]);
      assert.deepEqual(
        (await one.store.byCluster("east")).map(({ key }) => key),
        [aKey()],
      );
      assert.deepEqual([state.attempts, one.log.includes("watch-pass-failed")], [attempts + 1, true]);
      again.push(outcome.againAt - START);
    }
    const [first = 0, then = 0, last = 0] = again;
    assert.ok(first >= 15_000 && first < then && then < last && last <= 240_000, again.join());
  });

  it("of one kind, after a time that it takes of other clusters, is tried again ever later", async () => {
    const again = async (attempts: number, ms: number, options: object) => {
      const list = async (_cluster: string, { kind }: KindRef) => {
        if (kind !== "VaultStaticSecret") return { items: [], resourceVersion: "9" };
        one.pass(ms);
        throw new SyncError("KUBE_ANSWER_TOO_LARGE", "too many");
      };
      await using one = await aScene({ clusters: { list }, options, before: { attempts } });
      return (await one.run()).againAt - START;
    };
    const onAws = { seconds: 0, againMs: 30_000, hasTimeLimit: true };
    assert.equal(await again(0, 45_000, onAws), 75_000);
    assert.equal(await again(30, 45_000, onAws), 180_000);
    assert.equal(await again(30, 4_000, onAws), 34_000, "it took hardly any");
    assert.equal(await again(30, 45_000, { ...onAws, hasTimeLimit: false }), 75_000, "no other one waits for it");
  });

  it("as long as missing declarations await approval, comes later after a list that takes that time", async () => {
    const names = Array.from({ length: 20 }, (_, at) => `db-${at}`);
    let [ms, items] = [0, names.map((name) => aSeen({ name }))];
    const list = async (_cluster: string, { kind }: KindRef) => {
      if (kind !== "VaultStaticSecret") return { items: [], resourceVersion: "9" };
      one.pass(ms);
      return { items, resourceVersion: "9" };
    };
    const options = { againMs: 30_000, hasTimeLimit: true };
    await using one = await aScene({ clusters: { list }, options });
    assert.equal((await one.run()).againAt, START + 30_000);
    one.pass(3_600_000);
    [ms, items] = [45_000, []];
    assert.equal((await one.run()).againAt, START + 3_720_000);
    assert.equal((await one.state()).awaitingApproval?.gone, 20);
  });

  it("lease-table 18: removes nothing for five minutes since a list can't be read, or since a later outage", async () => {
    let [isThere, fails]: [boolean, readonly string[]] = [true, []];
    let identity: () => Promise<string> = async () => "cluster-1";
    const list = async (_cluster: string, { kind }: KindRef) => {
      if (fails.includes(kind)) throw new SyncError("KUBE_FAILED", "it starts");
      return { items: isThere && kind === "VaultStaticSecret" ? [aSeen()] : [], resourceVersion: "9" };
    };
    async function* watch() {}
    await using one = await aScene({ clusters: { list, watch, identity: () => identity() } });
    const resources = { get: async () => undefined };
    Object.assign(one.deps, { resources });
    const after = async (ms: number) => {
      one.pass(ms);
      await one.run();
      return [(await one.store.byCluster("east")).length, (await one.state()).unread];
    };
    await after(0);
    one.pass(HOUR_MS);
    const at = START + HOUR_MS;
    [isThere, fails] = [false, ["VaultDynamicSecret"]];
    assert.deepEqual(await after(0), [1, { VaultDynamicSecret: at }]);
    assert.deepEqual(await after(299_000), [1, { VaultDynamicSecret: at }]);
    identity = fail("KUBE_UNREACHABLE");
    assert.deepEqual(await after(1_000), [1, undefined]);
    identity = async () => "cluster-1";
    assert.deepEqual(await after(10_000), [1, { VaultDynamicSecret: at + 310_000 }]);
    fails = ["VaultDynamicSecret", "VaultPKISecret"];
    assert.deepEqual((await after(300_000))[0], 1, "another one is new");
    assert.deepEqual((await after(300_000))[0], 0);
    fails = [];
    assert.deepEqual(await after(0), [0, undefined]);
  });

  it("because the process stops before a list ends is none", async () => {
    const { one, outcome } = await aLateList({ attempts: 0, hasTimeLimit: false });
    await using _one = one;
    const { error, outOfSight, attempts } = await one.state();
    assert.deepEqual([error, outOfSight, attempts], [undefined, undefined, 0]);
    assert.deepEqual([outcome.againAt, one.log.includes("watch-pass-failed")], [START + 1_000, false]);
  });

  it("because its time is over before its first answer is a failed one", async () => {
    await using one = await aScene({
      clusters: { identity: fail("DEADLINE_EXCEEDED") },
      options: { hasTimeLimit: true },
    });
    one.stop.abort();
    await one.run();
    assert.deepEqual([(await one.state()).error?.code, (await one.state()).outOfSight], ["DEADLINE_EXCEEDED", START]);
  });

  it("to store what it found is a failed one, unless nothing at all can be stored", async () => {
    let saves = 0;
    const store = simulatedSqliteStore(undefined);
    await using _store = store;
    const scene = async (failures: number) => {
      saves = 0;
      const one = await aScene({
        leases: {
          claimCluster: store.claimCluster,
          saveCluster: async (...saved: Parameters<typeof store.saveCluster>) => {
            if (saves++ < failures) throw new SyncError("STORE_UNAVAILABLE", "away");
            return store.saveCluster(...saved);
          },
        },
      });
      return one;
    };
    await using once = await scene(1);
    const outcome = await once.run();
    assert.equal(outcome.kind === "done" && outcome.error?.code, "STORE_UNAVAILABLE");
    await using never = await scene(9);
    await assert.rejects(
      async () => {
        never.pass(3_600_000);
        await never.run();
      },
      { code: "STORE_UNAVAILABLE" },
    );
  });

  it("because the table takes no row with so many cursors says so, and everything is listed the next time", async () => {
    const store = simulatedSqliteStore(undefined);
    await using _store = store;
    const saveCluster = async (...[row, state, next]: Parameters<typeof store.saveCluster>) => {
      if (Object.keys(state.cursors).length > 0) throw new RowTooLarge("too large");
      return store.saveCluster(row, state, next);
    };
    await using one = await aScene({ leases: { claimCluster: store.claimCluster, saveCluster } });
    const outcome = await one.run();
    assert.deepEqual(outcome.kind === "done" && [outcome.error?.code, outcome.isOutOfSight], ["STORE_INVALID", true]);
    const { state } = (await store.cluster("east")) ?? assert.fail("no row");
    assert.deepEqual([state.cursors, state.attempts, state.outOfSight], [{}, 1, START]);
    assert.match(state.error?.message ?? "", /row of cluster east .* 8 lists: name fewer namespaces/);
    assert.ok(one.log.includes("watch-pass-failed"));
    assert.ok(outcome.againAt >= START + 15_000, "not with each tick");
  });

  it("by a bug is none of these", async () => {
    const identity = async () => {
      throw new TypeError("a bug");
    };
    await using one = await aScene({ clusters: { identity } });
    await assert.rejects(one.run(), TypeError);
    const list = async () => {
      throw new TypeError("a bug");
    };
    await using listing = await aScene({ clusters: { list } });
    await assert.rejects(listing.run(), TypeError);
  });

  it("lease-table 21: tells that another one has the cluster now", async () => {
    const leases = { saveCluster: async () => false };
    await using known = await aScene({ before: { uid: "cluster-1" }, leases });
    assert.equal((await known.run()).kind, "done");
    assert.ok(known.log.includes("cluster-lease-lost"));
    await using unknown = await aScene({ leases });
    const outcome = await unknown.run();
    assert.equal(outcome.kind === "done" && outcome.error?.code, "LEASE_LOST");
  });
});

/** A watch pass whose signal aborts after the first page of one list. */
async function aLateList({ attempts, hasTimeLimit }: { readonly attempts: number; readonly hasTimeLimit: boolean }) {
  const list = async (_cluster: string, { kind }: KindRef, _options: object, page: string | undefined) => {
    if (kind !== "VaultStaticSecret") return { items: [], resourceVersion: "9" };
    if (page === undefined) return { items: [aSeen()], resourceVersion: "9", continue: "two" };
    one.stop.abort();
    throw new SyncError("DEADLINE_EXCEEDED", "late");
  };
  const one = await aScene({ clusters: { list }, options: { hasTimeLimit }, before: { attempts } });
  return { one, outcome: await one.run() };
}

/** A watch pass of twelve seconds over `shop/db`, and what it saved meanwhile. */
async function aLongPass(denied?: string, before?: ClusterState["error"]) {
  const saved: ClusterState[] = [];
  const store = simulatedSqliteStore(undefined);
  await using _store = store;
  if (before !== undefined) {
    const row = (await store.claimCluster("east", { now: START - 1, until: START })) ?? assert.fail();
    await store.saveCluster(row, { cursors: {}, attempts: 1, error: before }, { dueAt: START });
  }
  let clock = START;
  const deps = {
    leases: {
      ...store,
      saveCluster: async (...[row, state, next]: Parameters<typeof store.saveCluster>) => {
        saved.push(state);
        return store.saveCluster(row, state, next);
      },
    },
    clusters: {
      identity: async () => "cluster-1",
      installation: async () => ({ id: "ours", uid: "mark" }),
      namespaceUid: async () => "vso-uid",
      vsoLease: async () => undefined,
      list: async (_cluster: string, { kind }: KindRef) =>
        kind === denied ? fail("KUBE_DENIED")() : { items: [], resourceVersion: "9" },
      async *watch(_cluster: string, { kind }: KindRef, _options: object, _since: object, signal: AbortSignal) {
        if (kind === "VaultStaticSecret") yield { type: "ADDED" as const, object: aSeen({ resourceVersion: "12" }) };
        while (!signal.aborted && clock < START + 12_000) await new Promise((resolve) => void setImmediate(resolve));
      },
    },
    ...{ installation: "ours", clock: () => clock, random: () => 0.5, queue: { send: async () => undefined } },
    ...{ log: { debug() {}, info() {}, warn() {}, error() {} }, metrics: { count: () => undefined } },
  } as unknown as DiscoveryDeps;
  let slept = 0;
  const sleep = async (ms: number) => {
    slept = Math.max(slept, ms);
    clock += 100;
    await new Promise((resolve) => void setImmediate(resolve));
  };
  const options = { seconds: 12, againMs: 0, probeRevision: false, acceptMissing: false, sleep };
  const circuits = { open: async () => undefined };
  const outcome = await runWatchPass(deps, circuits, aCluster(), options, new AbortController().signal);
  const keys = (await store.byCluster("east")).map(({ key }) => key);
  return { saved, slept, keys, error: outcome.kind === "done" ? outcome.error : undefined };
}

describe("a long watch pass", () => {
  it("stores its progress while it watches, and ends when the time is over", async () => {
    const { saved, slept, keys, error } = await aLongPass();
    assert.deepEqual([error, keys], [undefined, [aKey()]]);
    assert.ok(saved.length >= 2, `${saved.length} saves`);
    assert.ok(saved.slice(0, -1).some(({ cursors }) => cursors.VaultStaticSecret?.resourceVersion === "12"));
    assert.equal(slept, 5_000);
  });

  it("says since when a kind may not be read, and saves it once and not with each look", async () => {
    const { saved } = await aLongPass("VaultDynamicSecret");
    const errors = saved.map(({ error }) => error).filter((error) => error !== undefined);
    assert.ok(errors.length > 0);
    assert.equal(new Set(errors.map(({ code, since }) => `${code} ${since}`)).size, 1);
    assert.ok(saved.length <= 5, `${saved.length} saves`);
  });

  it("keeps since when, where the pass before it had found that already", async () => {
    const { saved } = await aLongPass("VaultDynamicSecret", { code: "KUBE_DENIED", message: "why", since: 7 });
    assert.ok(saved.length > 0);
    assert.deepEqual(new Set(saved.map(({ error }) => error?.since)), new Set([7]));
  });
});
