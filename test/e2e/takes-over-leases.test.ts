import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { after, before, it } from "node:test";
import { aWorkload } from "../workloads.ts";
import { dataDirOf, keyferry, type RunningEngine, startEngine } from "./support/engine.ts";
import { aDynamicSecret, type IssuingPlace, startIssuing } from "./support/issuing.ts";
import { assertNoLeak } from "./support/no-leak.ts";
import type { SecretView } from "./support/place.ts";
import { sideBySide } from "./support/side-by-side.ts";
import { statusThat } from "./support/status-that.ts";
import { vsoIn } from "./support/vso.ts";
import { type VsoIssues, vsoIssues } from "./support/vso-issues.ts";
import { authMount, OPERATOR_NAMESPACE, ROLE } from "./support/world.ts";

const NS = "team-a";
const DYNAMIC = "VaultDynamicSecret";
const PKI = "VaultPKISecret";
const TARGET = { kind: "Deployment", name: "app" } as const;
const TARGETS = { rolloutRestartTargets: [TARGET] };
const PATIENCE_MS = 90_000;
/** As long as keyferry has to start and to take over, on a machine that is busy. */
const TTL_S = 30;

function aPkiSecret(name: string, spec: Readonly<Record<string, unknown>> = {}) {
  const destination = { name, create: true, type: "kubernetes.io/tls" };
  return {
    kind: PKI,
    metadata: { name, namespace: NS },
    spec: { mount: "pki", role: "web", commonName: `${name}.example.com`, destination, ...spec },
  };
}

/** What Vault Secrets Operator issued, in a world of its own; `stored`: with its stored token. */
async function anOldPlace(stored: boolean) {
  const world = await startIssuing(NS);
  const { vault } = world.world;
  await vault.putDatabaseRole("app", { defaultTtl: `${TTL_S}s`, maxTtl: "1h" });
  await vault.enablePki();
  await vault.putPkiRole("web", { ttl: "10m" });
  // A third of it is the time in which all that can't be kept is issued anew.
  await world.tokens({ token_ttl: "90s", token_policies: ["app", "revoker"] });
  await vault.writePolicy("revoker", 'path "sys/leases/revoke/*" { capabilities = ["update"] }');
  const vso = vsoIn(world.cluster);
  const { cluster, place } = world;
  const login = { mount: authMount(cluster), role: ROLE, operatorNamespace: OPERATOR_NAMESPACE };
  const issues = await vsoIssues({ vault, cluster, namespace: place.namespace, ...login }, vso);
  await world.cluster.apply(aWorkload(NS, TARGET));
  if (stored) await issues.storeToken();
  return { world, vso, issues };
}

const userOf = ({ data }: SecretView): { user: string; password: string } => ({
  user: data.username ?? "",
  password: data.password ?? "",
});

/** Without the rows that only keep what is still valid in Vault. */
const declared = <S extends { readonly key: string }>(syncs: readonly S[]): readonly S[] =>
  syncs.filter(({ key }) => !key.includes("#"));

sideBySide(
  "what Vault Secrets Operator left",
  [true, false],
  (stored) => `a cluster that Vault Secrets Operator left, ${stored ? "with" : "without"} its stored token`,
  storyOf,
);

/** `stored`: with its stored token. */
function storyOf(stored: boolean): void {
  let world: IssuingPlace;
  let issues: VsoIssues;
  let engine: RunningEngine;
  let old: SecretView;
  let oldLease = "";
  let planned: Awaited<ReturnType<typeof keyferry>>;
  const secrets: string[] = [];

  before(async () => {
    ({ world, issues } = await anOldPlace(stored));
    const { lease_id: id, data } = await issues.leaveDynamic(aDynamicSecret(NS, "db", TARGETS));
    secrets.push(String(data.password));
    oldLease = id;
    await issues.leaveDynamic(aDynamicSecret(NS, "other"));
    await issues.leaveCertificate(aPkiSecret("web", { revoke: true, ...TARGETS }));
    old = await world.place.secretThat("db", () => true);
    planned = await keyferry([
      "plan",
      "-o",
      "json",
      "--fleet",
      world.world.fleetPath,
      "--data-dir",
      dataDirOf(world.world),
    ]);
    // As Vault Secrets Operator does up to its end: the leases must not be over by what came before.
    for (const id of await world.leases()) await world.world.vault.write("sys/leases/renew", { lease_id: id });
    engine = await startEngine(world.world);
  });
  after(async () => {
    await engine?.[Symbol.asyncDispose]();
    await world?.[Symbol.asyncDispose]();
  });

  const inStep = (name: string, kind: string) =>
    world.cluster.waitFor(`${name} to be in step`, async () => {
      const resource = await world.place.resource(name, kind);
      const { observedGeneration } = (resource?.status ?? {}) as { observedGeneration?: number };
      return observedGeneration !== undefined && (await world.place.conditions(name, kind)).Ready?.status === "True";
    });
  const generation = async () => (await world.cluster.get(aWorkload(NS, TARGET)))?.metadata.generation;
  const logsIn = async (secret: SecretView) => {
    const { user, password } = userOf(secret);
    assert.equal(await world.postgres.login(user, password), true, `${user} does not log in`);
  };
  const isRevoked = async (x509: X509Certificate): Promise<boolean> => {
    const serial = x509.serialNumber.toLowerCase().replace(/(..)(?!$)/g, "$1:");
    return Number((await world.world.vault.read(`pki/cert/${serial}`))?.data.revocation_time ?? 0) > 0;
  };

  it("keyferry plan says that all of it is adopted, and asks Vault for nothing", async () => {
    const { syncs } = JSON.parse(planned.stdout) as { syncs: { key: string; action: string }[] };
    assert.deepEqual(
      syncs.map(({ action }) => action),
      ["adopt", "adopt", "adopt"],
      planned.stdout + planned.stderr,
    );
  });

  it("is in step without a write and without a restart", async () => {
    await Promise.all([inStep("db", DYNAMIC), inStep("other", DYNAMIC), inStep("web", PKI)]);
    assert.equal(await generation(), 1);
    if (stored) assert.deepEqual(await world.place.secret("db"), old);
  });

  if (stored) {
    it("keeps the same credential for longer than its lease", async () => {
      const until = Date.now() + (TTL_S + 10) * 1_000;
      await world.cluster.waitFor("more than a TTL to pass", async () => Date.now() > until, PATIENCE_MS);
      assert.deepEqual(await world.place.secret("db"), old);
      await logsIn(old);
      assert.equal((await world.leases()).length, 2);
      assert.equal(await generation(), 1);
    });
  } else {
    it("says when another credential is issued, and issues one, once, before the operator's token can have ended", async () => {
      const { CredentialRenewed } = await world.place.conditions("db", DYNAMIC);
      if (CredentialRenewed)
        assert.match(CredentialRenewed.message, /^taken over from Vault Secrets Operator: another/);
      const isOther = ({ data }: SecretView) => data.username !== old.data.username;
      const next = await world.place.secretThat("db", isOther, PATIENCE_MS);
      await logsIn(next);
      await logsIn(old);
      await world.cluster.waitFor("its workload to be restarted", async () => (await generation()) === 2, PATIENCE_MS);
      await world.cluster.waitFor(
        "the former lease to end",
        async () => !(await world.leases()).includes(oldLease),
        PATIENCE_MS,
      );
      await logsIn(await world.place.secretThat("db", () => true));
      assert.deepEqual(userOf(await world.place.secretThat("db", () => true)), userOf(next), "one issue each");
    });
  }

  it("keyferry handover --to vso covers all kinds, and ends nothing that is in use", async () => {
    const db = await world.place.secretThat("db", () => true);
    const args = ["handover", "--to", "vso", "--fleet", world.world.fleetPath];
    const done = await keyferry(args);
    assert.equal(done.code, 0, done.stdout + done.stderr);
    assert.match(done.stdout, /one\/VaultPKISecret\/team-a\/web +handed-over/);
    const note = stored ? "" : "VSO issues another credential when it starts";
    assert.match(done.stdout, new RegExp(`one/VaultDynamicSecret/team-a/db +handed-over *${note}`));
    await statusThat(world.world, "all are let go", ({ syncs }) => declared(syncs).length === 0);
    const { metadata, status } = (await world.place.resource("web", PKI)) ?? assert.fail();
    const { data } = await world.place.secretThat("web", () => true);
    const x509 = new X509Certificate(data["tls.crt"] ?? "");
    assert.deepEqual(metadata.finalizers, ["vaultpkisecrets.secrets.hashicorp.com/finalizer"]);
    assert.equal((status as { expiration?: number }).expiration, Math.floor(x509.validToDate.getTime() / 1_000));
    await logsIn(db);
    assert.equal(await isRevoked(x509), false);
    if (!stored) {
      const until = Date.now() + (TTL_S + 5) * 1_000;
      await world.cluster.waitFor("more than a TTL to pass", async () => Date.now() > until, PATIENCE_MS);
      await logsIn(db);
    }
  });

  it("and taken back, no lease and no certificate is left when the declarations go", async () => {
    const done = await keyferry(["handover", "--to", "keyferry", "--fleet", world.world.fleetPath]);
    assert.equal(done.code, 0, done.stdout + done.stderr);
    await statusThat(world.world, "all are in step", ({ syncs }) => {
      const found = declared(syncs);
      return found.length === 3 && found.every(({ state }) => state === "synced");
    });
    const { data } = await world.place.secretThat("web", () => true);
    const kinds = [aDynamicSecret(NS, "db"), aDynamicSecret(NS, "other"), { apiVersion: API, ...aPkiSecret("web") }];
    for (const resource of kinds) await world.cluster.delete(resource);
    await world.cluster.waitFor("the revocation", () => isRevoked(new X509Certificate(data["tls.crt"] ?? "")));
    for (const name of ["db", "other", "web"]) {
      await world.cluster.waitFor(`${name} to go`, async () => (await world.place.secret(name)) === undefined);
    }
    await world.cluster.waitFor("no lease", async () => (await world.leases()).length === 0, PATIENCE_MS);
  });

  it("and nothing of it is seen elsewhere", async () => {
    await assertNoLeak(world.world, engine, secrets);
  });
}

const API = "secrets.hashicorp.com/v1beta1";
