import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import type { KubeObject } from "../harness/index.ts";
import { dataDirOf, keyferry, type Ran, runOnce, startEngine } from "./support/engine.ts";
import { assertNoLeak } from "./support/no-leak.ts";
import type { Place } from "./support/place.ts";
import { endAll, startPlace } from "./support/start-place.ts";
import { OPERATOR_NAMESPACE, type World } from "./support/world.ts";

const NS = "team-a";
const PASSWORD = "Wd5-correct-horse-battery";
const USER = "Kp2-staple-of-the-user";
const API = "secrets.hashicorp.com/v1beta1";
const MERGE = { contentType: "application/merge-patch+json" };
const SELDOM = { refreshAfter: "12h" };
/** Kubernetes itself makes these some time after a cluster's or namespace's start, whatever a plan does. */
const isOfKubernetes = ({ namespace = "", name }: { readonly namespace?: string; readonly name: string }): boolean =>
  namespace.startsWith("kube-") || name === "kube-root-ca.crt";

interface Names {
  readonly added: readonly string[];
  readonly removed: readonly string[];
  readonly changed: readonly string[];
}
interface PlanAnswer {
  readonly clusters: readonly { readonly name: string; readonly errors: readonly { readonly code: string }[] }[];
  readonly syncs: readonly {
    readonly key: string;
    readonly action: string;
    readonly because: string;
    readonly removes: readonly string[];
    readonly restarts: readonly string[];
    readonly changes?: {
      readonly digest: { readonly before?: string; readonly after: string };
      readonly type: { readonly before?: string; readonly after: string };
      readonly data: Names;
      readonly labels: Names;
      readonly annotations: Names;
    };
    readonly error?: { readonly code: string; readonly remedy?: string };
  }[];
  readonly summary: Readonly<Record<string, number>>;
}

describe("keyferry plan: what a run would do, told by its own judgement, and nothing done", () => {
  let world: World;
  let place: Place;
  const said: string[] = [];

  before(async () => {
    ({ world, place } = await startPlace(NS));
    await world.vault.putKv("kv", "db", { password: PASSWORD, user: USER });
    await place.declare("db", { ...SELDOM, destination: { name: "db", create: true, labels: { team: "a" } } });
    const templates = { dsn: { text: "db://{{ .Secrets.user }}" } };
    const transformation = { excludeRaw: true, excludes: [".*"], templates };
    const rolloutRestartTargets = [{ kind: "Deployment", name: "app" }];
    await place.declare("rolled", {
      ...SELDOM,
      path: "db",
      rolloutRestartTargets,
      destination: { name: "rolled", create: true },
    });
    await place.declare("dsn", { ...SELDOM, path: "db", destination: { name: "dsn", create: true, transformation } });
  });
  after(() => endAll(world));

  const key = (name: string) => `one/VaultStaticSecret/${NS}/${name}`;
  const at = (dataDir: string) => ["--fleet", world.fleetPath, "--data-dir", dataDir];
  const run = async (args: readonly string[], dataDir = dataDirOf(world)): Promise<Ran> => {
    const ran = await keyferry(["plan", ...args, ...at(dataDir)]);
    said.push(ran.stdout, ran.stderr);
    return ran;
  };
  const plan = async (args: readonly string[] = [], dataDir?: string) => {
    const ran = await run([...args, "-o", "json"], dataDir);
    assert.ok(ran.code === 0 || ran.code === 1 || ran.code === 3, ran.stderr);
    const answer = JSON.parse(ran.stdout) as PlanAnswer;
    const of = (name: string) => {
      const found = answer.syncs.find((sync) => sync.key === key(name));
      assert.ok(found, `${name} is in ${ran.stdout}`);
      return found;
    };
    return { ...answer, code: ran.code, of };
  };

  /** Every object that a run could write, by its version. */
  async function objects(): Promise<readonly string[]> {
    const paths = [
      ...["secrets", "configmaps", "events"].map((kind) => `/api/v1/${kind}`),
      ...["vaultstaticsecrets", "vaultauths", "vaultconnections"].map((kind) => `/apis/${API}/${kind}`),
    ];
    const lists = await Promise.all(
      paths.map(async (path) => {
        const answer = await place.cluster.request<{ items: KubeObject[] }>("GET", path);
        const metadatas = answer.body.items.map(({ metadata }) => metadata).filter((one) => !isOfKubernetes(one));
        return metadatas.map(({ uid, resourceVersion }) => `${path} ${uid} ${resourceVersion}`);
      }),
    );
    return lists.flat().sort();
  }

  it("of a fleet that was never seen: everything is created, and nothing was written anywhere", async () => {
    const [seen, lines] = [await objects(), (await world.vault.auditLines()).length];
    const fresh = await plan();
    assert.equal(fresh.code, 3);
    assert.deepEqual(fresh.summary, { create: 3 });
    assert.deepEqual(fresh.of("db").changes?.data, { added: ["_raw", "password", "user"], removed: [], changed: [] });
    assert.ok(fresh.of("db").changes?.labels.added.includes("team"));
    assert.deepEqual(fresh.of("dsn").changes?.data.added, ["dsn"]);
    assert.deepEqual(await objects(), seen);
    assert.ok(!existsSync(dataDirOf(world)), "no data directory");
    const asked = (await world.vault.auditLines()).slice(lines).filter(({ type }) => type === "request");
    const paths = new Set(asked.map(({ request: { operation, path } }) => `${operation} ${path}`));
    const reads = ["read kv/data/db"];
    const login = ["update auth/kubernetes-one/login", "update auth/token/revoke-self"];
    assert.deepEqual([...paths].sort(), [...reads, ...login].sort());
    const { length: logins } = asked.filter(({ request }) => request.path.endsWith("/login"));
    const { length: revoked } = asked.filter(({ request }) => request.path.endsWith("/revoke-self"));
    assert.equal(revoked, logins, "each token is revoked");
  });

  it("after a run there is nothing to do, also beside an engine, and the state stays as it is", async () => {
    assert.equal((await runOnce(world)).code, 0);
    assert.equal((await place.secret("dsn"))?.data.dsn, `db://${USER}`);
    const state = join(dataDirOf(world), "state.sqlite");
    const [seen, bytes, { mtimeMs }] = [await objects(), await readFile(state), await stat(state)];
    const done = await run([]);
    assert.equal(done.code, 0, done.stdout + done.stderr);
    assert.match(
      done.stdout,
      /team-a\/db +none: in step\n.*team-a\/dsn +none: in step\n.*rolled +none: in step\n\n3 syncs: 3 none\n$/,
    );
    assert.deepEqual(await objects(), seen);
    assert.deepEqual([await readFile(state), (await stat(state)).mtimeMs], [bytes, mtimeMs]);
    await using engine = await startEngine(world);
    assert.deepEqual((await plan()).summary, { none: 3 });
    assert.equal(await engine.stop(), 0);
  });

  it("lease-table 25: of an installation that does not work there: says so, and adopts what is in step", async () => {
    const other = await plan([], join(world.folder, "other"));
    assert.equal(other.code, 1);
    assert.deepEqual(other.summary, { adopt: 3 });
    assert.deepEqual(
      other.clusters.map(({ errors }) => errors.map(({ code }) => code)),
      [["OTHER_CONTROLLER"]],
    );
    assert.ok(!existsSync(join(world.folder, "other")));
  });

  it("a hand edit is mended: names of keys, labels and annotations, and digests", async () => {
    const eA = Buffer.from("by hand").toString("base64");
    await place.patchSecret("db", { data: { password: eA, stray: eA }, metadata: { labels: { team: "b" } } });
    const seen = await objects();
    const edited = await plan();
    const db = edited.of("db");
    assert.deepEqual([edited.code, db.action, db.because], [3, "update", "its data differs, its labels differ"]);
    assert.deepEqual(db.changes?.data, { added: [], removed: ["stray"], changed: ["password"] });
    assert.deepEqual(db.changes?.labels, { added: [], removed: [], changed: ["team"] });
    assert.notEqual(db.changes?.digest.before, db.changes?.digest.after);
    const text = await run([key("db")]);
    assert.equal(text.code, 3);
    for (const line of [
      /^~ one\/VaultStaticSecret\/team-a\/db +update: its data differs, its labels differ$/m,
      /^ +Secret db \(Opaque\), data \S{8} -> \S{8}$/m,
      /^ +- data stray$/m,
      /^ +~ data password$/m,
      /^ +~ label team$/m,
      /^1 sync: 1 update$/m,
    ]) {
      assert.match(text.stdout, line);
    }
    assert.deepEqual(await objects(), seen);
    assert.equal((await runOnce(world)).code, 0);
    assert.deepEqual((await plan()).summary, { none: 3 }, "what was planned is what was done");
  });

  it("a change in Vault restarts the workloads that are named, now or as soon as they can be", async () => {
    await world.vault.putKv("kv", "rolled", { password: PASSWORD });
    const rolloutRestartTargets = [{ kind: "Deployment", name: "app" }];
    const destination = { name: "rolled", create: true };
    await place.declare("rolled", { ...SELDOM, rolloutRestartTargets, destination });
    const planned = (await plan([key("rolled")])).of("rolled");
    assert.deepEqual([planned.action, planned.restarts], ["update", ["Deployment/app"]]);
    await runOnce(world);
    const owed = (await plan([key("rolled")])).of("rolled");
    assert.deepEqual([owed.action, owed.restarts], ["restart", ["Deployment/app"]]);
  });

  it("a changed declaration: another type, another name, a label less, one that is gone", async () => {
    for (const name of ["typed", "renamed", "labelled", "gone", "touched"]) {
      const destination = { name, create: true, ...(name === "labelled" ? { labels: { old: "x", kept: "y" } } : {}) };
      await place.declare(name, { ...SELDOM, path: "db", destination });
    }
    assert.equal((await runOnce(world)).code, 0);
    await place.declare("typed", {
      ...{ ...SELDOM, path: "db" },
      destination: { name: "typed", create: true, type: "example.com/other" },
    });
    await place.declare("renamed", { ...SELDOM, path: "db", destination: { name: "renamed-2", create: true } });
    const destination = { name: "labelled", create: true, labels: { kept: "y" } };
    await place.declare("labelled", { ...SELDOM, path: "db", destination });
    await place.touch("touched");
    const orphan = { apiVersion: API, kind: "VaultStaticSecret", namespace: NS, name: "gone" };
    await place.cluster.delete(orphan, { propagationPolicy: "Orphan" });
    await place.cluster.waitFor("it to go", async () => (await place.resource("gone")) === undefined);
    const changed = await plan();
    assert.equal(changed.code, 3);
    assert.deepEqual(
      ["typed", "renamed", "labelled", "touched"].map((name) => changed.of(name).action),
      ["recreate", "create", "update", "adopt"],
    );
    assert.deepEqual(changed.of("typed").changes?.type, { before: "Opaque", after: "example.com/other" });
    assert.deepEqual(changed.of("renamed").removes, ["renamed"]);
    assert.deepEqual(changed.of("labelled").changes?.labels, { added: [], removed: ["old"], changed: [] });
    assert.equal(changed.summary.none, 3, "db, dsn, and the clean-up of a Secret that was cut off");
    assert.equal((await runOnce(world)).code, 0);
    assert.deepEqual(Object.keys((await plan()).summary), ["none", "restart"], "that target never comes");
    assert.equal(await place.secret("renamed"), undefined);
  });

  it("what VSO wrote is adopted when it is equal, and taken over when it differs", async () => {
    await world.vault.write("kv1/vso-equal", { password: PASSWORD });
    await world.vault.write("kv1/vso-differs", { password: PASSWORD });
    const raw = `{"password":"${PASSWORD}"}`;
    await asVsoLeavesIt("vso-equal", { password: PASSWORD, _raw: raw });
    await asVsoLeavesIt("vso-differs", { password: "of last year", stale: "of VSO", _raw: raw });
    await world.vault.write("kv1/vso-former", { password: PASSWORD });
    await asVsoLeavesIt("vso-former", { password: PASSWORD, _raw: raw });
    const resource = `/apis/${API}/namespaces/${NS}/vaultstaticsecrets/vso-former`;
    const status = { status: { lastGeneration: 1 } };
    assert.equal((await place.cluster.request("PATCH", `${resource}/status`, status, MERGE)).status, 200);
    const destination = { name: "vso-new-name", create: true };
    await place.declare("vso-former", { ...SELDOM, type: "kv-v1", mount: "kv1", path: "vso-former", destination });
    const migrated = await plan(["one/*/vso-*"]);
    assert.equal(migrated.code, 3);
    assert.deepEqual([migrated.of("vso-former").action, migrated.of("vso-former").removes], ["create", ["vso-former"]]);
    assert.equal(migrated.of("vso-equal").action, "adopt");
    assert.equal(migrated.of("vso-differs").action, "take-over");
    assert.deepEqual(migrated.of("vso-differs").changes?.data, {
      added: [],
      removed: ["stale"],
      changed: ["password"],
    });
  });

  async function asVsoLeavesIt(name: string, data: Readonly<Record<string, string>>): Promise<void> {
    await place.declare(name, { ...SELDOM, type: "kv-v1", mount: "kv1", path: name });
    const uid = (await place.resource(name))?.metadata.uid ?? "";
    const labels = {
      "app.kubernetes.io/name": "vault-secrets-operator",
      "app.kubernetes.io/managed-by": "hashicorp-vso",
      "app.kubernetes.io/component": "secret-sync",
      "secrets.hashicorp.com/vso-ownerRefUID": uid,
    };
    const ownerReferences = [{ apiVersion: API, kind: "VaultStaticSecret", name, uid }];
    const encoded = Object.entries(data).map(([field, value]) => [field, Buffer.from(value).toString("base64")]);
    const metadata = { name, namespace: NS, labels, ownerReferences };
    const body = { apiVersion: "v1", kind: "Secret", type: "Opaque", metadata, data: Object.fromEntries(encoded) };
    const path = `/api/v1/namespaces/${NS}/secrets?fieldManager=manager`;
    assert.equal((await place.cluster.request("POST", path, body)).status, 201);
  }

  it("kubernetes-rules 24: beside a VSO that works it is planned all the same, and said that keyferry would stand back", async () => {
    const metadata = { name: "b0d477c0.hashicorp.com", namespace: OPERATOR_NAMESPACE };
    const lease = { apiVersion: "coordination.k8s.io/v1", kind: "Lease", metadata };
    const renewTime = new Date().toISOString().replace("Z", "000Z");
    const spec = { holderIdentity: "vso-0", leaseDurationSeconds: 3_600, renewTime };
    await place.cluster.apply({ ...lease, spec });
    const beside = await plan([key("vso-equal")]);
    assert.equal(beside.code, 1);
    assert.equal(beside.of("vso-equal").action, "adopt");
    assert.deepEqual(
      beside.clusters.map(({ errors }) => errors.map(({ code }) => code)),
      [["OTHER_CONTROLLER"]],
    );
    await place.cluster.delete(lease);
  });

  it("what is handed over to VSO is left as it is", async () => {
    const path = `/apis/${API}/namespaces/${NS}/vaultstaticsecrets/touched`;
    const metadata = { annotations: { "keyferry.dev/handed-over": "vso" } };
    assert.equal((await place.cluster.request("PATCH", path, { metadata }, MERGE)).status, 200);
    const left = (await plan([key("touched")])).of("touched");
    assert.deepEqual([left.action, left.because], ["none", "handed over: keyferry leaves it alone"]);
  });

  it("what would fail is told with its code and a remedy, and weighs more than changes", async () => {
    await place.declare("broken", { ...SELDOM, path: "nowhere" });
    await place.declare("astray", { ...SELDOM, path: "db", vaultAuthRef: "nobody" });
    const failing = await plan();
    assert.equal(failing.code, 1);
    assert.deepEqual(
      ["broken", "astray"].map((name) => failing.of(name).error?.code),
      ["VAULT_PATH_MISSING", "REFERENCE_MISSING"],
    );
    const text = await run([key("broken")]);
    assert.equal(text.code, 1);
    assert.match(
      text.stdout,
      /^! one\/.*\/broken +fail: VAULT_PATH_MISSING: .*\n +what to do: There is nothing at this path/m,
    );
    assert.equal((await run([key("db")])).code, 0, "of the syncs that were asked for");
  });

  it("an unknown key is bad input, with what was meant", async () => {
    const unknown = await run([key("bd")]);
    assert.deepEqual([unknown.code, unknown.stdout], [2, ""]);
    assert.match(unknown.stderr, /no such sync \(did you mean one\/VaultStaticSecret\/team-a\/db\?\)/);
    assert.equal((await run(["two/*"])).code, 2);
  });

  it("a Vault that is out of reach fails each of its syncs, by one code", async () => {
    await world.vault.stop();
    const out = await plan();
    assert.equal(out.code, 1);
    const codes = new Set(out.syncs.filter(({ error }) => error).map(({ error }) => error?.code));
    assert.deepEqual([...codes].sort(), ["REFERENCE_MISSING", "VAULT_UNAVAILABLE"]);
    await world.vault.start();
  });

  it("says no value anywhere", async () => {
    await assertNoLeak(world, undefined, [PASSWORD, USER]);
    assert.ok(said.length > 20);
    for (const value of [PASSWORD, USER, "by hand", "of last year"]) {
      for (const form of [value, Buffer.from(value).toString("base64")]) assert.ok(!said.join("").includes(form));
    }
  });
});
