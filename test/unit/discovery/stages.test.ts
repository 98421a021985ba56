import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import type { DiscoveryDeps } from "../../../lib/discovery/deps.ts";
import { type Facts, inOrder, type Pass, runStages, type Stage } from "../../../lib/discovery/pass.ts";
import { installation, macKey, operatorNamespace, syncsOfNewMacKey } from "../../../lib/discovery/stages.ts";
import { watches } from "../../../lib/discovery/watch-stage.ts";
import { SyncError } from "../../../lib/errors.ts";
import type { SeenResource } from "../../../lib/ports/resources.ts";
import type { ClusterState } from "../../../lib/ports/store.ts";
import { type KindRef, SECRET, VAULT_STATIC_SECRET } from "../../../lib/resource-kinds.ts";
import { simulatedSqliteStore } from "../../../lib/store/sqlite/sqlite-store.ts";
import { aCluster, aDeclared, aKey } from "../../builders.ts";

const NOW = Date.UTC(2030, 0, 1);
const OPERATOR = { name: "operator", first: "u" };
const START: ClusterState = { cursors: {}, attempts: 0, operator: OPERATOR };
const quiet = (): void => undefined;
const away = async (): Promise<never> => {
  throw new SyncError("STORE_UNAVAILABLE", "the table is out of reach");
};

function given<Known extends keyof Facts>(facts: Pick<Facts, Known>): Stage<never, Known> {
  return { name: "given", run: async () => facts };
}

/** A watch pass over an empty cluster, whose row is claimed in a table in memory. */
async function aPass(more: { readonly clusters?: object; readonly leases?: object; readonly state?: ClusterState }) {
  const store = simulatedSqliteStore(undefined);
  const until = NOW + 60_000;
  const row = (await store.claimCluster("east", { now: NOW, until })) ?? assert.fail();
  let made = 0;
  const deps = {
    leases: { ...store, ...more.leases },
    clusters: { list: async () => ({ items: [], resourceVersion: "9" }), ...more.clusters },
    secrets: {
      hmacKey: async () => undefined,
      findHmacKey: async () => ({ kind: "absent" }),
      createHmacKey: async () => void made++,
    },
    ...{
      queue: { send: async () => undefined },
      clock: () => NOW,
      random: () => 0.5,
      newHmacKey: () => Buffer.alloc(16),
    },
    ...{ log: { debug: quiet, info: quiet, warn: quiet, error: quiet }, metrics: { ran: quiet, count: quiet } },
    installation: "ours",
  } as unknown as DiscoveryDeps;
  const pass: Pass = {
    ...{ deps, settings: aCluster({ name: "east", observe: "watch" }), signal: new AbortController().signal },
    circuits: { open: async () => undefined } as unknown as Pass["circuits"],
    row: { ...row, state: more.state ?? row.state, leaseUntil: until },
    options: { seconds: 0, againMs: 0, probeRevision: false, acceptMissing: false, sleep: () => turn() },
  };
  return { pass, store, made: () => made, [Symbol.asyncDispose]: () => store[Symbol.asyncDispose]() };
}

describe("a watch pass that fails", () => {
  it("between making a key of MACs and asking for them leaves that to the next one", async () => {
    const list = (start: ClusterState) => inOrder(given({ start, isAlone: true }), macKey, syncsOfNewMacKey);
    await using failing = await aPass({ leases: { byCluster: away } });
    const first = await runStages(failing.pass, list(START));
    assert.equal(first.failed?.stage, "syncs-of-new-mac-key");
    assert.deepEqual(first.state.macKey, { state: "made", at: NOW });
    await using next = await aPass({ state: first.state });
    const second = await runStages(next.pass, list(first.state));
    assert.deepEqual(second.state.macKey, { state: "made", at: NOW, isTold: true });
    assert.deepEqual([failing.made(), next.made()], [1, 0]);
  });

  it("lease-table 22: keeps its cursors before drift that was seen under a claim and not checked yet", async () => {
    const secret: SeenResource = {
      ...{ uid: "s", resourceVersion: "8", generation: 1, deleting: false, labels: {}, annotations: {} },
      ...{ finalizers: [], spec: {}, status: {}, namespace: "shop", name: "db" },
      ownerReferences: [
        { apiVersion: "secrets.hashicorp.com/v1beta1", kind: "VaultStaticSecret", name: "db", uid: "uid-db" },
      ],
    };
    const cursor = { resourceVersion: "7", movedAt: NOW };
    const start: ClusterState = { ...START, cursors: { [SECRET.kind]: cursor, [VAULT_STATIC_SECRET.kind]: cursor } };
    const run = async (leases: object) => {
      const watch = async function* (_cluster: string, { kind }: KindRef) {
        if (kind === SECRET.kind) yield { type: "MODIFIED" as const, object: secret };
      };
      await using scene = await aPass({ clusters: { watch }, leases, state: start });
      await scene.store.declare(aDeclared({ key: aKey("db"), uid: "uid-db" }), NOW);
      const row = (await scene.store.read([aKey("db")], "strong")).get(aKey("db")) ?? assert.fail();
      await scene.store.claim(row, { now: NOW, until: NOW + 30_000 });
      return await runStages(scene.pass, inOrder(given({ start, operator: OPERATOR }), watches));
    };
    const done = await run({});
    assert.deepEqual([done.failed, done.state.cursors[SECRET.kind]?.resourceVersion], [undefined, "8"]);
    const failed = await run({ referencesOf: away });
    assert.deepEqual([failed.failed?.stage, failed.state.cursors[SECRET.kind]], ["watches", cursor]);
  });
});

describe("what a watch pass knows of its cluster before it watches", () => {
  it("lease-table 25: that another installation works on it, which ends the pass", async () => {
    for (const [found, failed] of [
      ["theirs", "installation"],
      ["ours", undefined],
      [undefined, undefined],
    ] as const) {
      await using one = await aPass({});
      const run = await runStages(one.pass, inOrder(given({ installation: found }), installation));
      assert.deepEqual([run.failed?.stage, run.failed?.error.code], [failed, failed && "OTHER_CONTROLLER"], found);
    }
  });

  it("whether the operator namespace is the one from before, which only the same cluster can tell", async () => {
    const clusters = {
      installation: async () => "absent",
      namespaceUid: async () => "another",
      markInstallation: async () => ({ id: "ours", uid: "mark" }),
    };
    const before = { name: "vso", first: "former" };
    for (const [why, stored, without] of [
      ["the same cluster", { uid: "cluster-1", operator: before }, "later"],
      ["a cluster whose uid was not known", { operator: before }, "later"],
      ["another cluster", { uid: "cluster-2", operator: before }, undefined],
    ] as const) {
      await using one = await aPass({ clusters });
      const state = { ...START, ...stored };
      const { operator, state: known } = await operatorNamespace.run(one.pass, { uid: "cluster-1", state });
      assert.equal(operator.without, without, why);
      assert.equal(operator.mark, without === undefined ? "mark" : undefined, why);
      const isAnother = state.uid === "cluster-2";
      assert.deepEqual(
        known,
        isAnother ? state : { ...state, uid: "cluster-1", operator },
        "the former one may be back",
      );
    }
  });

  it("what was found out about the key of MACs, and nothing of it where another controller is at work", async () => {
    const run = async (isAlone: boolean, hmacKey?: Buffer) => {
      await using one = await aPass({});
      Object.assign(one.pass.deps.secrets ?? {}, { hmacKey: async () => hmacKey });
      const facts = await macKey.run(one.pass, { isAlone, start: START, state: { ...START, attempts: 3 } });
      return { ...facts, made: one.made() };
    };
    const found = { state: "found", at: NOW } as const;
    assert.deepEqual(await run(true, Buffer.alloc(16)), {
      ...{ start: { ...START, macKey: found }, state: { ...START, attempts: 3, macKey: found } },
      ...{ newMacKey: undefined, made: 0 },
    });
    const none = { start: START, state: { ...START, attempts: 3 }, newMacKey: undefined, made: 0 };
    assert.deepEqual(await run(false, Buffer.alloc(16)), none);
    assert.deepEqual(await run(false), none);
  });

  it("a key that was made, and syncs are asked for its MACs only when the row could be stored", async () => {
    const made = { state: "made", at: NOW } as const;
    const run = async (isStored: boolean) => {
      const saved: unknown[] = [];
      const saveCluster = async (_row: unknown, state: unknown) => {
        saved.push(state);
        return isStored;
      };
      await using one = await aPass({ leases: { saveCluster } });
      const { newMacKey, start, state } = await macKey.run(one.pass, { isAlone: true, start: START, state: START });
      return { newMacKey, saved, keys: [start.macKey, state.macKey] };
    };
    const saved = [{ ...START, macKey: made }];
    assert.deepEqual(await run(true), { newMacKey: made, saved, keys: [made, made] });
    assert.deepEqual(await run(false), { newMacKey: undefined, saved, keys: [made, made] });
  });

  it("that syncs were asked for the MACs of a new key, in what it stores and in what it starts from", async () => {
    await using one = await aPass({});
    const newMacKey = { state: "made", at: NOW } as const;
    const told = { ...newMacKey, isTold: true as const };
    const since = { ...START, attempts: 2 };
    const known = await syncsOfNewMacKey.run(one.pass, { newMacKey, start: START, state: since });
    assert.deepEqual(known, { start: { ...START, macKey: told }, state: { ...since, macKey: told } });
    const nothing = await syncsOfNewMacKey.run(one.pass, { newMacKey: undefined, start: START, state: since });
    assert.deepEqual(nothing, { start: START, state: since });
  });
});
