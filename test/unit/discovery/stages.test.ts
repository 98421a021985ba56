import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import type { DiscoveryDeps } from "../../../lib/discovery/deps.ts";
import { type Facts, inOrder, type Pass, runStages, type Stage } from "../../../lib/discovery/pass.ts";
import { macKey, syncsOfNewMacKey } from "../../../lib/discovery/stages.ts";
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
