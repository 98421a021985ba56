import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { DeclaredSync, DeclaredWork } from "../../../lib/doctor/declared-work.ts";
import { declaredRights, readingRights, rightName } from "../../../lib/doctor/rights.ts";
import { neededOf } from "../../../lib/doctor/vault/needed.ts";
import { SyncError } from "../../../lib/errors.ts";
import { referenceKey, syncKey } from "../../../lib/keys.ts";
import type { Resolved } from "../../../lib/kinds/kind.ts";
import type { ClusterSettings } from "../../../lib/ports/fleet.ts";
import type { VaultIdentity } from "../../../lib/ports/vault.ts";
import { aPush } from "../../core/world/pushing.ts";

const SETTINGS: ClusterSettings = {
  name: "one",
  labels: {},
  observe: "watch",
  namespaces: { include: ["*"], exclude: [] },
  operatorNamespace: "vso",
};

const key = (namespace: string, kind = "VaultStaticSecret") => syncKey({ cluster: "one", kind, namespace, name: "db" });

const work = (...syncs: readonly DeclaredSync[]): DeclaredWork => ({ syncs, errors: [], reference: () => undefined });

const broken = new SyncError("REFERENCE_MISSING", "there is no VaultAuth");

function identity(over: Partial<VaultIdentity> = {}): VaultIdentity {
  const credential = {
    kind: "serviceAccount",
    cluster: "one",
    name: "app",
    audiences: [],
    expirationSeconds: 600,
  } as const;
  return {
    id: "id",
    target: { address: "https://vault", headers: {}, skipTlsVerify: false, timeoutMs: 1 },
    mount: "kubernetes",
    headers: {},
    method: { kind: "kubernetes", role: "shop", credential: { ...credential, namespace: "shop" } },
    ...over,
  };
}

const resolved = (over: Partial<Resolved> = {}): Resolved =>
  ({
    asks: { identity: identity() },
    destination: { name: "db" },
    refreshAfterMs: 1,
    hmac: true,
    rolloutTargets: [],
    ...over,
  }) as unknown as Resolved;

const names = (settings: ClusterSettings, ...syncs: readonly DeclaredSync[]) =>
  declaredRights(settings, work(...syncs)).map(rightName);

describe("rights in a cluster", () => {
  it("reading is the whole cluster where fleet.yaml has a pattern, else each namespace", () => {
    const everywhere = readingRights(SETTINGS).map(rightName);
    assert.ok(everywhere.includes("list vaultstaticsecrets.secrets.hashicorp.com"));
    assert.ok(everywhere.includes("get namespaces kube-system"));
    const some = { ...SETTINGS, namespaces: { include: ["shop"], exclude: [] } };
    const listed = readingRights(some).map(rightName);
    assert.ok(listed.includes("list vaultstaticsecrets.secrets.hashicorp.com in namespace shop"));
    assert.ok(listed.includes("watch vaultauths.secrets.hashicorp.com in namespace vso"));
    assert.ok(!listed.includes("list vaultstaticsecrets.secrets.hashicorp.com"));
  });

  it("with observe: apply no Secret is listed or watched", () => {
    const found = readingRights({ ...SETTINGS, observe: "apply" }).map(rightName);
    assert.ok(!found.some((name) => /^(list|watch) secrets/.test(name)), found.join());
  });

  it("pushes of all namespaces need the token of their one service account, wherever that is", () => {
    const serviceAccount = { name: "pusher", namespace: "vault-logins" };
    const push = { ...aPush(), identity: { ...aPush().identity, serviceAccount } };
    assert.deepEqual(names({ ...SETTINGS, namespaces: { include: ["shop"], exclude: [] }, push }), [
      "create serviceaccounts/token pusher in namespace vault-logins",
    ]);
  });

  it("what is not declared needs nothing", () => {
    assert.deepEqual(names(SETTINGS), []);
  });

  it("a declaration needs its Secret, its status and events in its own namespace, even if it can't be resolved", () => {
    const found = names(SETTINGS, { key: key("shop"), spec: {}, outcome: broken, refs: [] });
    for (const name of [
      "create secrets in namespace shop",
      "patch secrets in namespace shop",
      "patch vaultstaticsecrets/status.secrets.hashicorp.com in namespace shop",
      "create events in namespace shop",
    ]) {
      assert.ok(found.includes(name), name);
    }
    assert.ok(!found.some((name) => name.includes("pkisecrets/status")), found.join());
    assert.ok(!found.some((name) => name.includes("serviceaccounts/token")));
  });

  it("a login needs tokens of its service account alone, and a target its kind of workload", () => {
    const target = { kind: "Deployment", name: "web" } as const;
    const found = names(SETTINGS, {
      key: key("shop"),
      spec: {},
      outcome: resolved({ rolloutTargets: [target] }),
      refs: [],
    });
    assert.ok(found.includes("create serviceaccounts/token app in namespace shop"), found.join("\n"));
    assert.ok(found.includes("patch deployments.apps in namespace shop"));
    assert.ok(!found.some((name) => name.includes("statefulsets") || name.includes("rollouts.argoproj")));
  });

  it("a reference in another namespace needs its status there, and no Secret", () => {
    const ref = referenceKey({ cluster: "one", kind: "VaultAuth", namespace: "platform", name: "a" });
    const found = names(SETTINGS, { key: key("shop"), spec: {}, outcome: broken, refs: [ref] });
    assert.ok(found.includes("patch vaultauths/status.secrets.hashicorp.com in namespace platform"));
    assert.ok(!found.includes("create secrets in namespace platform"));
  });

  it("a Secret with credentials is read by its name", () => {
    const credential = { kind: "secret", cluster: "one", namespace: "shop", name: "approle", key: "id" } as const;
    const asks = { identity: identity({ method: { kind: "appRole", roleId: "r", credential } }) };
    const outcome = resolved({ asks: asks as unknown as NonNullable<Resolved["asks"]> });
    const found = names({ ...SETTINGS, observe: "apply" }, { key: key("shop"), spec: {}, outcome, refs: [] });
    assert.ok(found.includes("get secrets approle in namespace shop"), found.join("\n"));
  });
});

describe("rights to follow a CA bundle", () => {
  const caRef = { kind: "secret", cluster: "one", namespace: "vso", name: "ca", key: "ca.crt" } as const;
  const asks = { identity: identity({ target: { ...identity().target, caRef } }) };
  const outcome = resolved({ asks: asks as unknown as NonNullable<Resolved["asks"]> });
  const rightsFor = (include: readonly string[], observe: "watch" | "apply" = "watch") => {
    const settings = { ...SETTINGS, observe, namespaces: { include, exclude: [] } };
    const all = names(settings, { key: key("shop"), spec: {}, outcome, refs: [] });
    return all.filter((name) => name.includes("secrets ca "));
  };

  it("are by its name where keyferry serves no declarations", () => {
    const expected = ["get", "list", "watch"].map((verb) => `${verb} secrets ca in namespace vso`);
    assert.deepEqual(rightsFor(["shop"]), expected);
  });

  it("are none beside get where all Secrets are followed, and with observe: apply", () => {
    for (const found of [rightsFor(["*"]), rightsFor(["shop", "vso"]), rightsFor(["shop"], "apply")])
      assert.deepEqual(found, ["get secrets ca in namespace vso"]);
  });
});

describe("rights in Vault", () => {
  const destination = { name: "db", create: true };
  const paths = (kind: string, spec: Parameters<typeof neededOf>[0]["spec"], over: Partial<VaultIdentity> = {}) =>
    neededOf({ key: key("shop", kind), spec }, identity(over)).map(({ capability, path }) => `${capability} ${path}`);

  it("a static secret is read, in version 2 below data/", () => {
    const spec = { mount: "kv", path: "shop/db", destination };
    assert.deepEqual(paths("VaultStaticSecret", { ...spec, type: "kv-v2" }), ["read kv/data/shop/db"]);
    assert.deepEqual(paths("VaultStaticSecret", { ...spec, type: "kv-v1" }), ["read kv/shop/db"]);
  });

  it("a path of a namespace below that of the login has its name before it", () => {
    const spec = { mount: "kv", path: "db", type: "kv-v2", namespace: "teams/shop", destination };
    assert.deepEqual(paths("VaultStaticSecret", spec, { namespace: "teams" }), ["read shop/kv/data/db"]);
    assert.deepEqual(paths("VaultStaticSecret", spec), ["read teams/shop/kv/data/db"]);
  });

  it("a credential is asked for, kept and ended", () => {
    const found = paths("VaultDynamicSecret", { mount: "database", path: "creds/db", destination });
    assert.equal(found[0], "read database/creds/db");
    assert.ok(found.includes("update sys/leases/renew"));
    assert.ok(!found.includes("update sys/leases/lookup"), "only for status --leases");
  });

  it("a certificate is issued by its issuer", () => {
    const spec = { mount: "pki", role: "web", issuerRef: "root", commonName: "a", destination };
    assert.equal(paths("VaultPKISecret", spec)[0], "update pki/issuer/root/issue/web");
  });
});
