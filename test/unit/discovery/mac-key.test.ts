import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { DiscoveryDeps } from "../../../lib/discovery/deps.ts";
import { askForMacs, makeMacKey } from "../../../lib/discovery/mac-key.ts";
import { SyncError } from "../../../lib/errors.ts";
import { syncKey } from "../../../lib/keys.ts";
import type { ClusterSettings } from "../../../lib/ports/fleet.ts";
import { EMPTY_STATE } from "../../../lib/ports/rows.ts";
import type { HmacKeyFound } from "../../../lib/ports/secrets.ts";
import type { ClusterState, MacKeySeen } from "../../../lib/ports/store.ts";
import { simulatedSqliteStore } from "../../../lib/store/sqlite/sqlite-store.ts";
import { aCluster, aDeclared, aKey } from "../../builders.ts";

const NOW = Date.UTC(2030, 0, 1);
const HOUR_MS = 3_600_000;
const KEY = Buffer.alloc(16, 1);
const OPERATOR = { name: "vso", first: "u" };

interface Scene {
  readonly cached?: Buffer;
  readonly found?: HmacKeyFound;
  readonly fails?: Error;
  /** MACs of the resources, by namespace (or of the whole cluster, `""`), page by page. */
  readonly macs?: Readonly<Record<string, readonly (readonly unknown[])[]>>;
  /** Which resources have them. */
  readonly kindOfMacs?: string;
}

/** What a watch pass finds out about the key, and what it does for it. */
function scene({ cached, found = { kind: "absent" }, fails, macs = {}, kindOfMacs = "VaultStaticSecret" }: Scene = {}) {
  const log: string[] = [];
  const made: unknown[] = [];
  const listed: string[] = [];
  const deps = {
    clusters: {
      list: async (
        _cluster: string,
        { kind }: { kind: string },
        options: { namespace?: string; metadataOnly: boolean },
        page = "0",
      ) => {
        const { namespace = "", metadataOnly } = options;
        assert.equal(metadataOnly, false, "MACs stand in the status");
        listed.push(`${kind} ${namespace}/${page}`);
        const pages = kind === kindOfMacs ? (macs[namespace] ?? []) : [];
        const items = (pages[Number(page)] ?? []).map((secretMAC) => ({ status: { secretMAC } }));
        const next = Number(page) + 1;
        return { items, resourceVersion: "9", ...(next < pages.length ? { continue: String(next) } : {}) };
      },
    },
    secrets: {
      hmacKey: async () => cached,
      findHmacKey: async () => {
        if (fails) throw fails;
        return found;
      },
      createHmacKey: async (...created: unknown[]) => void made.push(created.slice(0, 3)),
    },
    newHmacKey: () => KEY,
    clock: () => NOW,
    log: { info: (event: string, { because = "" }: { because?: string }) => log.push(`${event} ${because}`.trim()) },
  } as unknown as DiscoveryDeps;
  const make = (state: Pick<ClusterState, "operator" | "macKey"> = {}, settings: Partial<ClusterSettings> = {}) =>
    makeMacKey(deps, aCluster(settings), { operator: OPERATOR, ...state }, new AbortController().signal);
  return { make, made, log, listed };
}

describe("kubernetes-rules 21: the key of MACs", () => {
  it("is made where there is none, and no resource has a MAC", async () => {
    const { make, made, log, listed } = scene({ macs: { "": [[undefined, ""], [undefined]] } });
    assert.deepEqual(await make(), { state: "made", at: NOW });
    assert.deepEqual(made, [["east", "vso", KEY]]);
    assert.deepEqual(log, ["mac-key-made"]);
    const all = ["VaultStaticSecret /0", "VaultStaticSecret /1", "VaultDynamicSecret /0", "VaultPKISecret /0"];
    assert.deepEqual(listed, all, "each kind of sync, once");
  });

  it("is left to VSO where a resource of any kind of sync has a MAC of a key that is gone", async () => {
    for (const kindOfMacs of ["VaultDynamicSecret", "VaultPKISecret"]) {
      const { make, made, listed } = scene({ kindOfMacs, macs: { "": [[undefined, "mac"], [undefined]] } });
      assert.deepEqual([await make(), made], [{ state: "left", at: NOW }, []]);
      assert.equal(listed.at(-1), `${kindOfMacs} /0`, "reads no more than it must");
    }
  });

  it("is left to VSO where a resource has a MAC of a key that is gone, on whatever page", async () => {
    const { make, made, log, listed } = scene({ macs: { "": [[undefined], ["mac"], [undefined]] } });
    assert.deepEqual(await make(), { state: "left", at: NOW });
    assert.deepEqual(made, []);
    assert.deepEqual(log, ["mac-key-not-made resources have MACs of a missing key"]);
    assert.deepEqual(listed, ["VaultStaticSecret /0", "VaultStaticSecret /1"], "reads no more than it must");
  });

  it("asks only the namespaces that it may read", async () => {
    const { make, made, listed } = scene({ macs: { shop: [["mac"]], "": [["mac"]] } });
    await make({}, { namespaces: { include: ["bank", "shop"], exclude: [] } });
    assert.deepEqual([listed, made], [["VaultStaticSecret bank/0", "VaultStaticSecret shop/0"], []]);
  });

  it("is found where it is there already", async () => {
    for (const there of [{ cached: KEY }, { found: { kind: "found", key: KEY } as const }]) {
      const { make, made, log } = scene(there);
      assert.deepEqual([await make(), made, log], [{ state: "found", at: NOW }, [], []]);
    }
  });

  it("is left as it is where it can't be used, or can't be made; the log says why", async () => {
    const unusable = scene({ found: { kind: "unusable", why: "it has 3 bytes" } });
    assert.deepEqual([await unusable.make(), unusable.made], [{ state: "left", at: NOW }, []]);
    const refused = scene({ fails: new SyncError("KUBE_REJECTED", "may not read Secrets") });
    assert.deepEqual([await refused.make(), refused.made], [{ state: "left", at: NOW }, []]);
    assert.deepEqual(
      [...unusable.log, ...refused.log],
      ["mac-key-not-made it has 3 bytes", "mac-key-not-made may not read Secrets"],
    );
  });

  it("is not known while the cluster is out of reach, or time runs out", async () => {
    for (const error of [
      new SyncError("KUBE_UNREACHABLE", "away"),
      new SyncError("DEADLINE_EXCEEDED", "late"),
      new TypeError("a bug"),
    ]) {
      await assert.rejects(scene({ fails: error }).make(), error);
    }
  });

  it("is not looked for again, except a day after it was left", async () => {
    const known = async (macKey: MacKeySeen) => await scene().make({ macKey });
    for (const state of ["made", "found"] as const) {
      const before = { state, at: NOW - 1_000 * HOUR_MS };
      assert.deepEqual(await known(before), before);
    }
    const left = (at: number) => ({ state: "left", at }) as const;
    assert.deepEqual(await known(left(NOW - 24 * HOUR_MS + 1)), left(NOW - 24 * HOUR_MS + 1));
    assert.deepEqual(await known(left(NOW - 24 * HOUR_MS)), { state: "made", at: NOW });
  });

  it("is not made in a namespace that has no powers, nor where the fleet says no", async () => {
    const { make, made } = scene();
    const without = { ...OPERATOR, without: "another" } as unknown as NonNullable<ClusterState["operator"]>;
    assert.equal(await make({ operator: without }), undefined);
    assert.equal(await make({}, { makeHmacKey: false }), undefined);
    assert.deepEqual(made, []);
  });
});

describe("kubernetes-rules 21: a key of MACs that is new", () => {
  const keyOf = (kind: string, name: string) => syncKey({ cluster: "east", kind, namespace: "shop", name });

  it("asks each sync that was synced without one to run again, and none of a kind that has none", async () => {
    await using leases = simulatedSqliteStore(undefined);
    const { spec } = aDeclared();
    for (const [key, isSynced, allowStaticCreds] of [
      [aKey("synced"), true],
      [aKey("new"), false],
      [keyOf("VaultDynamicSecret", "dynamic"), true],
      [keyOf("VaultDynamicSecret", "leased"), true, false],
      [keyOf("VaultDynamicSecret", "fixed"), true, true],
      [keyOf("VaultDynamicSecret", "newly"), false, true],
      [keyOf("VaultPKISecret", "web"), true],
      [keyOf("VaultPushSecret", "push"), true],
      [keyOf("VaultAuth", "auth"), true],
      [aKey("gone"), true],
    ] as const) {
      await leases.declare(aDeclared({ key, spec: { ...spec, allowStaticCreds: allowStaticCreds ?? null } }), NOW);
      const row = (await leases.read([key], "strong")).get(key) ?? assert.fail();
      const claimed = (await leases.claim(row, { now: NOW, until: NOW + 60_000 })) ?? assert.fail();
      const state = { ...EMPTY_STATE, owned: [{ name: "db" }], ...(isSynced ? { syncedAt: NOW } : {}) };
      await leases.settle(claimed.lease, { state, schedule: { kind: "due", at: NOW + HOUR_MS }, now: NOW });
    }
    await leases.tombstone(aKey("gone"), aDeclared({ key: aKey("gone") }).uid, NOW);
    const sent: unknown[] = [];
    const queue = { send: async (messages: readonly { readonly key?: string }[]) => void sent.push(...messages) };
    const deps = { leases, queue, clock: () => NOW + 1 } as unknown as DiscoveryDeps;
    await askForMacs(deps, aCluster());
    for (const name of ["synced", "fixed", "web"]) assert.match(JSON.stringify(sent), new RegExp(`shop/${name}`));
    assert.doesNotMatch(JSON.stringify(sent), /shop\/(new|newly|dynamic|leased|push|auth|gone)/);
  });

  it("asks in parts, and reads no row but those of dynamic secrets", async () => {
    const keys = Array.from({ length: 1_001 }, (_, at) => aKey(`db-${at}`)).with(
      600,
      keyOf("VaultDynamicSecret", "dynamic"),
    );
    const asked: string[][] = [];
    const read: string[][] = [];
    const leases = {
      byCluster: async () => keys.map((key) => ({ key, syncedAt: NOW })),
      read: async (some: string[]) => {
        read.push(some);
        return new Map();
      },
      nudgeAll: async (some: string[]) => {
        asked.push(some);
        return [];
      },
    };
    const queue = { send: async () => undefined };
    await askForMacs({ leases, queue, clock: () => NOW } as unknown as DiscoveryDeps, aCluster());
    assert.deepEqual(
      asked.map(({ length }) => length),
      [500, 499, 1],
    );
    assert.deepEqual(asked.flat(), keys.toSpliced(600, 1));
    assert.deepEqual(read.flat(), [keys[600]]);
  });
});
