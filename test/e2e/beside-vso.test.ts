import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import type { SyncReport } from "../../cli/handover-report.ts";
import { commands, pages } from "../docs/pages.ts";
import type { Cluster, KubeObject } from "../harness/index.ts";
import { aWorkload } from "../workloads.ts";
import { dataDirOf, keyferry, type RunningEngine, type StatusAnswer, startEngine, status } from "./support/engine.ts";
import { assertNoLeak } from "./support/no-leak.ts";
import { type Place, placeIn } from "./support/place.ts";
import { statusThat } from "./support/status-that.ts";
import { HMAC_KEY_NAME, VSO_FINALIZER, type Vso, vsoIn } from "./support/vso.ts";
import { OPERATOR_NAMESPACE, startWorld, type World } from "./support/world.ts";

const NS = "team-a";
const OTHER = "team-b";
const PASSWORD = "Wq4-correct-horse-battery";
const PATIENCE_MS = 90_000;

describe("Vault Secrets Operator works in the cluster", () => {
  let world: World;
  let cluster: Cluster;
  let place: Place;
  let other: Place;
  let vso: Vso;
  let engine: RunningEngine;
  let running: AsyncDisposable | undefined;

  const data = (password: string) => ({ password, _raw: `{"password":"${password}"}` });
  const ofKv1 = (path: string) => ({ type: "kv-v1", mount: "kv1", path });
  const isSuspended = (answer: { clusters: readonly { state: string }[] }) => answer.clusters[0]?.state === "suspended";

  before(async () => {
    world = await startWorld({ clusters: ["one"] });
    [cluster] = world.clusters as [Cluster];
    await world.namespace(cluster, NS);
    await world.namespace(cluster, OTHER);
    [place, other] = [placeIn(cluster, NS), placeIn(cluster, OTHER)];
    vso = vsoIn(cluster);
    await vso.putHmacKey();
    await world.vault.putKv("kv1", "db", { password: PASSWORD });
    await place.declare("db", ofKv1("db"));
    await vso.leaveSecret(NS, "db", data(PASSWORD));
    await vso.writeStatus(NS, "db", data(PASSWORD));
  });
  after(async () => {
    await running?.[Symbol.asyncDispose]();
    await engine?.[Symbol.asyncDispose]();
    await world?.[Symbol.asyncDispose]();
  });

  /** How many runs were put off so far. */
  const putOff = async (): Promise<number> => {
    const line = (await engine.metrics()).split("\n").find((text) => text.startsWith("keyferry_syncs_waiting_total{"));
    return Number(line?.split(" ").at(-1) ?? 0);
  };
  const aRunIsPutOff = async (because: () => Promise<void> = async () => undefined): Promise<void> => {
    const then = await putOff();
    await because();
    await cluster.waitFor("a run to be put off", async () => (await putOff()) > then, PATIENCE_MS);
  };
  const statusIn = (resource: KubeObject | undefined) =>
    (resource?.status ?? {}) as { readonly secretMAC?: string; readonly lastGeneration?: number };
  const writersOfStatus = async (): Promise<readonly string[]> =>
    ((await place.resource("db"))?.metadata.managedFields ?? [])
      .filter(({ subresource }) => subresource === "status")
      .map(({ manager }) => String(manager));

  it("a VSO that holds its lease is noticed before anything is written", async () => {
    running = await vso.run([]);
    const before = [await place.resource("db"), await place.secret("db")];
    engine = await startEngine(world);
    const shown = await statusThat(world, "keyferry stands back", isSuspended);
    assert.match(JSON.stringify(shown), /OTHER_CONTROLLER.*Vault Secrets Operator works in cluster one: .*vso-pod_1/);
    assert.deepEqual(
      shown.syncs.map(({ state }) => state),
      ["waiting"],
    );
    await place.touch("db");
    await cluster.waitFor("a run to be put off", async () => (await putOff()) > 0);
    assert.deepEqual(await writersOfStatus(), ["manager"]);
    assert.equal((await place.secret("db"))?.resourceVersion, before[1]?.resourceVersion);
    assert.deepEqual(await other.events("db"), []);
  });

  it("scaled to zero: keyferry takes over by itself, writes no Secret, and restarts nothing", async () => {
    const before = await place.secret("db");
    await running?.[Symbol.asyncDispose]();
    running = undefined;
    await statusThat(world, "keyferry takes over", ({ clusters }) => clusters[0]?.state === "ok", PATIENCE_MS);
    await statusThat(world, "db is in step", ({ syncs }) => syncs[0]?.state === "synced", PATIENCE_MS);
    assert.deepEqual(await place.secret("db"), before);
    assert.equal(statusIn(await place.resource("db")).secretMAC, vso.macOf(data(PASSWORD)));
  });

  it("kubernetes-rules 24: without a lease its writes of a status newer than ours stop keyferry where they are made, and nowhere else", async () => {
    running = vso.runAlone([[NS, "db"]]);
    const waits = (answer: { syncs: readonly { key: string; state: string }[] }) =>
      answer.syncs.some(({ key, state }) => key.split("/")[2] === NS && state === "waiting");
    const shown = await statusThat(world, "keyferry stands back there", waits, PATIENCE_MS);
    assert.match(
      JSON.stringify(shown.syncs),
      /in namespace team-a of cluster one: the status of VaultStaticSecret team-a\/db was written by \\"manager\\"/,
    );
    assert.equal(shown.clusters[0]?.state, "ok");
    assert.match(JSON.stringify(shown.clusters), /suspends its work in namespace team-a/);
    await other.declare("free", ofKv1("db"));
    await other.synced("free");
    await aRunIsPutOff(() => place.touch("db"));
    await other.undeclare("free");
  });

  it("kubernetes-rules 24: scaled up again, it holds its lease: nothing fights", async () => {
    await running?.[Symbol.asyncDispose]();
    running = await vso.run([[NS, "db"]]);
    await statusThat(world, "keyferry stands back", isSuspended, PATIENCE_MS);
    const isOpened = async () =>
      engine.logs.some(({ event, circuit }) => event === "circuit-opened" && circuit === "vso:one");
    await cluster.waitFor("its line of log", isOpened);
    const before = await place.secret("db");
    await world.vault.putKv("kv1", "db", { password: `${PASSWORD}-2` });
    await aRunIsPutOff();
    await place.touch("db");
    await aRunIsPutOff();
    assert.deepEqual(await place.secret("db"), before);
    const answer = await status(world);
    assert.ok(isSuspended(answer));
    const { conditions = [] } = ((await place.resource("db"))?.status ?? {}) as { conditions?: { message: string }[] };
    assert.match(conditions[0]?.message ?? "", /horizon/, "the status is VSO's");
  });

  it("besideVso: keyferry works in the namespaces that fleet.yaml names, and in no other", async () => {
    assert.equal(await engine.stop(), 0);
    await world.writeFleet(() => ({ besideVso: ["team-b*"] }));
    engine = await startEngine(world);
    await other.declare("db", ofKv1("db"));
    await other.synced("db");
    // What was undeclared in team-b may still wait for its clean-up, which VSO's lease put off.
    const isInStep = ({ syncs }: StatusAnswer) => syncs.length === 2 && syncs[1]?.state === "synced";
    const shown = await statusThat(world, "team-b is in step, and nothing else there", isInStep, PATIENCE_MS);
    assert.deepEqual(
      shown.syncs.map(({ key, state }) => [key.split("/")[2], state]),
      [
        [NS, "waiting"],
        [OTHER, "synced"],
      ],
    );
    assert.equal((await place.secret("db"))?.data.password, PASSWORD);
  });

  it("and once it is gone for good, what changed meanwhile is written", async () => {
    await running?.[Symbol.asyncDispose]();
    running = undefined;
    await place.secretThat("db", ({ data: found }) => found.password === `${PASSWORD}-2`, PATIENCE_MS);
    await place.synced("db");
  });

  const handover = (to: string, ...args: readonly string[]) =>
    keyferry(["handover", "--to", to, "--fleet", world.fleetPath, ...args]);
  const bothAre = async () => [await place.resource("db"), await other.resource("db")];

  it("handover: what is not in step is told, all of it at once, and nothing is changed", async () => {
    await other.declare("broken", ofKv1("nowhere"));
    await other.failed("broken", "VAULT_PATH_MISSING");
    await other.declare("taken", { ...ofKv1("db"), destination: { name: "db", create: true } });
    await other.failed("taken", "SECRET_NOT_OURS");
    const before = await bothAre();
    const refused = await handover("vso");
    assert.equal(refused.code, 1);
    assert.match(
      refused.stdout,
      /one\/VaultStaticSecret\/team-b\/broken +refused +it is not in step: VAULT_PATH_MISSING/,
    );
    assert.match(
      refused.stdout,
      /one\/VaultStaticSecret\/team-b\/taken +refused +.*SECRET_NOT_OURS.*; the Secret does not have/,
    );
    const tried = await handover("vso", "--namespace", NS, "--dry-run", "-o", "json");
    assert.equal(tried.code, 0);
    assert.equal(
      (JSON.parse(tried.stdout) as { clusters: [{ syncs: [SyncReport] }] }).clusters[0].syncs[0].state,
      "to-do",
    );
    assert.deepEqual(await bothAre(), before);
    const misspelt = await handover("vso", "--namespace", NS, "--namespace", "tema");
    assert.deepEqual([misspelt.code, misspelt.stdout], [2, ""]);
    assert.match(misspelt.stderr, /--namespace is not valid:\n {2}no cluster has declarations in namespace tema,/);
    assert.deepEqual(await bothAre(), before);
    assert.match((await handover("vso", "--cluster", "two")).stderr, /no such cluster in the fleet: two/);
    await Promise.all(["broken", "taken"].map((name) => other.undeclare(name)));
    // The one that wanted the same Secret stood beside its owner until it went.
    await other.secretThat("db", ({ ownerReferences }) => ownerReferences.length === 1);
  });

  it("kubernetes-rules 21, 22: handover --to vso leaves what VSO must find, and moves neither Secret nor generation", async () => {
    const hmacKey = { apiVersion: "v1", kind: "Secret", namespace: OPERATOR_NAMESPACE, name: HMAC_KEY_NAME };
    await cluster.delete(hmacKey);
    const [before, secrets] = [await bothAre(), [await place.secret("db"), await other.secret("db")]];
    const done = await handover("vso", "-o", "json");
    assert.equal(done.code, 0, done.stdout + done.stderr);
    assert.match(done.stderr, /one: created the HMAC key of VSO\n(.*\n)*one: 2 of 2 handed over/);
    const made = await cluster.get(hmacKey);
    const key = Buffer.from(made?.data?.key ?? "", "base64");
    assert.deepEqual([made?.immutable, key.byteLength], [true, 16]);
    assert.deepEqual(made?.metadata.labels, {
      "app.kubernetes.io/name": "vault-secrets-operator",
      "app.kubernetes.io/managed-by": "hashicorp-vso",
      "app.kubernetes.io/component": "client-cache-storage-verification",
    });
    assert.deepEqual([await place.secret("db"), await other.secret("db")], secrets);
    for (const [at, resource] of (await bothAre()).entries()) {
      const { generation, finalizers, annotations } = resource?.metadata ?? {};
      assert.equal(generation, before[at]?.metadata.generation);
      assert.deepEqual(finalizers, [VSO_FINALIZER]);
      assert.equal(annotations?.["keyferry.dev/handed-over"], "vso");
      assert.equal(statusIn(resource).lastGeneration, generation);
      assert.equal(statusIn(resource).secretMAC, vsoIn(cluster, key).macOf(secrets[at]?.data ?? {}));
    }
  });

  it("handover: again changes nothing; what a crash left half done is done; the engine stands back by itself", async () => {
    const before = await bothAre();
    assert.equal((await handover("vso")).code, 0);
    assert.deepEqual(await bothAre(), before);
    const path = `/apis/secrets.hashicorp.com/v1beta1/namespaces/${NS}/vaultstaticsecrets/db/status`;
    const status = { secretMAC: null };
    await cluster.request("PATCH", path, { status }, { contentType: "application/merge-patch+json" });
    assert.equal((await handover("vso")).code, 0);
    assert.equal(statusIn(await place.resource("db")).secretMAC, statusIn(before[0]).secretMAC);

    await statusThat(world, "both are left alone", ({ syncs }) => syncs.length === 0);
    await world.vault.putKv("kv1", "db", { password: `${PASSWORD}-3` });
    await other.declare("witness", ofKv1("db"));
    await other.secretThat("witness", ({ data: found }) => found.password === `${PASSWORD}-3`);
    assert.equal((await place.secret("db"))?.data.password, `${PASSWORD}-2`);
    assert.equal((await other.secret("db"))?.data.password, `${PASSWORD}-2`);
  });

  it("handover --to keyferry takes back, but not while VSO works there", async () => {
    running = await vso.run([]);
    const refused = await handover("keyferry");
    assert.equal(refused.code, 1);
    assert.match(refused.stdout, /cluster one: Vault Secrets Operator works there: "vso-pod_1" holds/);
    await running[Symbol.asyncDispose]();
    running = undefined;
    const done = await handover("keyferry");
    assert.equal(done.code, 0, done.stdout + done.stderr);
    assert.match(done.stdout, /one\/VaultStaticSecret\/team-a\/db +handed-over/);
    await place.secretThat("db", ({ data: found }) => found.password === `${PASSWORD}-3`, PATIENCE_MS);
    await other.secretThat("db", ({ data: found }) => found.password === `${PASSWORD}-3`, PATIENCE_MS);
  });

  it("handover: a restart that is owed comes first, then the declaration is let go", async () => {
    const app = aWorkload(NS, { kind: "Deployment", name: "app" });
    await cluster.apply(app);
    await world.vault.putKv("kv1", "app", { password: PASSWORD });
    await place.declare("app", { ...ofKv1("app"), rolloutRestartTargets: [{ kind: "Deployment", name: "app" }] });
    await place.synced("app");
    await world.vault.putKv("kv1", "app", { password: `${PASSWORD}-2` });
    await place.secretThat("app", ({ data: found }) => found.password === `${PASSWORD}-2`);
    const done = await handover("vso", "--namespace", NS);
    assert.equal(done.code, 0, done.stdout + done.stderr);
    const restarted = async () => ((await cluster.get(app))?.metadata.generation ?? 0) > 1;
    await cluster.waitFor("the restart", restarted, PATIENCE_MS);
    const ofTeam = (key: string) => key.split("/")[2] === NS;
    await statusThat(world, "it is let go", ({ syncs }) => !syncs.some(({ key }) => ofTeam(key)), PATIENCE_MS);
    assert.equal((await cluster.get(app))?.metadata.generation, 2);
  });

  it("docs/from-vso.md: the commands of keyferry, in their order", async () => {
    const page = pages().find(({ path }) => path === "docs/from-vso.md");
    assert.ok(page);
    const typed = commands(page).filter((command) => command.startsWith("keyferry "));
    assert.ok(typed.length >= 4);
    for (const command of typed) {
      const [name = "", ...args] = command.replaceAll("prod-eu", "one").split(/ +/).slice(1);
      const state = name === "status" ? ["--data-dir", dataDirOf(world)] : [];
      const ran = await keyferry([name, "--fleet", world.fleetPath, ...state, ...args]);
      assert.equal(ran.code, 0, `${command}\n${ran.stdout}${ran.stderr}`);
    }
  });

  it("and nothing of it is seen elsewhere", async () => {
    assert.deepEqual(
      engine.logs.filter(({ level }) => level === "error"),
      [],
    );
    await assertNoLeak(world, engine, [PASSWORD, vso.key.toString("base64")]);
  });
});
