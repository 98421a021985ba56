import assert from "node:assert/strict";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { after, before, describe, it } from "node:test";
import { goVersion } from "../../infra/build-engine.ts";
import type { Cluster, KubeObject } from "../harness/index.ts";
import { buildKstatus, type Kstatus } from "../kstatus/judge.ts";
import { dataDirOf, type RunningEngine, startEngine } from "./support/engine.ts";
import { type Place, placeIn } from "./support/place.ts";
import { endAll, startPlace } from "./support/start-place.ts";
import { authMount, OPERATOR_NAMESPACE, ROLE, shippedCrds, type World } from "./support/world.ts";

const NS = "team-a";
const API = "secrets.hashicorp.com/v1beta1";
/** A recheck alone may take 45 s. */
const PATIENT_MS = 120_000;
const SECRET = { destination: { name: "x", create: true } };

type Named = readonly [kind: string, name: string];

const STATIC: Named = ["VaultStaticSecret", "good"];
const AUTH: Named = ["VaultAuth", "mine"];
const CONNECTION: Named = ["VaultConnection", "mine"];
const TRANSFORMATION: Named = ["SecretTransformation", "mine"];
const GLOBAL: Named = ["VaultAuthGlobal", "mine"];
/** Those that someone looks at. */
const WITH_STATUS = [STATIC, AUTH, CONNECTION, TRANSFORMATION];

/** Everything that a namespace may hold, each as it should be, under the same name where it may. */
class Scene {
  readonly world: World;
  readonly place: Place;
  readonly #cluster: Cluster;

  constructor(world: World, place: Place) {
    this.world = world;
    this.place = place;
    this.#cluster = place.cluster;
  }

  async apply([kind, name]: Named, spec: object): Promise<void> {
    await this.#cluster.apply({ apiVersion: API, kind, metadata: { name, namespace: NS }, spec });
  }

  /** `edit` changes each spec a little. */
  async declareAll(edit = 0): Promise<void> {
    const { vault } = this.world;
    await this.apply(CONNECTION, { address: vault.address, timeout: `${9 + edit}s` });
    await this.apply(GLOBAL, { defaultMount: authMount(this.#cluster), headers: { "X-Edit": `${edit}` } });
    await this.apply(AUTH, {
      method: "kubernetes",
      mount: authMount(this.#cluster),
      vaultConnectionRef: "mine",
      headers: { "X-Edit": `${edit}` },
      kubernetes: { role: ROLE, serviceAccount: "app" },
    });
    await this.apply(TRANSFORMATION, { templates: { a: { text: `${edit}` } } });
    await this.declare(STATIC, { path: "db", vaultAuthRef: "mine", refreshAfter: `${5 + edit}s` });
  }

  declare([, name]: Named, spec: object): Promise<void> {
    return this.place.declare(name, spec as Record<string, unknown>);
  }

  async object([kind, name]: Named): Promise<KubeObject> {
    const found = await this.place.resource(name, kind);
    assert.ok(found, `${kind} ${name}`);
    return found;
  }
}

const hasGo = (await goVersion()) !== undefined;

describe("kstatus itself judges our resources, with our definitions", { skip: !hasGo && "no Go here" }, () => {
  let world: World;
  let engine: RunningEngine | undefined;
  let scene: Scene;
  let kstatus: Kstatus;

  before(async () => {
    kstatus = await buildKstatus();
    const started = await startPlace(NS);
    world = started.world;
    scene = new Scene(world, started.place);
    await world.vault.putKv("kv", "db", { user: "app" });
  });
  after(() => endAll(kstatus, engine, world));

  const statusOf = async (named: Named) => {
    const [judged] = await kstatus.judge([await scene.object(named)]);
    return judged ?? assert.fail();
  };
  const are = async (all: readonly Named[], status: string): Promise<void> => {
    for (const named of all) assert.equal((await statusOf(named)).status, status, named.join(" "));
  };
  /** Waits until kstatus says so; answers why. */
  const becomes = async (named: Named, status: string): Promise<string> => {
    let said = "";
    await scene.place.cluster
      .waitFor(
        `${named.join(" ")} to be ${status}`,
        async () => {
          const judged = await statusOf(named);
          said = judged.message;
          return judged.status === status;
        },
        PATIENT_MS,
      )
      .catch((error: unknown) => assert.fail(`${error}: ${said}`));
    return said;
  };
  const versions = async (all: readonly Named[]) =>
    Promise.all(all.map(async (named) => (await scene.object(named)).metadata.resourceVersion));

  it("what nobody has looked at is in progress, but for what nobody ever looks at by itself", async () => {
    await scene.declareAll();
    await are(WITH_STATUS, "InProgress");
    await scene.apply(["VaultDynamicSecret", "later"], { mount: "db", path: "creds/a", ...SECRET });
    await scene.apply(["VaultPKISecret", "later"], { mount: "pki", role: "r", ...SECRET });
    await are(
      [
        ["VaultDynamicSecret", "later"],
        ["VaultPKISecret", "later"],
      ],
      "InProgress",
    );
    await are([GLOBAL], "Current");
  });

  it("what is in step is current", async () => {
    engine = await startEngine(world);
    for (const named of WITH_STATUS) await becomes(named, "Current");
  });

  it("what waits for someone outside is in progress, and current once it is there", async () => {
    const late: Named = ["VaultStaticSecret", "late"];
    await scene.declare(late, { path: "late", vaultAuthRef: "mine" });
    await scene.place.failed("late", "VAULT_PATH_MISSING");
    await are([late], "InProgress");
    await world.vault.putKv("kv", "late", { user: "app" });
    await scene.place.touch("late");
    await becomes(late, "Current");
  });

  it("what is parked has failed, whatever kind it is, and is current once it was mended", async () => {
    const bad: Named = ["VaultStaticSecret", "bad"];
    const file: Named = ["VaultConnection", "file"];
    await scene.declare(bad, { path: "a/../b", vaultAuthRef: "mine" });
    await scene.apply(file, { address: world.vault.address, caCertPath: "/etc/ca.pem" });
    assert.match(await becomes(bad, "Failed"), /^SPEC_INVALID: .*spec\.path/);
    assert.match(await becomes(file, "Failed"), /^UNSUPPORTED: .*spec\.caCertPath/);
    await scene.apply(["VaultDynamicSecret", "later"], { mount: "db", path: "a/../b", ...SECRET });
    await scene.apply(["VaultPKISecret", "later"], { mount: "pki", role: "a/../b", ...SECRET });
    assert.match(await becomes(["VaultDynamicSecret", "later"], "Failed"), /^SPEC_INVALID: .*spec\.path/);
    assert.match(await becomes(["VaultPKISecret", "later"], "Failed"), /^SPEC_INVALID: .*spec\.role/);
    await scene.declare(bad, { path: "db", vaultAuthRef: "mine" });
    await scene.apply(file, { address: world.vault.address });
    await becomes(bad, "Current");
    await becomes(file, "Current");
  });

  it("what was edited while no engine works is in progress until one has looked", async () => {
    assert.equal(await engine?.stop(), 0);
    await are(WITH_STATUS, "Current");
    await scene.declareAll(1);
    await are(WITH_STATUS, "InProgress");
    const edited: Named = ["VaultConnection", "file"];
    await scene.apply(edited, { address: world.vault.address, caCertPath: "/etc/ca.pem" });
    await are([edited], "InProgress");
    engine = await startEngine(world);
    for (const named of WITH_STATUS) await becomes(named, "Current");
    await becomes(edited, "Failed");
  });

  it("lease-table 24: what a version before this one settled is written once more, and never again", async () => {
    const all: readonly Named[] = [...WITH_STATUS, ["VaultConnection", "file"], ["VaultPKISecret", "later"]];
    assert.equal(await engine?.stop(), 0);
    forgetGenerations(join(dataDirOf(world), "state.sqlite"));
    for (const named of all) await withoutGeneration(named);
    const before = await versions(all);
    engine = await startEngine(world);
    for (const named of all) {
      await scene.place.cluster.waitFor(
        `${named.join(" ")} to say its generation`,
        async () => {
          const { metadata, status } = await scene.object(named);
          return (status as { observedGeneration?: number }).observedGeneration === metadata.generation;
        },
        PATIENT_MS,
      );
    }
    const after = await versions(all);
    for (const [at, version] of after.entries()) assert.notEqual(version, before[at]);
    assert.equal(await engine.stop(), 0);
    engine = await startEngine(world);
    await world.vault.putKv("kv", "last", { user: "app" });
    await scene.declare(["VaultStaticSecret", "last"], { path: "last", vaultAuthRef: "mine" });
    await scene.place.synced("last");
    assert.deepEqual(await versions(all), after);
  });

  async function withoutGeneration(named: Named): Promise<void> {
    const [kind, name] = named;
    const path = `/apis/${API}/namespaces/${NS}/${kind.toLowerCase()}s/${name}/status`;
    const options = { contentType: "application/merge-patch+json" };
    const body = { status: { observedGeneration: null } };
    assert.equal((await scene.place.cluster.request("PATCH", path, body, options)).status, 200);
  }
});

/** The state as a version left it that told no generation. */
function forgetGenerations(path: string): void {
  const database = new DatabaseSync(path);
  database.exec("UPDATE body SET state = json_remove(state, '$.seen.status.observedGeneration')");
  database.exec("UPDATE cluster SET state = json_remove(state, '$.told')");
  database.close();
}

describe("with definitions that know of no generation in a status, as Vault Secrets Operator's", () => {
  let world: World;
  let engine: RunningEngine;
  let scene: Scene;

  before(async () => {
    const crds = (await shippedCrds()).map(withoutGenerations);
    const started = await startPlace(NS, { crds });
    world = started.world;
    scene = new Scene(world, started.place);
    await world.vault.putKv("kv", "db", { user: "app" });
    engine = await startEngine(world);
  });
  after(() => endAll(engine, world));

  const statusWrites = async () => {
    const { all } = await scene.place.cluster.metrics();
    const writes = all.filter(
      ({ group, verb, subresource }) =>
        group === "secrets.hashicorp.com" && verb === "PATCH" && subresource === "status",
    );
    return writes.reduce((sum, { count }) => sum + count, 0);
  };
  const reads = async (path: string) => (await world.vault.auditedReads()).get(`read kv/data/${path}`) ?? 0;
  /** Waits for so many reads after what is done here, if anything is. */
  const refreshed = async (path: string, times: number, after: () => Promise<void> = async () => undefined) => {
    const from = await reads(path);
    await after();
    const isRead = async () => (await reads(path)) >= from + times;
    await scene.place.cluster.waitFor(`${path} to be read ${times} times`, isRead, PATIENT_MS);
  };

  it("a status is written on change alone: the field that is dropped there makes no write more", async () => {
    await scene.declareAll();
    await scene.declare(["VaultStaticSecret", "lost"], { path: "lost", vaultAuthRef: "mine" });
    await scene.place.synced("good", PATIENT_MS);
    await scene.place.failed("lost", "VAULT_PATH_MISSING");
    const { status } = await scene.object(STATIC);
    assert.equal((status as { observedGeneration?: number }).observedGeneration, undefined);
    const operator = placeIn(scene.place.cluster, OPERATOR_NAMESPACE);
    for (const [at, kind, name] of [
      ...[AUTH, CONNECTION, TRANSFORMATION].map((named) => [scene.place, ...named] as const),
      ...["VaultAuth", "VaultConnection"].map((kind) => [operator, kind, "default"] as const),
    ]) {
      // True, and not only there: one that was seen before what it refers to is told twice.
      const isReady = async () => (await at.conditions(name, kind)).Ready?.status === "True";
      await at.cluster.waitFor(`${kind} ${name} to have its status`, isReady, PATIENT_MS);
    }
    // The API server counts a request after it has answered it: a refresh later all are counted.
    await refreshed("db", 1);
    const before = await statusWrites();
    const events = (await scene.place.events("lost")).length;
    await refreshed("db", 3);
    await refreshed("lost", 1);
    assert.equal(await statusWrites(), before, "refreshes and retries");
    assert.equal(await engine.stop(), 0);
    engine = await startEngine(world);
    await refreshed("db", 2);
    assert.equal(await statusWrites(), before, "another start");
    await refreshed("lost", 1, () => scene.place.touch("lost"));
    await refreshed("db", 3, () => scene.place.touch("good"));
    assert.ok((await statusWrites()) <= before + 2, "one for each new version of a declaration, at most");
    assert.equal((await scene.place.events("lost")).length, events, "nothing is news in it");
  });
});

interface Definition {
  readonly spec: {
    readonly versions: readonly {
      readonly schema: { readonly openAPIV3Schema: { readonly properties: Record<string, Record<string, unknown>> } };
    }[];
  };
}

function withoutGenerations(crd: object): object {
  const copy = structuredClone(crd) as unknown as Definition;
  for (const { schema } of copy.spec.versions) {
    const { status } = schema.openAPIV3Schema.properties;
    if (!status) continue;
    delete status.default;
    delete (status.properties as Record<string, unknown>).observedGeneration;
  }
  return copy;
}
