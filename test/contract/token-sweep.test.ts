import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { SyncError } from "../../lib/errors.ts";
import { referenceKey, type SyncKey } from "../../lib/keys.ts";
import { KINDS } from "../../lib/kinds/registry.ts";
import { resolveStaticSecret } from "../../lib/kinds/static/resolve.ts";
import type { Reference } from "../../lib/ports/rows.ts";
import type { Circuit } from "../../lib/ports/store.ts";
import type { KeptToken } from "../../lib/ports/tokens.ts";
import { sweepTokens } from "../../lib/reconcile/token-sweep.ts";
import { openSqliteStore, type SqliteStore } from "../../lib/store/sqlite/sqlite-store.ts";
import type { TokenScope } from "../../lib/token-scope.ts";
import { aCluster, aDeclared, aKey, aReference } from "../builders.ts";
import { quiet } from "./vault-world.ts";

const NOW = Date.UTC(2030, 0, 1);
const forever = new AbortController().signal;

const settingsOf = (name: string) => aCluster({ name, operatorNamespace: "shop" });

/** A store with syncs that log in by VaultAuths of their names, and tokens as a Vault end knows them. */
async function aScene(syncs: Readonly<Record<string, string>>) {
  const store = openSqliteStore({ path: ":memory:" });
  const connection = referenceKey({ cluster: "east", kind: "VaultConnection", namespace: "shop", name: "default" });
  await store.putReference(aReference({ key: connection, spec: { address: "https://vault.example" } }));
  const auth = (name: string): Reference =>
    aReference({ key: referenceKey({ cluster: "east", kind: "VaultAuth", namespace: "shop", name }) });
  const spec = (path: string, vaultAuthRef: string) => ({
    type: "kv-v2",
    mount: "kv",
    path,
    vaultAuthRef,
    destination: { name: path, create: true },
  });
  for (const name of new Set(Object.values(syncs))) await store.putReference(auth(name));
  for (const [name, by] of Object.entries(syncs)) {
    await store.declare(aDeclared({ key: aKey(name), spec: spec(name, by) }), NOW);
  }
  const kept: KeptToken[] = [];
  const ended: string[] = [];
  const keptFor: SyncKey[] = [];
  const fleet = new Set(["east"]);
  const open = new Set<string>();
  let isFleetIncomplete = false;
  let failure: SyncError | undefined;
  let broken: SyncKey | undefined;
  /** The rows, and one among them that nobody can work with. */
  const read: SqliteStore["read"] = async (keys, consistency) => {
    const rows = await store.read(keys, consistency);
    return new Map(
      [...rows].map(([key, row]) => [key, key === broken ? { ...row, declared: undefined as never } : row]),
    );
  };
  const deps = {
    leases: { ...store, read },
    fleet: (name: string) => (fleet.has(name) ? settingsOf(name) : undefined),
    isFleetIncomplete: () => isFleetIncomplete,
    log: quiet,
    metrics: { count: () => undefined, observe: () => undefined },
    vault: {
      read: () => assert.fail(),
      probe: () => assert.fail(),
      giveUp: () => assert.fail(),
      reach: () => assert.fail(),
      isKnown: () => assert.fail(),
      clusterId: () => assert.fail(),
      tokens: {
        doubt: () => undefined,
        kept: async (wanted?: TokenScope) => kept.filter(({ scope }) => wanted === undefined || scope === wanted),
        keepFor: async (token: KeptToken, by: SyncKey) => {
          keptFor.push(by);
          kept.splice(kept.indexOf(token), 1, { ...token, by });
        },
        end: async (token: KeptToken) => {
          if (failure) throw failure;
          kept.splice(kept.indexOf(token), 1);
          ended.push(token.id);
        },
      },
    },
  };
  const circuitOf = (id: string): Circuit => ({
    id,
    code: "VAULT_UNAVAILABLE",
    message: "no answer",
    since: NOW,
    attempts: 1,
    fence: NOW,
    probeAt: NOW,
  });
  const circuits = {
    openAmong: async (ids: readonly (string | undefined)[]) =>
      ids.filter((id) => open.has(id ?? "")).map((id) => circuitOf(id ?? ""))[0],
  };
  return {
    store,
    kept,
    ended,
    keptFor,
    fleet,
    open,
    spec,
    auth,
    breaks: (key: SyncKey | undefined) => {
      broken = key;
    },
    isUnread: (is: boolean) => {
      isFleetIncomplete = is;
    },
    fails: (error: SyncError | undefined) => {
      failure = error;
    },
    /** A token of the identity that this sync logs in as now. */
    async token(name: string): Promise<KeptToken> {
      const [row] = (await store.read([aKey(name)], "strong")).values();
      const keys = (await store.referencesOf("east")).map((reference) => [reference.key, reference] as const);
      const reference = new Map(keys);
      const { outcome } = resolveStaticSecret({
        declared: row?.declared ?? assert.fail(),
        cluster: settingsOf("east"),
        reference: (key) => reference.get(key),
      });
      if (outcome instanceof SyncError) throw outcome;
      const token = {
        id: outcome.asks.identity.id,
        scope: "cluster:east" as const,
        by: aKey(name),
        circuit: "vault:https://vault.example",
      };
      kept.push(token);
      return token;
    },
    sweep: (cluster?: string) => sweepTokens({ ...deps, kinds: KINDS }, circuits, cluster, forever),
    reads: () => ({ ...store.counts() }),
    [Symbol.asyncDispose]: () => store[Symbol.asyncDispose](),
  };
}

describe("a sweep of tokens", () => {
  it("leaves alone what a sync still logs in with, for one read of that sync and nothing written", async () => {
    await using scene = await aScene({ a: "one", b: "two" });
    const tokens = [await scene.token("a"), await scene.token("b")];
    const before = scene.reads();
    await scene.sweep();
    assert.deepEqual([scene.kept, scene.ended, scene.keptFor], [tokens, [], []]);
    const after = scene.reads();
    assert.equal((after.read ?? 0) - (before.read ?? 0), 1);
    assert.deepEqual([after.byCluster, after.writes], [before.byCluster, before.writes]);
  });

  it("keeps a token for another sync when the one that it was obtained for goes, and ends it with the last", async () => {
    await using scene = await aScene({ a: "one", b: "one" });
    const token = await scene.token("a");
    await scene.store.release(aKey("a"));
    await scene.sweep("east");
    assert.deepEqual([scene.kept, scene.ended], [[{ ...token, by: aKey("b") }], []]);
    await scene.store.tombstone(aKey("b"), `uid-of-${aKey("b")}`, NOW);
    await scene.sweep("east");
    assert.deepEqual([scene.kept, scene.ended], [[], [token.id]]);
  });

  it("ends a token when its VaultAuth changed, went, or is another one now", async () => {
    await using scene = await aScene({ a: "changed", b: "gone", c: "left", d: "same" });
    const tokens = await Promise.all(["a", "b", "c", "d"].map((name) => scene.token(name)));
    await scene.store.putReference({ ...scene.auth("changed"), hash: "another" });
    await scene.store.removeReference(scene.auth("gone").key);
    await scene.store.declare(
      aDeclared({ key: aKey("c"), uid: `uid-of-${aKey("c")}`, spec: scene.spec("c", "same") }),
      NOW,
    );
    await scene.sweep();
    assert.deepEqual(scene.kept, [tokens[3]]);
    assert.deepEqual(
      scene.ended.toSorted(),
      tokens
        .slice(0, 3)
        .map(({ id }) => id)
        .toSorted(),
    );
  });

  it("ends all tokens of a cluster that left the fleet, and looks at no other when it is asked for one", async () => {
    await using scene = await aScene({ a: "one" });
    const east = await scene.token("a");
    const west = { ...east, id: "west", scope: "cluster:west" as const, by: aKey("a", "west") };
    scene.kept.push(west);
    await scene.sweep("east");
    assert.deepEqual(scene.ended, []);
    await scene.sweep("west");
    assert.deepEqual([scene.kept, scene.ended], [[east], ["west"]]);
    scene.fleet.clear();
    await scene.sweep();
    assert.deepEqual(scene.kept, []);
  });

  it("ends none of a cluster that may belong to a hub that was not read yet", async () => {
    await using scene = await aScene({ a: "one" });
    const token = await scene.token("a");
    scene.fleet.clear();
    scene.isUnread(true);
    await scene.sweep();
    await scene.sweep("east");
    assert.deepEqual([scene.kept, scene.ended], [[token], []]);
    scene.isUnread(false);
    await scene.sweep();
    assert.deepEqual([scene.kept, scene.ended], [[], [token.id]]);
  });

  it("is not ended by a row that nobody can work with, and ends nothing that this row may need", async () => {
    await using scene = await aScene({ a: "one", b: "two", c: "three" });
    const [a, b] = [await scene.token("a"), await scene.token("b")];
    scene.breaks(aKey("a"));
    await scene.store.tombstone(aKey("b"), `uid-of-${aKey("b")}`, NOW);
    await scene.sweep();
    assert.deepEqual([scene.kept, scene.ended], [[a, b], []]);
    scene.breaks(undefined);
    await scene.sweep();
    assert.deepEqual([scene.kept, scene.ended], [[a], [b.id]]);
  });

  it("leaves to the next one what can't be ended now, and asks no Vault that is out of reach", async () => {
    await using scene = await aScene({ a: "one" });
    const token = await scene.token("a");
    scene.fleet.clear();
    scene.open.add(token.circuit);
    await scene.sweep();
    assert.deepEqual([scene.kept, scene.ended], [[token], []]);
    scene.open.clear();
    scene.fails(new SyncError("VAULT_UNAVAILABLE", "no answer"));
    await scene.sweep();
    assert.deepEqual(scene.kept, [token]);
    scene.fails(undefined);
    await scene.sweep();
    assert.deepEqual([scene.kept, scene.ended], [[], [token.id]]);
  });
});
