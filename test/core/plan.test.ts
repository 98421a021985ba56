import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type Surveyed, survey } from "../../lib/discovery/survey.ts";
import { KINDS } from "../../lib/kinds/registry.ts";
import { HANDED_OVER, TO_VSO } from "../../lib/origins/handed-over.ts";
import { planner } from "../../lib/plan/plan.ts";
import { notingReleases } from "../../lib/plan/plan-releases.ts";
import type { Planned } from "../../lib/plan/planned.ts";
import type { ClusterSettings } from "../../lib/ports/fleet.ts";
import type { LeaseStore } from "../../lib/ports/store.ts";
import { caCache } from "../../lib/references/ca-cache.ts";
import { isReferenceStatus } from "../../lib/resource-kinds.ts";
import { simulatedSqliteStore } from "../../lib/store/sqlite/sqlite-store.ts";
import { aCluster } from "../builders.ts";
import {
  aDeployment,
  aStaticSecret,
  aVaultAuth,
  aVaultConnection,
  aVaultSecret,
  type Given,
} from "./world/builders.ts";
import { aDynamicSecret, anIssuingWorld, aPkiSecret } from "./world/issuing.ts";
import type { Keyferry } from "./world/process.ts";
import { aSecret } from "./world/pushing.ts";
import { base64 } from "./world/views.ts";
import { deniesPatchesIn } from "./world/webhooks.ts";
import { aWorld, type World } from "./world/world.ts";

interface Plan {
  readonly surveyed: Surveyed;
  readonly planned: readonly Planned[];
  /** Of the sync of this name, in a few words. */
  readonly of: (name: string) => string;
}

interface PlanOptions extends Partial<ClusterSettings> {
  readonly leases?: LeaseStore;
  /** Plans the syncs one by one, with this in between. */
  readonly between?: () => void;
}

/** Plans as the command does, with a process of this world, and with its lease table or that of a first run. */
async function plan(
  world: World,
  { deps: all, vault }: Keyferry,
  { leases = simulatedSqliteStore(undefined), between, ...settings }: PlanOptions = {},
): Promise<Plan> {
  const cluster = aCluster(settings);
  const noted = notingReleases(leases, [cluster]);
  const ca = caCache(all);
  const deps = { ...all, vault, leases: noted.leases, queue: { send: async () => undefined } };
  const work = (async () => {
    const signal = new AbortController().signal;
    const surveyed = await survey(deps, cluster, signal);
    const keys = (await leases.byCluster("east")).map(({ key }) => key).filter((key) => !isReferenceStatus(key));
    const rows = [...(await leases.read(keys, "strong")).values()];
    const secrets = {
      ownedNames: all.secrets.ownedNames,
      observe: (...[secret, how, until]: Parameters<typeof all.secrets.observe>) =>
        all.secrets.observe(secret, how === "get" ? "get" : "dry-run", until),
    };
    const { plan: planOf } = planner({ ...deps, secrets, kinds: KINDS, ca });
    const planned: Planned[] = [];
    for (const some of between ? rows.map((row) => [row]) : [rows]) {
      planned.push(...(await planOf(some, cluster, signal)));
      between?.();
    }
    return { surveyed, planned: [...planned, ...noted.released()] };
  })();
  await world.advance("30s");
  const { surveyed, planned } = await work;
  const of = (name: string): string => {
    const found = planned.find(({ key }) => key.includes(`/${name}`)) ?? assert.fail(`no plan of ${name}`);
    const parts = [found.action, found.because, ...found.removes.map((gone) => `removes ${gone}`), ...found.restarts];
    return parts.join("; ");
  };
  return { surveyed, planned, of };
}

const ISSUES = "Vault would issue its data, which a plan does not request";

/** What keyferry wrote of these before it ended. */
async function written(...given: readonly Given[]): Promise<World> {
  const world = await aWorld();
  await world.given(aVaultSecret(), ...given);
  await world.advance("30s");
  world.crash();
  return world;
}

/** What is planned with the lease table that keyferry left. */
const next = (world: World, settings: Partial<ClusterSettings> = {}) =>
  plan(world, world.start({ isIdle: true }), { ...settings, leases: world.store });

describe("a plan of a first run", () => {
  it("says what would be made, and why; it changes nothing", async () => {
    await using world = await aWorld({ isAsleep: true });
    const process = world.start({ isIdle: true });
    await world.given(aVaultSecret(), aStaticSecret("db", { destination: { labels: { app: "shop" } } }));
    const { planned, of, surveyed } = await plan(world, process);
    assert.equal(of("db"), "create; it does not exist");
    const changes = planned[0]?.changes;
    assert.deepEqual(changes?.data, { added: ["_raw", "password"], removed: [], changed: [] });
    assert.ok(changes?.labels.added.includes("app"));
    assert.deepEqual([planned[0]?.secret, surveyed.errors], ["db", []]);
    assert.equal(world.secret("db"), undefined);
    assert.equal(world.resource("keyferry-installation", "ConfigMap", { namespace: "vso" }), undefined);
    assert.equal(world.condition("db"), "none");
    assert.deepEqual(await world.store.byCluster("east"), []);
  });

  it("says what would fail as a run would say it", async () => {
    await using world = await aWorld({ isAsleep: true });
    const process = world.start({ isIdle: true });
    await world.given(
      aVaultSecret("closed/db"),
      aStaticSecret("closed", { path: "closed/db" }),
      aStaticSecret("lost", { vaultAuthRef: "nowhere" }),
      aStaticSecret("nothing"),
    );
    const { of, planned } = await plan(world, process);
    assert.match(of("closed"), /^fail; VAULT_DENIED: /);
    assert.match(of("lost"), /^fail; REFERENCE_MISSING: /);
    assert.match(of("nothing"), /^fail; VAULT_PATH_MISSING: /);
    assert.ok(planned.every(({ error }) => error !== undefined));
  });

  it("leaves a Secret of another alone", async () => {
    await using world = await aWorld({ isAsleep: true });
    const process = world.start({ isIdle: true });
    await world.cluster().apply({
      ...{ apiVersion: "v1", kind: "Secret", data: { a: base64("1") } },
      metadata: { name: "db", namespace: "shop" },
    });
    await world.given(aVaultSecret(), aStaticSecret());
    const { of } = await plan(world, process);
    assert.match(of("db"), /^fail; SECRET_NOT_OURS: /);
  });

  it("asks a Vault that is away once, whatever is declared of it", async () => {
    await using world = await aWorld({ isAsleep: true });
    const process = world.start({ isIdle: true });
    await world.given(...["a", "b", "c"].map((name) => aStaticSecret(name)));
    await world.given(
      aVaultConnection("other", "https://nowhere.test:8200"),
      aVaultAuth("other", { vaultConnectionRef: "other" }),
      aStaticSecret("d", { vaultAuthRef: "other" }),
    );
    world.vault.fail("refused");
    const { of } = await plan(world, process);
    for (const name of ["a", "b", "c"]) assert.match(of(name), /^fail; VAULT_UNAVAILABLE: .*vault\.test/);
    assert.match(of("d"), /^fail; VAULT_UNAVAILABLE: .*nowhere\.test/);
  });

  it("believes a Vault that was away for the rest of the plan, which is one time-out for all of its syncs", async () => {
    await using world = await aWorld({ isAsleep: true });
    const process = world.start({ isIdle: true });
    for (const name of ["a", "b"]) await world.given(aVaultSecret(name), aStaticSecret(name));
    world.vault.fail("refused");
    const { of } = await plan(world, process, { between: () => world.vault.fail(undefined) });
    for (const name of ["a", "b"]) assert.match(of(name), /^fail; VAULT_UNAVAILABLE: /);
  });

  it("says of a cluster that another installation works on it, and plans nevertheless", async () => {
    await using world = await aWorld({ isAsleep: true });
    const process = world.start({ isIdle: true });
    await world.given(aVaultSecret(), aStaticSecret(), {
      ...{ apiVersion: "v1", kind: "ConfigMap", data: { id: "another" } },
      metadata: { name: "keyferry-installation", namespace: "vso" },
    });
    const { surveyed, of } = await plan(world, process);
    assert.deepEqual(
      surveyed.errors.map(({ code }) => code),
      ["OTHER_CONTROLLER"],
    );
    assert.equal(of("db"), "create; it does not exist");
  });

  it("says once that a cluster is out of reach", async () => {
    await using world = await aWorld({ isAsleep: true });
    const process = world.start({ isIdle: true });
    await world.given(aVaultSecret(), aStaticSecret());
    world.cluster().fail("refused");
    const { surveyed, planned } = await plan(world, process);
    assert.deepEqual(
      surveyed.errors.map(({ code }) => code),
      ["KUBE_UNREACHABLE"],
    );
    assert.deepEqual(planned, []);
  });
});

describe("a plan of the next run", () => {
  it("has nothing to do where all is in step", async () => {
    await using world = await written(aStaticSecret());
    const before = world.secret("db");
    assert.equal((await next(world)).of("db"), "none; in step");
    assert.deepEqual(world.secret("db"), before);
  });

  it("names the keys that changed in Vault, and the workloads that restart for it", async () => {
    const rolloutRestartTargets = [{ kind: "Deployment", name: "app" }];
    await using world = await written(aDeployment("app"), aStaticSecret("db", { rolloutRestartTargets }));
    await world.given(aVaultSecret("db", { password: "two", user: "u" }));
    const { of, planned } = await next(world);
    assert.match(of("db"), /^update; .*; Deployment\/app$/);
    assert.deepEqual(planned[0]?.changes?.data, { added: ["user"], removed: [], changed: ["_raw", "password"] });
    assert.equal(world.secret("db")?.data.password, "one");
  });

  it("puts right what somebody changed, which restarts nothing", async () => {
    const rolloutRestartTargets = [{ kind: "Deployment", name: "app" }];
    await using world = await written(aDeployment("app"), aStaticSecret("db", { rolloutRestartTargets }));
    await world.edit("Secret", "db", { data: { password: base64("eve"), extra: base64("1") } });
    const { of, planned } = await next(world);
    assert.match(of("db"), /^update; /);
    assert.deepEqual(planned[0]?.changes?.data, { added: [], removed: ["extra"], changed: ["password"] });
    assert.deepEqual(planned[0]?.restarts, []);
  });

  it("makes a Secret anew that is gone, or whose type changes", async () => {
    await using world = await written(aStaticSecret(), aVaultSecret("typed"), aStaticSecret("typed"));
    await world.remove("Secret", "db");
    await world.edit("VaultStaticSecret", "typed", { spec: { destination: { type: "example.com/other" } } });
    const { of } = await next(world);
    assert.equal(of("db"), "create; it does not exist");
    assert.equal(of("typed"), "recreate; its type changes");
    assert.equal(world.secret("typed")?.type, "Opaque");
  });

  it("restarts what an earlier run owes, and says why", async () => {
    const rolloutRestartTargets = [{ kind: "Deployment", name: "app" }];
    await using world = await aWorld();
    await world.given(aVaultSecret(), aStaticSecret("db", { rolloutRestartTargets }));
    await world.advance("30s");
    await world.given(aVaultSecret("db", { password: "two" }));
    await world.advance("90s");
    world.crash();
    const { of, planned } = await next(world);
    assert.equal(of("db"), "restart; restarts are owed since its data changed; Deployment/app");
    assert.equal(planned[0]?.secret, "db");
  });

  it("prunes what stands under a former name where the new Secret is in step already", async () => {
    await using world = await written(aStaticSecret());
    const row = (await world.row()) ?? assert.fail();
    const former = { name: "former", uid: "u", resourceVersion: "1" };
    const { lease } =
      (await world.store.claim(row, { now: world.time.now(), until: world.time.now() + 1 })) ?? assert.fail();
    const state = { ...row.state, owned: [...row.state.owned, former] };
    await world.store.settle(lease, { state, schedule: { kind: "parked" }, now: world.time.now() });
    const owned = world.resource("db", "Secret") ?? assert.fail();
    const { name: _name, uid: _uid, resourceVersion: _version, managedFields: _fields, ...metadata } = owned.metadata;
    await world.cluster().apply({ ...owned, metadata: { ...metadata, name: "former" } } as never);
    const { of } = await next(world);
    assert.equal(of("db"), "prune; its destination has another name; removes former");
  });

  it("removes what stands under a former name", async () => {
    await using world = await written(aStaticSecret());
    await world.edit("VaultStaticSecret", "db", { spec: { destination: { name: "renamed" } } });
    assert.equal((await next(world)).of("db"), "create; it does not exist; removes db");
    assert.notEqual(world.secret("db"), undefined);
  });

  it("leaves what a declaration wrote that is being deleted with --cascade=orphan", async () => {
    const declared = aStaticSecret();
    await using world = await written({
      ...declared,
      metadata: { ...declared.metadata, finalizers: ["orphan"] },
    });
    await world.remove("VaultStaticSecret", "db");
    const { planned } = await next(world);
    assert.deepEqual(
      planned.map(({ action, because, removes }) => [action, because, removes]),
      [["none", "its declaration is deleted with --cascade=orphan: what it wrote stays", []]],
    );
    assert.notEqual(world.secret("db"), undefined);
  });

  it("has nothing to remove where the cluster has collected what a declaration that is gone owned", async () => {
    await using world = await written(aStaticSecret());
    await world.remove("VaultStaticSecret", "db");
    const { planned } = await next(world);
    assert.deepEqual(
      planned.map(({ action, because }) => [action, because]),
      [["none", "its declaration is gone, and so is what it wrote"]],
    );
  });

  it("says what Vault would issue, or may, and does not ask for it", async () => {
    await using world = await anIssuingWorld({ isAsleep: true });
    await world.given(aDynamicSecret(), aPkiSecret());
    await world.given(aStaticSecret("read", { type: "kv-v1", mount: "database", path: "creds/app" }));
    const { of, planned } = await next(world);
    for (const name of ["db", "web"]) assert.equal(of(name), `create; ${ISSUES}`);
    assert.equal(
      of("read"),
      "create; a plan does not read a path of a mount that is not kv: a read may issue a credential",
    );
    assert.deepEqual(planned.map(({ secret }) => secret).sort(), ["db", "read", "web"]);
    assert.deepEqual([world.vault.liveLeases().length, world.vault.certificates().length], [0, 0]);
  });

  it("refuses for what is issued a Secret of someone else, as a run would", async () => {
    await using world = await anIssuingWorld({ isAsleep: true });
    await world.given(aSecret("db"), aDynamicSecret());
    assert.match((await next(world)).of("db"), /^fail; SECRET_NOT_OURS/);
  });

  it("says so too where the last answer could not be written, before it is ended and after", async () => {
    await using world = await anIssuingWorld();
    await world.given(aDynamicSecret());
    await world.advance("10s");
    world.cluster().fault = deniesPatchesIn("shop");
    await world.edit("VaultDynamicSecret", "db", { metadata: { annotations: { "keyferry.dev/refresh": "1" } } });
    for (const states of [["live", "got"], ["live"]]) {
      await world.advance(states.length === 2 ? "1s" : "60s");
      world.crash();
      const issues = (await world.row("db", "VaultDynamicSecret"))?.state.issues;
      assert.deepEqual(
        issues?.map(({ state }) => state),
        states,
      );
      assert.equal((await next(world)).of("db"), `update; ${ISSUES}`);
      world.crash();
      world.start();
    }
  });

  it("says of a namespace that another controller works in it, as long as a run would stand back there", async () => {
    await using world = await written(aStaticSecret());
    const row = await world.store.claimCluster("east", {
      now: world.time.now() + 600_000,
      until: world.time.now() + 660_000,
    });
    const seen = { what: "its status", name: "db", at: world.time.now(), until: world.time.now() + 600_000 };
    const vsoIn = { shop: { ...seen, isProven: true }, bank: { ...seen, isProven: false } };
    assert.ok(row);
    await world.store.saveCluster(row, { ...row.state, vsoIn }, { dueAt: world.time.now() });
    const { surveyed } = await next(world);
    assert.deepEqual(
      surveyed.errors.map(({ code, circuit }) => [code, circuit]),
      [["OTHER_CONTROLLER", "vso:east/shop"]],
    );
    assert.deepEqual((await next(world, { besideVso: ["shop"] })).surveyed.errors, []);
  });

  it("releases the syncs of a namespace that fleet.yaml leaves out: their Secrets stay", async () => {
    await using world = await written(aStaticSecret());
    const { planned } = await next(world, { namespaces: { include: ["bank"], exclude: [] } });
    assert.deepEqual(
      planned.map(({ action, because, releases }) => [action, because, releases]),
      [["release", "fleet.yaml leaves its namespace out: keyferry forgets it, and its Secrets stay", ["db"]]],
    );
  });

  it("leaves what is handed over alone", async () => {
    await using world = await written(aStaticSecret());
    await world.edit("VaultStaticSecret", "db", { metadata: { annotations: { [HANDED_OVER]: TO_VSO } } });
    assert.equal((await next(world)).of("db"), "none; handed over: keyferry leaves it alone");
  });

  it("says that a person must approve, where very many declarations are gone at once", async () => {
    const names = Array.from({ length: 12 }, (_, at) => `sync-${at}`);
    await using world = await written(...names.map((name) => aStaticSecret(name, { path: "db" })));
    for (const name of names) await world.remove("VaultStaticSecret", name);
    const { surveyed, planned } = await next(world);
    assert.notEqual(surveyed.awaitingApproval, undefined);
    assert.ok(planned.every(({ action }) => action !== "remove"));
    await using whole = await written(aStaticSecret());
    assert.equal((await next(whole)).surveyed.awaitingApproval, undefined);
  });
});
