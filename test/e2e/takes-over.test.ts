import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { parseAllDocuments } from "yaml";
import type { Cluster } from "../harness/index.ts";
import { keyferry, type RunningEngine, startEngine } from "./support/engine.ts";
import { assertNoLeak } from "./support/no-leak.ts";
import { type Place, placeIn } from "./support/place.ts";
import { HMAC_KEY_NAME, VSO_FINALIZER, type Vso, vsoIn } from "./support/vso.ts";
import { OPERATOR_NAMESPACE, startWorld, type World } from "./support/world.ts";

const NS = "team-a";
const PASSWORD = "Yg8-correct-horse-battery";
const RBAC = new URL("../../infra/kubernetes/rbac.yaml", import.meta.url);
const ACCOUNT = { namespace: OPERATOR_NAMESPACE, name: "keyferry" };

describe("a Secret that VSO wrote is taken over; a cluster in which Secrets may not be read is kept in step all the same", () => {
  let world: World;
  let engine: RunningEngine;
  let one: Place;
  let two: Place;
  let vso: Vso;
  const adopted = new Map<string, { readonly uid: string; readonly resourceVersion: string }>();

  before(async () => {
    world = await startWorld({ clusters: ["one", "two"] });
    const [first, second] = world.clusters as readonly [Cluster, Cluster];
    await Promise.all([first, second].map((cluster) => world.namespace(cluster, NS)));
    [one, two] = [placeIn(first, NS), placeIn(second, NS)];
    vso = vsoIn(first);
    await vso.putHmacKey();
    for (const path of ["equal", "differs", "marked", "labelled", "orphaned", "renamed", "db"])
      await world.vault.putKv("kv1", path, { password: PASSWORD });
    const raw = `{"password":"${PASSWORD}"}`;
    await asVsoLeavesIt("equal", { password: PASSWORD, _raw: raw });
    const destination = { name: "marked", create: true, labels: { team: "a", tier: "gold" } };
    await asVsoLeavesIt("marked", { password: PASSWORD, _raw: raw }, { destination }, destination.labels);
    const labelled = { ...destination, name: "labelled" };
    await asVsoLeavesIt("labelled", { password: PASSWORD, _raw: raw }, { destination: labelled }, labelled.labels);
    await asVsoLeavesIt("orphaned", { password: PASSWORD, _raw: raw });
    await asVsoLeavesIt(
      "renamed",
      { password: PASSWORD, _raw: raw },
      { destination: { name: "renamed-since", create: true } },
    );
    await asVsoLeavesIt("differs", { password: "of last year", stale: "of VSO", _raw: raw });
    const path = join(world.folder, "apply-only.kubeconfig");
    await writeFile(path, await mayApplyOnly(second), { mode: 0o600 });
    await world.writeFleet(({ name }) =>
      name === "two"
        ? { connect: { kubeconfig: { path } }, observe: "apply", makeHmacKey: false }
        : { observe: "watch" },
    );
    engine = await startEngine(world);
  });
  after(async () => {
    await engine?.[Symbol.asyncDispose]();
    await world?.[Symbol.asyncDispose]();
  });

  const ofKv1 = (path: string) => ({ type: "kv-v1", mount: "kv1", path });

  /** A declaration with its Secret and its status, as VSO leaves them when it is scaled to zero. */
  async function asVsoLeavesIt(
    name: string,
    data: Readonly<Record<string, string>>,
    spec: object = {},
    labels: Readonly<Record<string, string>> = {},
  ): Promise<void> {
    await one.declare(name, { ...ofKv1(name), ...spec });
    await vso.leaveSecret(NS, name, data, labels);
    await vso.writeStatus(NS, name, data);
    const made = await one.secret(name);
    assert.ok(made);
    adopted.set(name, made);
  }

  /** A kubeconfig of an account that has the role for `observe: apply` and nothing else. */
  async function mayApplyOnly(cluster: Cluster): Promise<string> {
    const rbac = "rbac.authorization.k8s.io";
    await cluster.apply(parseAllDocuments(await readFile(RBAC, "utf8")).map((document) => document.toJS()));
    await cluster.apply([
      { apiVersion: "v1", kind: "ServiceAccount", metadata: ACCOUNT },
      {
        apiVersion: `${rbac}/v1`,
        kind: "ClusterRoleBinding",
        metadata: { name: "keyferry" },
        roleRef: { apiGroup: rbac, kind: "ClusterRole", name: "keyferry-apply" },
        subjects: [{ kind: "ServiceAccount", ...ACCOUNT }],
      },
    ]);
    return cluster.kubeconfigFor({ serviceAccount: ACCOUNT });
  }

  const managersOf = async (name: string): Promise<readonly string[]> => {
    const found = await one.cluster.get({ apiVersion: "v1", kind: "Secret", namespace: NS, name });
    return (found?.metadata.managedFields ?? []).map(({ manager, operation }) => `${manager} ${operation}`);
  };
  const macIn = async (place: Place, name: string): Promise<unknown> =>
    ((await place.resource(name))?.status as { secretMAC?: string } | undefined)?.secretMAC;

  it("kubernetes-rules 3: equal content is recorded and not written, to the resourceVersion", async () => {
    await one.synced("equal");
    const now = await one.secret("equal");
    assert.equal(now?.resourceVersion, adopted.get("equal")?.resourceVersion);
    assert.deepEqual(await managersOf("equal"), ["manager Update"]);
  });

  it("kubernetes-rules 20: what VSO left of the declaration stays: finalizer, generation and MAC", async () => {
    const resource = await one.resource("equal");
    assert.deepEqual(resource?.metadata.finalizers, [VSO_FINALIZER]);
    assert.equal(resource.metadata.generation, 1);
    assert.equal(await macIn(one, "equal"), vso.macOf((await one.secret("equal"))?.data ?? {}));
    assert.ok(!engine.logs.some(({ event, key }) => event === "secret-written" && String(key).endsWith("/equal")));
  });

  it("kubernetes-rules 10: a hand edit of what was adopted without a write is mended, though none of it was ours", async () => {
    await one.synced("marked");
    assert.equal((await one.secret("marked"))?.resourceVersion, adopted.get("marked")?.resourceVersion);
    await one.patchSecret("equal", { data: { password: "eA==" } });
    await one.secretThat("equal", ({ data }) => data.password === PASSWORD);
  });

  it("kubernetes-rules 10: and so is an edit of its labels or of its owner references", async () => {
    for (const name of ["labelled", "orphaned"]) {
      await one.synced(name);
      assert.equal((await one.secret(name))?.resourceVersion, adopted.get(name)?.resourceVersion);
    }
    await one.patchSecret("labelled", { metadata: { labels: { tier: "lead" } } });
    await one.patchSecret("orphaned", { metadata: { ownerReferences: null } });
    await one.secretThat("labelled", ({ labels }) => labels.tier === "gold");
    await one.secretThat("orphaned", ({ ownerReferences }) => ownerReferences.length === 1);
  });

  it("kubernetes-rules 3: a label that only VSO wrote goes when it is not declared any more", async () => {
    const destination = { name: "marked", create: true, labels: { team: "b" } };
    await one.declare("marked", { ...ofKv1("marked"), destination });
    const { labels } = await one.secretThat("marked", (secret) => secret.labels.team === "b");
    assert.equal(labels.tier, undefined);
    assert.deepEqual(await managersOf("marked"), ["keyferry Apply"]);
  });

  it("a destination that was renamed while nobody worked: the Secret under the old name goes", async () => {
    await one.secretThat("renamed-since", ({ data }) => data.password === PASSWORD);
    await one.cluster.waitFor("the old one to go", async () => (await one.secret("renamed")) === undefined);
    await one.synced("renamed");
  });

  it("kubernetes-rules 3: other content is replaced in place, and a key that only VSO wrote goes", async () => {
    // Its status says that it is in step since VSO wrote it.
    const now = await one.secretThat("differs", ({ data }) => data.password === PASSWORD);
    assert.equal(now.uid, adopted.get("differs")?.uid);
    assert.deepEqual(now.data, { password: PASSWORD, _raw: `{"password":"${PASSWORD}"}` });
    assert.deepEqual(await managersOf("differs"), ["keyferry Apply"]);
  });

  it("what was adopted without a write is followed and mended like any other", async () => {
    await world.vault.putKv("kv1", "equal", { other: PASSWORD });
    const followed = await one.secretThat("equal", ({ data }) => data.other === PASSWORD);
    assert.equal(followed.data.password, undefined);
    await one.patchSecret("equal", { data: { other: "eA==" } });
    await one.secretThat("equal", ({ data }) => data.other === PASSWORD);
  });

  it("kubernetes-rules 22: secretMAC is VSO's own with the cluster's key, left out without it, and with hmacSecretData: false", async () => {
    const mac = vso.macOf((await one.secret("differs"))?.data ?? {});
    await one.cluster.waitFor("the MAC of what was written", async () => (await macIn(one, "differs")) === mac);
    await one.declare("differs", { ...ofKv1("differs"), hmacSecretData: false });
    await one.cluster.waitFor("the MAC to go", async () => (await macIn(one, "differs")) === undefined);
    await two.declare("db", ofKv1("db"));
    await two.synced("db");
    assert.equal(await macIn(two, "db"), undefined);
  });

  it("observe: apply writes, follows, mends at the next refresh, and cleans up, with no right to read Secrets", async () => {
    const may = await two.cluster.clientFor({ serviceAccount: ACCOUNT });
    assert.equal((await may.request("GET", `/api/v1/namespaces/${NS}/secrets/db`)).status, 403);
    await may[Symbol.asyncDispose]();

    assert.equal((await two.secret("db"))?.data.password, PASSWORD);
    await world.vault.putKv("kv1", "db", { password: `${PASSWORD}-2` });
    await two.secretThat("db", ({ data }) => data.password === `${PASSWORD}-2`);
    const { resourceVersion } = (await two.secret("db")) ?? {};
    const reads = async () => (await world.vault.auditedReads()).get("read kv1/db") ?? 0;
    const then = await reads();
    // The work of the first one after this is done when the second one reads.
    await two.cluster.waitFor("two refreshes", async () => (await reads()) >= then + 2);
    assert.equal((await two.secret("db"))?.resourceVersion, resourceVersion, "the same again changes nothing");

    await two.patchSecret("db", { data: { password: "eA==", stranger: "eA==" } });
    // Two writes, one after the other: what is ours is put right, then what is not ours goes.
    const isMended = ({ data }: { readonly data: Readonly<Record<string, string>> }) =>
      data.password === `${PASSWORD}-2` && data.stranger === undefined;
    await two.secretThat("db", isMended);
    await two.cluster.delete({ apiVersion: "v1", kind: "Secret", namespace: NS, name: "db" });
    await two.secretThat("db", ({ data }) => data.password === `${PASSWORD}-2`);
    await two.synced("db");

    await two.cluster.apply({ apiVersion: "v1", kind: "Secret", metadata: { name: "theirs", namespace: NS } });
    await two.declare("theirs", ofKv1("db"));
    await two.failed("theirs", "SECRET_NOT_OURS");

    await two.declare("theirs", { ...ofKv1("db"), destination: { name: "theirs", create: true, overwrite: true } });
    await two.synced("theirs");
    await two.declare("filled", { ...ofKv1("db"), destination: { name: "filled", create: false } });
    await two.failed("filled", "SECRET_MISSING");
    await two.cluster.apply({ apiVersion: "v1", kind: "Secret", metadata: { name: "filled", namespace: NS } });
    await two.touch("filled");
    await two.secretThat("filled", ({ data }) => data.password === `${PASSWORD}-2`);
    await two.patchSecret("filled", { data: { password: "eA==" } });
    await two.secretThat("filled", ({ data }) => data.password === `${PASSWORD}-2`);

    await two.patchSecret("theirs", { immutable: true });
    await two.touch("theirs");
    await two.synced("theirs");
    await two.declare("theirs", { ...ofKv1("equal"), destination: { name: "theirs", create: true, overwrite: true } });
    await two.failed("theirs", "SECRET_IMMUTABLE");

    await two.declare("db", { ...ofKv1("db"), destination: { name: "db-2", create: true } });
    await two.secretThat("db-2", ({ data }) => data.password === `${PASSWORD}-2`);
    await two.cluster.waitFor("the old name to go", async () => (await two.secret("db")) === undefined);
    await two.cluster.servers.controllers.stop();
    await two.undeclare("db");
    await two.cluster.waitFor("the clean-up", async () => (await two.secret("db-2")) === undefined);
    await two.cluster.servers.controllers.start();
  });

  it("kubernetes-rules 6: observe: apply puts owner references back at the next refresh, and hands a Secret from one declaration to the next", async () => {
    await two.declare("before", { ...ofKv1("equal"), destination: { name: "handed-on", create: true } });
    await two.synced("before");
    const made = await two.secret("handed-on");
    await two.patchSecret("handed-on", { metadata: { ownerReferences: null } });
    await two.secretThat("handed-on", ({ ownerReferences: [only] }) => only?.name === "before");
    // Nothing comes by itself: no Secret is watched there, so that who lets go of one has to say so.
    const destination = { name: "handed-on", create: true };
    await two.declare("after", { ...ofKv1("db"), refreshAfter: "12h", destination });
    await two.failed("after", "SECRET_NOT_OURS");
    assert.equal((await two.secret("handed-on"))?.ownerReferences.length, 2);
    await two.undeclare("before");
    const taken = await two.secretThat("handed-on", ({ ownerReferences }) =>
      ownerReferences.every(({ name }) => name === "after"),
    );
    assert.equal(taken.uid, made?.uid, "it was never away");
    await two.synced("after");
    await two.undeclare("after");
    await two.cluster.waitFor("it to go", async () => (await two.secret("handed-on")) === undefined);
  });

  it("handover to VSO with the rights of observe: apply; --force takes along what is not in step", async () => {
    const handover = (...args: readonly string[]) =>
      keyferry(["handover", "--to", "vso", "--cluster", "two", "--fleet", world.fleetPath, ...args]);
    const refused = await handover();
    assert.equal(refused.code, 1);
    assert.match(
      refused.stdout,
      /two\/VaultStaticSecret\/team-a\/theirs +refused +it is not in step: SECRET_IMMUTABLE/,
    );
    const done = await handover("--force");
    assert.equal(done.code, 0, done.stdout + done.stderr);
    assert.match(done.stdout, /\/theirs +handed-over +it is not in step/);
    assert.match(
      done.stdout,
      /\/filled +handed-over +destination\.create is false: VSO treats such a Secret as missing/,
    );
    const made = { apiVersion: "v1", kind: "Secret", namespace: OPERATOR_NAMESPACE, name: HMAC_KEY_NAME };
    const key = Buffer.from((await two.cluster.get(made))?.data?.key ?? "", "base64");
    assert.equal(await macIn(two, "filled"), vsoIn(two.cluster, key).macOf((await two.secret("filled"))?.data ?? {}));
  });

  it("and nothing of it is seen elsewhere", async () => {
    assert.deepEqual(
      engine.logs.filter(({ level }) => level === "error"),
      [],
    );
    await assertNoLeak(world, engine, [PASSWORD, vso.key.toString("base64")]);
  });
});
