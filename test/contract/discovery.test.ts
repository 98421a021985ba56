import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, beforeEach, describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { parse } from "yaml";
import { MINUTE_MS, systemClock } from "../../lib/clock.ts";
import { customResourceDefinitions } from "../../lib/declarations/crd.ts";
import type { DiscoveryDeps } from "../../lib/discovery/deps.ts";
import type { WatchPassOptions } from "../../lib/discovery/pass.ts";
import { runWatchPass } from "../../lib/discovery/watch-pass.ts";
import { partsOf, type ReferenceKey, referenceKey, type SyncKey, syncKey } from "../../lib/keys.ts";
import type { ClusterSettings } from "../../lib/ports/fleet.ts";
import type { ClusterState } from "../../lib/ports/store.ts";
import { kubernetesRights } from "../../lib/rights/kubernetes.ts";
import { roleYaml } from "../../lib/rights/rbac.ts";
import { openSqliteStore, type SqliteStore } from "../../lib/store/sqlite/sqlite-store.ts";
import { type Cluster, inForce, type Rule, startCluster, type TempFolder, tempFolder } from "../harness/index.ts";
import { aNamespace, base64, endsOf, patient, type TestApis } from "./kubernetes-fixtures.ts";

const CLUSTER = "east";
const OPERATOR = "operator";
const KIND = "VaultStaticSecret";
const MARK = "keyferry-installation";
const RBAC = "rbac.authorization.k8s.io";
const READ = ["get", "list", "watch"];

describe("discovery on a real cluster: one watch pass after the other", () => {
  let cluster: Cluster;
  let folder: TempFolder;
  let stores = 0;
  let ns = "";
  const opened: AsyncDisposable[] = [];

  before(async () => {
    folder = await tempFolder("discovery");
    cluster = await startCluster({ name: CLUSTER, crds: [...customResourceDefinitions().values()] });
    await aNamespace(cluster, OPERATOR);
  });
  beforeEach(async () => {
    ns = await aNamespace(cluster, `ns-${++stores}`);
  });
  after(async () => {
    for (const scene of opened) await scene[Symbol.asyncDispose]();
    await cluster?.[Symbol.asyncDispose]();
    await folder?.[Symbol.asyncDispose]();
  });

  /** An empty lease table, the ends of an identity, and a clock that the test moves. */
  function aScene(settings: Partial<ClusterSettings> = {}, kubeconfig = cluster.adminKubeconfig) {
    const apis: TestApis = endsOf(cluster, kubeconfig);
    const store: SqliteStore = openSqliteStore({ path: join(folder.path, `${++stores}.sqlite`) });
    opened.push({
      async [Symbol.asyncDispose]() {
        apis.clients.close();
        await store[Symbol.asyncDispose]();
      },
    });
    let ahead = 0;
    const clock = () => systemClock() + ahead;
    const metrics = { ran: () => undefined, count: () => undefined, observe: () => undefined };
    const queue = { send: async () => undefined };
    const deps: DiscoveryDeps = {
      ...{ leases: store, queue, clusters: apis.clusters, resources: apis.resources, log: apis.log, metrics, clock },
      installation: "this",
      random: () => 0.5,
    };
    const whole: ClusterSettings = {
      ...{ name: CLUSTER, labels: {}, observe: "watch", operatorNamespace: OPERATOR },
      // Not by name, so that the whole cluster is listed.
      namespaces: { include: [`*${ns}`], exclude: [] },
      ...settings,
    };
    const circuits = { openAmong: async () => undefined, open: async () => undefined, probeDue: async () => undefined };
    const defaults: WatchPassOptions = {
      ...{ seconds: 0, againMs: 0, probeRevision: false, acceptMissing: false },
      sleep: (ms, signal) => sleep(ms, undefined, { signal }).catch(() => undefined),
    };
    const watchPass = (options: Partial<WatchPassOptions> = {}) =>
      runWatchPass(deps, circuits as never, whole, { ...defaults, ...options }, patient());
    return {
      apis,
      store,
      later: (ms: number) => {
        ahead += ms;
      },
      watchPass,
      /** A resumed pass watches for a second, and the API server may tell of a change a moment later. */
      passUntil: (what: string, isSo: () => Promise<boolean>) =>
        cluster.waitFor(what, async () => {
          await watchPass();
          return isSo();
        }),
      state: async () => (await store.cluster(CLUSTER))?.state as ClusterState,
      row: async (name: string) => (await store.read([keyOf(name)], "strong")).get(keyOf(name)),
      /** As a run of the sync leaves it, which found these references. */
      async refersTo(name: string, refs: readonly ReferenceKey[]) {
        const row = (await store.read([keyOf(name)], "strong")).get(keyOf(name)) ?? assert.fail();
        const now = clock();
        const { lease } = (await store.claim(row, { now, until: now + 1 })) ?? assert.fail();
        await store.settle(lease, { state: { ...row.state, refs }, schedule: { kind: "parked" }, now });
      },
      keys: async () => (await store.byCluster(CLUSTER)).map(({ key }) => key),
      listed: () => apis.clients.requests.count("list", "vaultstaticsecrets"),
      async setCursors(cursors: ClusterState["cursors"]) {
        const row = await store.claimCluster(CLUSTER, { now: clock(), until: clock() + 1 });
        assert.ok(row && (await store.saveCluster(row, { ...row.state, cursors }, { dueAt: clock() })));
      },
    };
  }

  const keyOf = (name: string): SyncKey => syncKey({ cluster: CLUSTER, kind: KIND, namespace: ns, name });
  const resource = (name: string) => ({
    apiVersion: "secrets.hashicorp.com/v1beta1",
    kind: KIND,
    metadata: { name, namespace: ns },
  });
  const declare = (name: string, spec: object = {}) =>
    cluster.apply({
      ...resource(name),
      spec: { type: "kv-v2", mount: "kv", path: name, destination: { name, create: true }, ...spec },
    });

  /** A service account with roles of its own in some namespaces, and no role beyond. */
  async function kubeconfigWith(rules: Readonly<Record<string, readonly Rule[]>>): Promise<string> {
    const name = `reader-${ns}`;
    await cluster.apply({ apiVersion: "v1", kind: "ServiceAccount", metadata: { namespace: ns, name } });
    for (const [namespace, list] of Object.entries(rules)) {
      const metadata = { namespace, name };
      const subjects = [{ kind: "ServiceAccount", namespace: ns, name }];
      const roleRef = { apiGroup: RBAC, kind: "Role", name };
      await cluster.apply([
        { apiVersion: `${RBAC}/v1`, kind: "Role", metadata, rules: list },
        { apiVersion: `${RBAC}/v1`, kind: "RoleBinding", metadata, roleRef, subjects },
      ]);
      for (const rule of list.slice(0, 1)) await inForce(cluster, { namespace: ns, name }, rule, namespace);
    }
    return cluster.kubeconfigFor({ serviceAccount: { namespace: ns, name } });
  }

  it("lease-table 19: a fresh cursor is resumed, one that did not move for ten minutes is listed again", async () => {
    const scene = aScene();
    await declare("a");
    await scene.watchPass();
    assert.equal(scene.listed(), 1);
    await declare("b");
    await scene.passUntil("b", async () => (await scene.row("b")) !== undefined);
    assert.equal(scene.listed(), 1, "only watched");
    scene.later(11 * MINUTE_MS);
    await scene.watchPass();
    assert.equal(scene.listed(), 2);
    assert.equal(scene.store.counts().declare, 4, "a, b, and both by the list");
    assert.equal((await scene.row("a"))?.nudges, 0, "only differences are written");
  });

  it("lease-table 19, kubernetes-rules 12: a cursor that is too old is answered 410, and all is listed in the same watch pass", async () => {
    const scene = aScene();
    await declare("a");
    await declare("gone");
    await scene.watchPass();
    await cluster.delete(resource("gone"));
    const cursors = Object.keys((await scene.state()).cursors).map((name) => [
      name,
      { resourceVersion: "1", movedAt: systemClock() },
    ]);
    await scene.setCursors(Object.fromEntries(cursors));
    await scene.watchPass();
    assert.equal(scene.listed(), 2);
    assert.deepEqual(await scene.keys(), [keyOf("a")]);
  });

  it("lease-table 20, kubernetes-rules 12: cursors from the future that fall silent are found out, and every sync looks again", async () => {
    const scene = aScene();
    await declare("a");
    await scene.watchPass();
    const before = await scene.row("a");
    const movedAt = systemClock() - 4 * MINUTE_MS;
    const names = Object.keys((await scene.state()).cursors);
    await scene.setCursors(Object.fromEntries(names.map((name) => [name, { resourceVersion: "999999999", movedAt }])));
    await scene.watchPass();
    assert.ok(scene.apis.log.lines.some(({ event }) => event === "cluster-restored"));
    assert.equal(scene.listed(), 2);
    const after = await scene.row("a");
    assert.equal(after?.nudges, (before?.nudges ?? 0) + 1);
    await scene.watchPass();
    assert.equal((await scene.row("a"))?.nudges, after?.nudges, "once");
  });

  it("lease-table 21: events that come once more after a crash bring back nothing that was", async () => {
    const scene = aScene();
    await declare("a", { path: "first" });
    await scene.watchPass();
    const { cursors } = await scene.state();
    await declare("a", { path: "second" });
    await cluster.delete(resource("a"));
    await declare("a", { path: "third" });
    await scene.passUntil("the last one", async () => (await scene.row("a"))?.declared.spec.path === "third");
    const before = await scene.row("a");
    await scene.setCursors(cursors);
    await scene.watchPass();
    assert.deepEqual(await scene.row("a"), before);
    assert.deepEqual(await scene.keys(), [keyOf("a")], "and no clean-up of what lives");
  });

  it("lease-table 21: what is too large to keep becomes a row that says so, and the cursor goes on", async () => {
    const scene = aScene();
    await scene.watchPass();
    const annotations = Object.fromEntries(Array.from({ length: 300 }, (_, at) => [`note-${at}`, "x".repeat(1_000)]));
    await declare("large", { destination: { name: "large", create: true, annotations } });
    await declare("small");
    await scene.passUntil("what comes after it", async () => (await scene.row("small")) !== undefined);
    const large = await scene.row("large");
    assert.ok((large?.declared.tooLarge ?? 0) > 300_000);
    assert.deepEqual(large?.declared.spec, {});
    const { cursors } = await scene.state();
    const small = { apiVersion: "secrets.hashicorp.com/v1beta1", kind: KIND, namespace: ns, name: "small" };
    assert.equal(cursors[KIND]?.resourceVersion, (await cluster.get(small))?.metadata.resourceVersion);
  });

  it("lease-table 21: with namespaces by name there is a cursor for each kind and namespace, and roles in them suffice", async () => {
    const kinds = [{ apiGroups: ["secrets.hashicorp.com"], resources: ["*"], verbs: READ }];
    const secrets = [{ apiGroups: [""], resources: ["secrets"], verbs: READ }];
    const marks = [{ apiGroups: [""], resources: ["configmaps"], verbs: ["get", "create"] }];
    const identity = [{ apiGroups: [""], resources: ["namespaces"], verbs: ["get"] }];
    const kubeconfig = await kubeconfigWith({
      [ns]: [...kinds, ...secrets],
      [OPERATOR]: [...kinds, ...marks],
      "kube-system": identity,
    });
    const scene = aScene({ namespaces: { include: [ns], exclude: [] } }, kubeconfig);
    await declare("a");
    const outcome = await scene.watchPass();
    assert.deepEqual("error" in outcome && outcome.error, false);
    assert.deepEqual(await scene.keys(), [keyOf("a")]);
    const names = Object.keys((await scene.state()).cursors);
    assert.ok(names.includes(`${KIND}/${ns}`) && names.includes(`Secret/${ns}`), names.join());
    assert.ok(names.includes(`VaultAuth/${ns}`) && names.includes(`VaultAuth/${OPERATOR}`));
    await declare("b");
    assert.equal(
      "error" in (await scene.watchPass({ probeRevision: true })),
      false,
      "the probe for a restore suffices with it",
    );
    await scene.passUntil("b", async () => (await scene.row("b")) !== undefined);
  });

  it("lease-table 23: with namespaces by name, the printed roles suffice to follow CA bundles of the operator namespace, of many the first 20", async () => {
    const namespaces = { include: [ns], exclude: [] };
    const operatorNamespace = await aNamespace(cluster, `${ns}-operator`);
    const ca = { apiVersion: "v1", kind: "Secret", metadata: { namespace: operatorNamespace, name: "vault-ca" } };
    const settings = { observe: "watch", namespaces, operatorNamespace } as const;
    const bundles = [ca.metadata.name, ...Array.from({ length: 20 }, (_, at) => `west-${at + 10}`)];
    const rights = kubernetesRights(settings, { secrets: bundles });
    const rulesIn = (namespace: string) => {
      const granted = rights.filter((right) => right.namespaces?.includes(namespace));
      return parse(roleYaml({ name: "keyferry", namespace }, granted)).rules as readonly Rule[];
    };
    const places = [ns, operatorNamespace, "kube-system"];
    const kubeconfig = await kubeconfigWith(Object.fromEntries(places.map((place) => [place, rulesIn(place)])));
    const scene = aScene({ namespaces, operatorNamespace }, kubeconfig);
    const spec = { address: "https://vault.example.com", caCertSecretRef: ca.metadata.name };
    const connection = { apiVersion: "secrets.hashicorp.com/v1beta1", kind: "VaultConnection", metadata: ca.metadata };
    await cluster.apply([
      { ...connection, spec },
      { ...ca, data: {} },
    ]);
    await declare("a");
    await scene.passUntil("a", async () => (await scene.row("a")) !== undefined);
    const keys = bundles.map((name) => referenceKey({ cluster: CLUSTER, kind: "Secret", ...ca.metadata, name }));
    await scene.refersTo("a", keys);
    const stored = async () =>
      (await scene.store.referencesOf(CLUSTER)).find(({ key }) => partsOf(key).kind === "Secret")?.hash;

    const outcome = await scene.watchPass();
    assert.equal("error" in outcome ? outcome.error?.message : undefined, undefined);
    const first = await stored();
    assert.ok(first !== undefined, "it is listed");
    await cluster.apply({ ...ca, data: { "ca.crt": base64("another") } });
    await scene.passUntil("the change", async () => (await stored()) !== first);
    assert.equal((await scene.state()).error, undefined);
  });

  it("lease-table 18: a list that is refused is not missing; others go on, and the cluster says what is missing", async () => {
    const admin = aScene();
    await declare("a");
    await admin.watchPass();
    const everything = [
      { apiGroups: [""], resources: ["secrets", "configmaps"], verbs: READ },
      { apiGroups: ["secrets.hashicorp.com"], resources: ["vaultauths", "vaultconnections"], verbs: READ },
    ];
    const kubeconfig = await kubeconfigWith({
      [ns]: everything,
      [OPERATOR]: everything,
      "kube-system": [{ apiGroups: [""], resources: ["namespaces"], verbs: ["get"] }],
    });
    const settings: Partial<ClusterSettings> = { namespaces: { include: [ns], exclude: [] } };
    const scene = aScene(settings, kubeconfig);
    const row = await admin.row("a");
    assert.ok(row && (await scene.store.declare(row.declared, systemClock())));
    const startedAt = systemClock();
    const outcome = await scene.watchPass();
    assert.equal("error" in outcome && outcome.error?.code, "KUBE_DENIED");
    assert.ok(outcome.againAt > startedAt + 10_000, "and it is not asked again at once");
    assert.deepEqual(await scene.keys(), [keyOf("a")]);
    const state = await scene.state();
    assert.equal(state.error?.code, "KUBE_DENIED");
    assert.ok(state.cursors[`VaultAuth/${ns}`]);
  });

  it("lease-table 18: at most ten, or a fifth, are believed to be gone at once; the rest waits for a person", async () => {
    const scene = aScene();
    for (let at = 0; at < 12; at++) await declare(`many-${at}`);
    await scene.watchPass();
    for (let at = 1; at < 12; at++) await cluster.delete(resource(`many-${at}`));
    scene.later(11 * MINUTE_MS);
    await scene.watchPass();
    assert.deepEqual((await scene.state()).awaitingApproval, {
      ...(await scene.state()).awaitingApproval,
      gone: 11,
      of: 12,
    });
    const { awaitingApproval } = await scene.state();
    scene.later(MINUTE_MS);
    await scene.watchPass();
    assert.equal((await scene.state()).awaitingApproval?.since, awaitingApproval?.since, "it is remembered since when");
    assert.equal((await scene.keys()).length, 12);
    await scene.watchPass({ acceptMissing: true });
    assert.deepEqual(await scene.keys(), [keyOf("many-0")]);
    assert.equal((await scene.state()).awaitingApproval, undefined);
  });

  it("lease-table 23, 24: what syncs refer to has a row of its own: written when it changes, and gone with it", async () => {
    const scene = aScene();
    const api = "secrets.hashicorp.com/v1beta1";
    const metadata = { name: "shared", namespace: ns };
    const login = (mount: string) =>
      cluster.apply({ apiVersion: api, kind: "VaultAuth", metadata, spec: { method: "jwt", mount } });
    const key = syncKey({ cluster: CLUSTER, kind: "VaultAuth", ...metadata });
    const row = async () => (await scene.store.read([key], "strong")).get(key);
    await login("one");
    await scene.watchPass();
    assert.equal((await row())?.declared.spec.mount, "one");
    const before = await row();

    await scene.setCursors({});
    await scene.watchPass();
    assert.deepEqual(await row(), before, "the same again changes nothing");
    await login("two");
    await scene.passUntil("the change", async () => (await row())?.declared.spec.mount === "two");
    await cluster.delete({ apiVersion: api, kind: "VaultAuth", metadata });
    await scene.setCursors({});
    await scene.watchPass();
    assert.equal(await row(), undefined);
  });

  it("lease-table 21: a watch pass holds the cluster's row: two at once are one, and a late one saves nothing", async () => {
    const scene = aScene();
    await declare("a");
    const outcomes = await Promise.all([scene.watchPass(), scene.watchPass()]);
    assert.deepEqual(outcomes.map(({ kind }) => kind).sort(), ["claimed", "done"]);
    const stale = await scene.store.cluster(CLUSTER);
    await scene.watchPass();
    assert.ok(stale);
    assert.equal(await scene.store.saveCluster(stale, { cursors: {}, attempts: 0 }, { dueAt: 0 }), false);
  });

  it("what tells the operator namespace from another one costs a watch pass nothing, until something is different there", async () => {
    const operatorNamespace = `${ns}-operator`;
    const scene = aScene({ operatorNamespace });
    const gets = async () => {
      scene.apis.clients.requests.reset();
      await scene.watchPass();
      const all = scene.apis.clients.requests.all().filter(({ verb }) => verb === "get" || verb === "create");
      return Object.fromEntries(all.map(({ verb, resource, times }) => [`${verb} ${resource}`, times]));
    };
    await aNamespace(cluster, operatorNamespace);
    const atRest = { "get namespaces": 1, "get configmaps": 1, "get leases": 1 };
    assert.deepEqual(await gets(), { ...atRest, "get namespaces": 3, "create configmaps": 1 });
    assert.deepEqual(await gets(), atRest);
    const seen = (await scene.state()).operator;
    const namespace = await cluster.get({ apiVersion: "v1", kind: "Namespace", name: operatorNamespace });
    assert.equal(seen?.first, namespace?.metadata.uid);

    await cluster.delete({ apiVersion: "v1", kind: "ConfigMap", namespace: operatorNamespace, name: MARK });
    assert.deepEqual(await gets(), { ...atRest, "get namespaces": 3, "create configmaps": 1 });
    assert.equal(
      (await scene.state()).operator?.without,
      undefined,
      "the mark may be deleted by who takes a cluster over",
    );

    await cluster.delete({ apiVersion: "v1", kind: "Namespace", name: operatorNamespace });
    await cluster.waitFor("it to be gone", async () => !(await cluster.get(namespace as never)));
    assert.deepEqual(await gets(), { "get namespaces": 2, "get configmaps": 1 }, "no lease, no mark");
    assert.equal((await scene.state()).operator?.without, "absent");
    await aNamespace(cluster, operatorNamespace);
    assert.deepEqual(await gets(), { "get namespaces": 2, "get configmaps": 1 });
    assert.equal((await scene.state()).operator?.without, "later");
    assert.ok(scene.apis.log.lines.some(({ event }) => event === "operator-namespace-without-powers"));
  });
});
