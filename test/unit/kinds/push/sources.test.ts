import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { splitBodies } from "../../../../lib/destinations/vault/bodies.ts";
import { SyncError } from "../../../../lib/errors.ts";
import { SourceMissing } from "../../../../lib/failures/source-missing.ts";
import { syncKey } from "../../../../lib/keys.ts";
import type { ForeseeInput } from "../../../../lib/kinds/kind.ts";
import type { ResolvedPush } from "../../../../lib/kinds/push/resolve.ts";
import { isSynced, takenFrom } from "../../../../lib/kinds/push/sources.ts";
import type { Place, Pushed } from "../../../../lib/ports/rows.ts";
import type { SeenSecret } from "../../../../lib/ports/secrets.ts";
import { SecretValue } from "../../../../lib/secret-value.ts";
import { aDeclared, aPushed, aRow } from "../../../builders.ts";

const KEY = syncKey({ cluster: "east", kind: "Deployment", namespace: "shop", name: "app" });
const FOREIGN = { fingerprint: "m", ours: false, vso: false };
const aSecret = (data: Readonly<Record<string, string>>, more: Partial<SeenSecret> = {}): SeenSecret => ({
  ...{ uid: "u", resourceVersion: "7", type: "Opaque", immutable: false, deleting: false, labels: {}, annotations: {} },
  ...{ ownerReferences: [], managed: FOREIGN },
  data: new Map(Object.entries(data).map(([name, text]) => [name, SecretValue.of(text)])),
  ...more,
});
const entry = (secret: string, more: object = {}) => ({ secret, prefix: "", optional: false, ...more });

interface Given {
  readonly secrets: Readonly<Record<string, SeenSecret>>;
  readonly objects: readonly { readonly below?: string; readonly entries: readonly object[] }[];
  readonly synced?: boolean;
  /** Where its path is declared. */
  readonly field?: "vault-sync.io/path" | "spec.destination.path";
  readonly located?: readonly Pushed[];
  readonly isRead?: (place: Place) => boolean;
}

/** What a declaration takes, by object and key, and what was asked. */
async function taken({
  secrets,
  objects,
  synced = false,
  field = "vault-sync.io/path",
  located,
  isRead = () => false,
}: Given) {
  const asked: string[] = [];
  const read: string[] = [];
  const run = {
    row: aRow({ declared: aDeclared({ key: KEY }) }),
    resolved: {
      declaration: { objects, synced, field },
      ...(located && { located: located.map((pushed) => ({ name: "", at: {}, pushed })) }),
    },
    source: async (name: string) => {
      asked.push(name);
      return secrets[name];
    },
    isRead: async (place: Place) => {
      read.push(`${place.vault} ${place.path} ${place.role}`);
      return isRead(place);
    },
  } as unknown as ForeseeInput<ResolvedPush>;
  const { data, versions } = await takenFrom(run);
  const bodies = [...splitBodies(data)].map(([object, body]) => [
    object,
    Object.fromEntries([...body].map(([key, value]) => [key, value.reveal().toString()])),
  ]);
  return { bodies: Object.fromEntries(bodies), versions, asked: asked.sort(), read };
}

async function missing(given: Given) {
  try {
    await taken(given);
  } catch (error) {
    assert.ok(error instanceof SourceMissing && error.code === "SOURCE_MISSING", String(error));
    return { message: error.message, missing: error.missing };
  }
  return assert.fail("nothing is missing");
}

describe("what a declaration takes from its Secrets", () => {
  const secrets = { db: aSecret({ user: "u", password: "p" }), web: aSecret({ key: "k" }, { resourceVersion: "9" }) };

  it("is every key, or those that it names, with its prefix, one body for each object", async () => {
    const objects = [
      { entries: [entry("db", { keys: ["password"] }), entry("web", { prefix: "web_" })] },
      { below: "all", entries: [entry("db")] },
    ];
    assert.deepEqual(await taken({ secrets, objects }), {
      ...{ bodies: { "": { password: "p", web_key: "k" }, all: { user: "u", password: "p" } } },
      ...{ versions: { db: "7", web: "9" }, asked: ["db", "web"], read: [] },
    });
  });

  it("is nothing of an optional Secret that is not there, and no body of nothing else", async () => {
    const objects = [
      { entries: [entry("db"), entry("gone", { optional: true })] },
      { below: "other", entries: [entry("gone", { optional: true })] },
    ];
    const { bodies, versions } = await taken({ secrets, objects });
    assert.deepEqual([bodies, versions], [{ "": { user: "u", password: "p" } }, { db: "7" }]);
  });

  it("lacks Secrets and keys, which are all named at once", async () => {
    const objects = [
      { entries: [entry("gone"), entry("db", { keys: ["password", "token"] })] },
      { below: "more", entries: [entry("empty", { keys: ["a"], optional: true })] },
    ];
    const found = await missing({ secrets: { ...secrets, empty: aSecret({}) }, objects });
    assert.equal(
      found.message,
      "nothing is pushed: Secret shop/gone does not exist; Secret shop/db has no key token (it has password, user); " +
        "Secret shop/empty has no key a (it has none)",
    );
    assert.deepEqual(found.missing, [
      { secret: "gone" },
      { secret: "db", key: "token" },
      { secret: "empty", key: "a" },
    ]);
  });

  it("lacks a Secret that is being deleted", async () => {
    const deleting = { db: aSecret({ a: "1" }, { deleting: true }) };
    assert.deepEqual((await missing({ secrets: deleting, objects: [{ entries: [entry("db")] }] })).missing, [
      { secret: "db" },
    ]);
  });

  it("names twenty keys at most", async () => {
    const keysOf = async (count: number) => {
      const many = aSecret(
        Object.fromEntries(Array.from({ length: count }, (_, at) => [`k${String(at).padStart(2, "0")}`, "v"])),
      );
      return (await missing({ secrets: { many }, objects: [{ entries: [entry("many", { keys: ["none"] })] }] }))
        .message;
    };
    assert.match(await keysOf(20), /, k19\)$/);
    assert.match(await keysOf(23), /, k19 and 3 more\)$/);
  });
});

describe("a Secret that was copied into the cluster", () => {
  it("is known by what programs leave on it", () => {
    const vso = "secrets.hashicorp.com/v1beta1";
    for (const [more, expected] of [
      [{}, false],
      [{ managed: { ...FOREIGN, ours: true } }, true],
      [{ managed: { ...FOREIGN, vso: true } }, true],
      [{ labels: { "app.kubernetes.io/managed-by": "hashicorp-vso" } }, true],
      [{ labels: { "app.kubernetes.io/managed-by": "Helm" } }, false],
      [{ labels: { "secrets.hashicorp.com/vso-ownerRefUID": "any" } }, true],
      [{ labels: { "reconcile.external-secrets.io/managed": "true" } }, true],
      [{ labels: { "reconcile.external-secrets.io/managed": "false" } }, false],
      [{ labels: { "reconcile.external-secrets.io/created-by": "any" } }, true],
      [{ labels: { other: "true" } }, false],
      [{ ownerReferences: [{ apiVersion: "v1" }, { apiVersion: vso }] }, true],
      [{ ownerReferences: [{ apiVersion: "external-secrets.io/v1" }] }, true],
      [{ ownerReferences: [{ apiVersion: "generators.external-secrets.io/v1alpha1" }] }, true],
      [{ ownerReferences: [{ apiVersion: "apps/v1" }] }, false],
      [{ ownerReferences: [{ apiVersion: `x.${vso}` }, {}] }, false],
    ] as const) {
      assert.equal(isSynced(aSecret({}, more as Partial<SeenSecret>)), expected, JSON.stringify(more));
    }
  });

  const copied = { managed: { ...FOREIGN, ours: true } };
  const secrets = { b: aSecret({ x: "1" }, copied), a: aSecret({ y: "1" }, copied), own: aSecret({ z: "1" }) };
  const objects = [{ entries: [entry("b"), entry("a"), entry("own")] }];
  const refused = async (given: Partial<Given>) => {
    try {
      await taken({ secrets, objects, ...given });
    } catch (error) {
      assert.ok(error instanceof SyncError && error.code === "SECRET_IS_SYNCED", String(error));
      return error.message;
    }
    return "taken";
  };

  it("is not pushed, unless the declaration says so", async () => {
    assert.match(
      await refused({}),
      /^Secret shop\/a, shop\/b was copied into the cluster by another program, .* or set keyferry\.dev\/push-synced: "true"$/,
    );
    assert.match(await refused({ field: "spec.destination.path" }), / or set spec\.pushSynced: true$/);
    assert.equal(await refused({ synced: true }), "taken");
  });

  it("is pushed to no path that a sync reads, by whatever name", async () => {
    const located = [aPushed("db"), aPushed("old", { engine: "kv-v1", mount: "v1" })];
    const { read } = await taken({ secrets, objects, synced: true, located });
    assert.deepEqual(read, ["main kv/db read", "main kv/data/db read", "main v1/old read"]);
    for (const path of ["kv/db", "kv/data/db"]) {
      const message = await refused({ synced: true, located, isRead: (place) => place.path === path });
      assert.match(message, /was copied into the cluster, and syncs read kv\/db: name a path that no sync reads$/);
    }
    const own = await taken({ secrets, objects: [{ entries: [entry("own")] }], located, isRead: () => true });
    assert.deepEqual(own.read, [], "an original goes anywhere");
  });
});
