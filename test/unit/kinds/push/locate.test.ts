import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { pushIdentity } from "../../../../lib/declarations/push/identity.ts";
import type { Digest } from "../../../../lib/digest.ts";
import { type ErrorCode, SyncError } from "../../../../lib/errors.ts";
import { syncKey } from "../../../../lib/keys.ts";
import type { LocateInput } from "../../../../lib/kinds/kind.ts";
import { locate, mountId, pushState } from "../../../../lib/kinds/push/locate.ts";
import { type ResolvedPush, resolvePush } from "../../../../lib/kinds/push/resolve.ts";
import type { ClusterSettings } from "../../../../lib/ports/fleet.ts";
import type { PushIdentity, PushSettings } from "../../../../lib/ports/fleet-push.ts";
import type { Pushed, RowError } from "../../../../lib/ports/rows.ts";
import type { KvMount, Pusher } from "../../../../lib/ports/vault-writes.ts";
import type { Json, JsonObject } from "../../../../lib/util/json.ts";
import { aCluster, aDeclared, aRow } from "../../../builders.ts";

const KEY = syncKey({ cluster: "east", kind: "Deployment", namespace: "shop", name: "app" });
const LOGIN: PushIdentity = {
  ...{ method: "kubernetes", mount: "/k/", role: "push", serviceAccount: { name: "pusher" }, audiences: ["vault"] },
};
const PUSH: PushSettings = {
  ...{ kinds: ["Deployment"], namespaces: { include: ["*"], exclude: ["kube-*"] }, paths: ["kv/**"], identity: LOGIN },
  ...{ secrets: "watch", pollEvery: "5m", conflict: "fail", deletion: "version", prefix: "none", mountedOnly: false },
  ...{ projectedVolumes: false, imagePullSecrets: false },
};
const VAULTS = [{ name: "main", addresses: ["https://vault.test:8200"], identities: [] }];

interface Given {
  readonly push?: Partial<PushSettings>;
  readonly settings?: Partial<ClusterSettings>;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly spec?: JsonObject;
  readonly tooLarge?: number;
  readonly hasNoPush?: boolean;
}

function resolution({
  push = {},
  settings = {},
  annotations = {},
  spec = { mounted: [] },
  tooLarge,
  hasNoPush = false,
}: Given = {}) {
  const declared = aDeclared({
    ...{ key: KEY, spec, ...(tooLarge === undefined ? {} : { tooLarge }) },
    annotations: {
      "vault-sync.io/path": "kv/app",
      "vault-sync.io/secrets": '[{"name":"db","keys":["a"]}]',
      ...annotations,
    },
  });
  const all = {
    vaults: VAULTS,
    vault: { name: "main" },
    ...(hasNoPush ? {} : { push: { ...PUSH, ...push } }),
    ...settings,
  };
  return resolvePush({ declared, cluster: aCluster(all), reference: () => undefined });
}

function resolved(given: Given = {}): ResolvedPush {
  const { outcome } = resolution(given);
  if (outcome instanceof SyncError) throw outcome;
  return outcome;
}

const refusal = (given: Given) => {
  const { outcome, refs } = resolution(given);
  assert.deepEqual(refs, []);
  return outcome instanceof SyncError ? `${outcome.code}: ${outcome.message}` : "resolved";
};

describe("a push that fleet.yaml allows", () => {
  it("asks its Vault by fleet.yaml's login, and refers to its Secrets, each once", () => {
    const { outcome, refs } = resolution({
      annotations: {
        "vault-sync.io/secrets": '[{"name":"db","keys":["a"]},{"name":"db","keys":["b"]},{"name":"web"}]',
      },
    });
    assert.ok(!(outcome instanceof SyncError));
    assert.deepEqual(refs, ["east/Secret/shop/db", "east/Secret/shop/web"]);
    const { asks, destination, hmac, rolloutTargets, refreshAfterMs } = outcome;
    assert.deepEqual(
      [asks.circuit, asks.place],
      ["vault:https://vault.test:8200", { vault: "main", path: "kv/app", role: "push" }],
    );
    assert.deepEqual(
      [destination, hmac, rolloutTargets, refreshAfterMs],
      [{ name: "Deployment/app" }, false, [], undefined],
    );
    const ids = [
      {},
      { annotations: { "vault-sync.io/path": "kv/other" } },
      { push: { identity: { ...LOGIN, role: "other" } } },
    ].map((given) => resolved(given).asks.id);
    assert.equal(new Set(ids).size, 3);
  });

  it("is read again as its annotation says, else as fleet.yaml polls", () => {
    const every = (given: Given) => resolved(given).refreshAfterMs;
    const annotations = { "vault-sync.io/reconcile": "10m" };
    assert.deepEqual(
      [every({ annotations }), every({ push: { secrets: "poll" } }), every({})],
      [600_000, 300_000, undefined],
    );
    assert.equal(every({ annotations, push: { secrets: "poll" } }), 600_000);
  });

  it("is none of another kind or namespace, or of a cluster without pushes", () => {
    const allow = ". Allow it there, or remove vault-sync.io/path";
    const nothing = "PUSH_NOT_ALLOWED: nothing is pushed: ";
    assert.equal(refusal({ hasNoPush: true }), `${nothing}cluster east in fleet.yaml has no push${allow}`);
    assert.equal(
      refusal({ push: { kinds: ["Secret"] } }),
      `${nothing}push.kinds of cluster east in fleet.yaml leaves out Deployment${allow}`,
    );
    const elsewhere = { namespaces: { include: ["bank"], exclude: [] } };
    assert.equal(
      refusal({ push: elsewhere }),
      `${nothing}push.namespaces of cluster east in fleet.yaml leaves out namespace shop${allow}`,
    );
  });

  it("is none whose annotations are wrong or too large", () => {
    assert.match(
      refusal({ annotations: { "vault-sync.io/path": "sys/x" } }),
      /^SPEC_INVALID: Deployment is not valid: annotations.*must not be below/,
    );
    assert.match(refusal({ tooLarge: 70_000 }), /^SPEC_INVALID: .*70000 bytes/);
  });
});

describe("the login of a push", () => {
  const login = (
    identity: Partial<PushIdentity>,
    settings: Partial<ClusterSettings> = {},
    push: Partial<PushSettings> = {},
  ) =>
    pushIdentity(
      aCluster({ vaults: VAULTS, vault: { name: "main" }, ...settings }),
      { ...PUSH, ...push, identity: { ...LOGIN, ...identity } },
      "shop",
    );

  it("is all in fleet.yaml: the account of the object's own namespace, unless one is named", () => {
    const { id, ...rest } = login({});
    const target = {
      address: "https://vault.test:8200",
      cluster: "east",
      place: "east/shop",
      headers: {},
      skipTlsVerify: false,
      timeoutMs: 8_000,
    };
    const account = {
      kind: "serviceAccount",
      cluster: "east",
      namespace: "shop",
      name: "pusher",
      audiences: ["vault"],
      expirationSeconds: 600,
    };
    assert.deepEqual(rest, {
      target,
      mount: "k",
      headers: {},
      method: { kind: "kubernetes", role: "push", credential: account },
    });
    const named = login({ serviceAccount: { name: "pusher", namespace: "ops" } });
    assert.deepEqual(named.method.credential, { ...account, namespace: "ops" });
    const others = [
      { role: "x" },
      { mount: "x" },
      { namespace: "x" },
      { audiences: ["x"] },
      { serviceAccount: { name: "x" } },
      { method: "jwt" },
    ] as const;
    assert.equal(new Set([id, ...others.map((changed) => login(changed).id)]).size, others.length + 1);
  });

  it("is at the Vault that push names, else at the cluster's own", () => {
    const address = (...more: Parameters<typeof login> extends [unknown, ...infer Rest] ? Rest : never) =>
      login({}, ...more).target.address;
    const vaults = [...VAULTS, { name: "other", addresses: ["https://Other.test/"], identities: [] }];
    assert.equal(address({ vaults }, { vault: "other" }), "https://other.test");
    assert.equal(address({ vaults, vault: { name: "other" } }), "https://other.test");
    assert.equal(address({ vault: { address: "https://Alone.test/" } }), "https://alone.test");
    for (const settings of [{ vault: {} }, { vault: undefined }, { vault: { name: "none" } }, { vaults: undefined }]) {
      assert.throws(() => address(settings as Partial<ClusterSettings>), { code: "REFERENCE_INVALID" });
    }
  });

  it("has the namespace and the CA of that Vault in fleet.yaml", () => {
    const vaults = [
      {
        ...VAULTS[0],
        name: "main",
        addresses: ["https://vault.test:8200"],
        identities: [],
        caFile: "/ca",
        namespace: "team/",
      },
    ];
    const found = login({}, { vaults });
    assert.deepEqual([found.namespace, found.target.caOf], ["team", "main"]);
    assert.equal(login({ namespace: "/own/" }, { vaults }).namespace, "own");
    assert.deepEqual(["namespace" in login({}), "caOf" in login({}).target], [false, false]);
  });
});

describe("the paths of a push", () => {
  interface Where extends Given {
    readonly mount?: KvMount;
    readonly own?: Json;
    readonly error?: RowError;
  }
  async function looked({ mount = { mount: "kv", engine: "kv-v2" }, own, error, ...given }: Where = {}) {
    const asked: (readonly [Pusher, string])[] = [];
    const row = aRow({ declared: aDeclared({ key: KEY }) });
    const state = { ...row.state, ...(own === undefined ? {} : { own }), ...(error && { error }) };
    const input = {
      ...{
        row: { ...row, state },
        resolved: resolved(given),
        settings: aCluster(),
        signal: new AbortController().signal,
      },
      writes: {
        mountOf: async (who: Pusher, path: string) => {
          asked.push([who, path]);
          return mount;
        },
      },
      reached: async (identity: object) => ({ ...identity, isReached: true }),
    } as unknown as LocateInput<ResolvedPush>;
    return { found: await locate(input), asked, id: mountId(input.resolved) };
  }
  async function located(where: Where = {}) {
    const { found, ...rest } = await looked(where);
    assert.ok("paths" in found);
    return { ...found, ...rest };
  }
  const places = async (where: Where) =>
    (await located(where)).paths.map(({ vault, mount, path, engine }) => [vault, mount, path, engine].join(" "));
  const path = (text: string, more: Given = {}): Given => ({
    ...more,
    annotations: { "vault-sync.io/path": text, ...more.annotations },
  });

  it("are below the mount that Vault names, with or without data/", async () => {
    assert.deepEqual(await places({}), ["main kv app kv-v2"]);
    for (const text of ["kv/data/app", "/kv/data/app/"])
      assert.deepEqual(await places(path(text)), ["main kv app kv-v2"]);
    assert.deepEqual(await places(path("kv/database/app")), ["main kv database/app kv-v2"]);
    const old = { mount: { mount: "kv", engine: "kv-v1" } } as const;
    assert.deepEqual(await places({ ...old, ...path("kv/data/app") }), ["main kv data/app kv-v1"]);
    const deep = { mount: { mount: "kv/team", engine: "kv-v2" } } as const;
    assert.deepEqual(await places({ ...deep, ...path("kv/team/data/app") }), ["main kv/team app kv-v2"]);
  });

  it("are below the cluster's prefix, and each object has its own", async () => {
    assert.deepEqual(await places({ push: { prefix: "cluster" } }), ["main kv clusters/east/app kv-v2"]);
    const spec = {
      mounted: [
        { name: "db", optional: false },
        { name: "web", optional: false },
      ],
    };
    const declared = { spec, annotations: { "vault-sync.io/path": "kv/app" } };
    const { outcome } = resolvePush({
      declared: aDeclared({ key: KEY, ...declared }),
      cluster: aCluster({ vaults: VAULTS, vault: { name: "main" }, push: PUSH }),
      reference: () => undefined,
    });
    assert.ok(!(outcome instanceof SyncError));
    assert.deepEqual(
      outcome.declaration.objects.map(({ below }) => below),
      ["db", "web"],
    );
  });

  it("are those that fleet.yaml allows to this object", async () => {
    const refused = async (where: Where) => {
      const { found } = await looked(where);
      assert.ok("refused" in found);
      return `${found.refused.code}: ${found.refused.message}`;
    };
    const paths = (...patterns: readonly string[]) => ({ push: { paths: patterns } });
    assert.deepEqual(await places(paths("kv/{namespace}", "kv/{name}")), ["main kv app kv-v2"]);
    assert.match(
      await refused(paths("kv/{namespace}")),
      /^PUSH_NOT_ALLOWED: nothing is pushed: push\.paths of cluster east in fleet\.yaml does not allow kv\/app\./,
    );
    assert.match(await refused(paths("other/**")), /has no path in that mount/);
    await assert.rejects(looked(path("kv/data", paths("kv/**"))), {
      code: "SPEC_INVALID",
      message: /^vault-sync\.io\/path must name a path below mount kv/,
    });
  });

  it("are kept while others are refused, if they were written, and are allowed or out of reach", async () => {
    const keptBy = async (patterns: readonly string[], more: Partial<Pushed>, identity = LOGIN) => {
      const given = { push: { paths: patterns, identity } };
      const { found } = await looked(given);
      assert.ok("refused" in found);
      return found.mayKeep({ vault: "main", mount: "kv", path: "was", engine: "kv-v2", ...more });
    };
    const written = { digest: "d" as Digest };
    for (const [patterns, isAllowed] of [
      [["kv/was"], true],
      [["kv/other"], false],
      [["other/**"], false],
    ] as const) {
      assert.equal(await keptBy(patterns, written), isAllowed, patterns.join());
      assert.equal(await keptBy(patterns, { writing: "d" as Digest }), isAllowed, patterns.join());
      assert.equal(await keptBy(patterns, {}), false, "it was only claimed");
    }
    assert.equal(await keptBy(["other/**"], { ...written, vault: "former" }), true);
    const team = { ...LOGIN, namespace: "team" };
    assert.equal(await keptBy(["other/**"], { ...written, mount: "crew/kv" }, team), true);
    assert.equal(await keptBy(["other/**"], { ...written, mount: "team/kv" }, team), false);
  });

  it("are not asked for where no pattern is of their mount", async () => {
    const { found, asked } = await looked({ push: { paths: ["other/**"] } });
    assert.deepEqual(["refused" in found, asked], [true, []]);
  });

  it("are asked for once, and again after a failure or when anything of them changes", async () => {
    const first = await located();
    assert.deepEqual(
      first.asked.map(([who, at]) => [who.by, at, "isReached" in who.identity]),
      [[KEY, "kv/app", true]],
    );
    const own = { of: first.id, mount: { mount: "kv", engine: "kv-v2" } };
    assert.deepEqual((await located({ own })).asked, []);
    const failed = { code: "VAULT_DENIED" as ErrorCode, message: "m", since: 1 };
    assert.equal((await located({ own, error: failed })).asked.length, 1);
    assert.equal((await located({ own, ...path("kv/other") })).asked.length, 1);
    assert.equal((await located({ own, push: { identity: { ...LOGIN, namespace: "team" } } })).asked.length, 1);
    const stale = await located({ own: { ...own, mount: { mount: "kv", engine: "kv-v1" } } });
    assert.deepEqual([stale.asked, stale.paths.map(({ engine }) => engine)], [[], ["kv-v1"]]);
  });

  it("have a place by which events find them, with their Vault namespace", async () => {
    const { resolved: found } = await located(
      path("kv/data/app", { push: { identity: { ...LOGIN, namespace: "team" }, prefix: "cluster" } }),
    );
    assert.deepEqual(found.asks.place, { vault: "main", path: "team/kv/clusters/east/app", role: "push" });
    assert.deepEqual(
      [found.mount, found.located?.map(({ name, at }) => [name, at.path])],
      [{ mount: "kv", engine: "kv-v2" }, [["", "clusters/east/app"]]],
    );
  });

  it("are remembered as what they are, and as nothing when a part is missing", () => {
    const known = { of: "id", mount: { mount: "kv", engine: "kv-v1" } } as const;
    assert.deepEqual(pushState(known), known);
    for (const own of [
      undefined,
      null,
      {},
      { ...known, of: 7 },
      { of: "id" },
      { ...known, mount: { mount: "kv", engine: "kv" } },
      { ...known, mount: { engine: "kv-v2" } },
    ]) {
      assert.equal(pushState(own as Json), undefined);
    }
  });
});
