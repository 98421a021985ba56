import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { AT_ONCE_MS, failForLong } from "./support/at-once.ts";
import { dataDirOf, keyferry, type RunningEngine, startEngine } from "./support/engine.ts";
import { assertNoLeak } from "./support/no-leak.ts";
import type { Place } from "./support/place.ts";
import { endAll, startPlace } from "./support/start-place.ts";
import { statusThat } from "./support/status-that.ts";
import { aStaticSecret, OPERATOR_NAMESPACE, permissiveCrds, type World } from "./support/world.ts";

const NS = "team-a";
const API = "secrets.hashicorp.com/v1beta1";
const PASSWORD = "Zw9-correct-horse-battery";
const RARELY = { refreshAfter: "10m" };

describe("bad input: each declaration gets its coded error, and others go on", () => {
  let world: World;
  let engine: RunningEngine;
  let place: Place;

  before(async () => {
    ({ world, place } = await startPlace(NS, { crds: await permissiveCrds() }));
    await world.vault.putKv("kv", "good", { password: PASSWORD });
    engine = await startEngine(world);
    await place.declare("good");
    await place.synced("good");
  });
  after(() => endAll(engine, world));

  const declareAs = async (kind: string, name: string, spec: unknown): Promise<void> => {
    await place.cluster.apply({ apiVersion: API, kind, metadata: { name, namespace: NS }, spec });
  };
  const goodStays = async (): Promise<void> => assert.equal((await place.secret("good"))?.data.password, PASSWORD);

  it("says everything that is wrong with a declaration at once, each with its path", async () => {
    const destination = { name: "Not_A_Name", create: "yes", labels: { "bad key!": "v" } };
    const type = "kv-v3";
    await declareAs("VaultStaticSecret", "all-wrong", {
      path: "a",
      type,
      version: -1,
      refreshAfter: "soon",
      destination,
    });
    const message = await place.failed("all-wrong", "SPEC_INVALID");
    for (const path of ["mount", "type", "version", "refreshAfter", "destination.name", "destination.create"]) {
      assert.ok(message.includes(`spec.${path}: `), `${path} in: ${message}`);
    }
    assert.ok(message.includes("destination.labels"), message);
  });

  it("shows what a name could do to a terminal as escapes: in conditions, events, logs, tables and stories", async () => {
    const hostile = "\u001b]0;mine\u0007\u001b[2J\u009b2J\u202e\nprod/x  synced";
    const rolloutRestartTargets = [{ kind: "Deployment", name: hostile }];
    // By JSON: YAML, as an apply sends it, allows no control characters.
    const create = async (name: string, spec: Record<string, unknown>): Promise<void> => {
      const path = `/apis/${API}/namespaces/${NS}/vaultstaticsecrets`;
      const { status: answer, text } = await place.cluster.request("POST", path, aStaticSecret(NS, name, spec));
      assert.equal(answer, 201, text);
    };
    await create("steers", { path: "good", rolloutRestartTargets });
    const message = await place.failed("steers", "SPEC_INVALID");
    assert.match(message, /spec\.rolloutRestartTargets\[0\]\.name: must be a Kubernetes name/);
    const transformation = { templates: { key: { name: hostile, text: "{{ fail .Secrets.password }}" } } };
    await create("templated", { path: "good", destination: { name: "t", create: true, transformation } });
    const told = [await place.failed("templated", "TRANSFORM_FAILED")];
    for (const name of ["steers", "templated"]) told.push(...(await place.events(name)).map((event) => event.message));
    const at = ["--data-dir", dataDirOf(world)];
    const key = (name: string) => `one/VaultStaticSecret/${NS}/${name}`;
    const ran = [
      await keyferry(["explain", key("steers"), ...at]),
      await keyferry(["explain", key("templated"), ...at]),
      await keyferry(["explain", key("steers"), "-o", "json", ...at]),
      await keyferry(["status", "--fleet", world.fleetPath, ...at]),
      await keyferry(["plan", "--fleet", world.fleetPath, key("templated"), ...at]),
    ];
    for (const { stdout, stderr } of ran) told.push(...stdout.split("\n"), ...stderr.split("\n"));
    told.push(...engine.logs.flatMap((line) => Object.values(line).map(String)), ...engine.output().split("\n"));
    for (const text of told) {
      assert.doesNotMatch(text, /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u);
      assert.doesNotMatch(text, /^prod\/x/);
    }
    assert.match(ran[0]?.stdout ?? "", /restarts: Deployment\/\\u001b\]0;mine/, "and people see what it is");
    const spec = (JSON.parse(ran[2]?.stdout ?? "") as { declared: { spec: { restarts: string[] } } }).declared.spec;
    assert.deepEqual(spec.restarts, [`Deployment/${hostile}`], "JSON is exact");
    for (const name of ["steers", "templated"]) await place.undeclare(name);
    await goodStays();
  });

  const malformed: readonly (readonly [what: string, spec: unknown])[] = [
    ["no spec", undefined],
    ["a text", "kv/app"],
    ["a list", ["kv", "app"]],
    ["nulls", { mount: null, path: null, type: null, destination: null }],
    ["a destination that is a text", { mount: "kv", path: "good", type: "kv-v2", destination: "good" }],
    ["a destination without a name", { mount: "kv", path: "good", type: "kv-v2", destination: { create: true } }],
    ["numbers for texts", { mount: 1, path: 2, type: "kv-v2", destination: { name: 3, create: true } }],
    ["a fraction for a version", { version: 1.5 }],
    ["a number for a duration", { refreshAfter: 30 }],
    ["a duration of two units", { refreshAfter: "1h30m" }],
    ["a map of lists for labels", { destination: { name: "x", create: true, labels: { a: ["b"] } } }],
    ["a reference of three parts", { vaultAuthRef: "a/b/c" }],
    ["a path that climbs", { path: "../other-team/db" }],
    ["a path that climbs later", { path: "good/../../sys/raw" }],
    ["a path with a query", { path: "good?version=1" }],
    ["a path with a fragment", { path: "good#x" }],
    ["a path with a line break", { path: "good\nX-Vault-Token: x" }],
    ["a mount that climbs", { mount: "kv/.." }],
    ["an empty mount", { mount: "" }],
    ["a Vault namespace that climbs", { namespace: "a/../b" }],
    ["targets that are no list", { rolloutRestartTargets: { kind: "Deployment" } }],
    [
      "more than the table keeps",
      { destination: { name: "x", create: true, annotations: { a: "x".repeat(300_000) } } },
    ],
  ];
  malformed.forEach(([what, spec], index) => {
    it(`refuses ${what}`, async () => {
      const name = `malformed-${index}`;
      const isWhole = typeof spec !== "object" || spec === null || Array.isArray(spec) || "destination" in spec;
      const whole = { mount: "kv", path: "good", type: "kv-v2", destination: { name, create: true } };
      await declareAs("VaultStaticSecret", name, isWhole ? spec : { ...whole, ...spec });
      await place.failed(name, "SPEC_INVALID");
      assert.equal(await place.secret(name), undefined);
    });
  });

  it("asks for an escaped path to the letter", async () => {
    await place.declare("escaped", { path: "good%2f..%2fgood" });
    await place.failed("escaped", "VAULT_PATH_MISSING");
    const asked = [...(await world.vault.auditedReads()).keys()];
    assert.ok(asked.includes("read kv/data/good%2f..%2fgood"), asked.join(", "));
  });

  it("leaves unknown fields aside", async () => {
    await place.declare("unknown-field", { path: "good", whatever: { a: [1] } });
    await place.synced("unknown-field");
  });

  it("keeps the Secret of a declaration that became invalid, and goes on once it is right", async () => {
    await place.declare("turned", { path: "good" });
    await place.synced("turned");
    await place.declare("turned", { path: "good", type: "nonsense" });
    await place.failed("turned", "SPEC_INVALID");
    assert.equal((await place.secret("turned"))?.data.password, PASSWORD);
    await place.declare("turned", { path: "good" });
    await place.synced("turned");
  });

  it("says what is wrong with requests for credentials and certificates", async () => {
    const destination = { name: "later", create: true };
    await declareAs("VaultDynamicSecret", "dynamic", { mount: "db", path: "a/../b", destination });
    await declareAs("VaultPKISecret", "pki", { mount: "pki", role: "app", destination });
    assert.match(await place.failed("dynamic", "SPEC_INVALID", "VaultDynamicSecret"), /spec\.path/);
    assert.match(await place.failed("pki", "VAULT_DENIED", "VaultPKISecret"), /POST pki\/issue\/app/);
    assert.equal(await place.secret("later"), undefined);
  });

  it("syncs at once when a missing VaultAuth, then its VaultConnection, are made", async () => {
    await place.declare("early", { path: "good", vaultAuthRef: "mine", ...RARELY });
    assert.match(await place.failed("early", "REFERENCE_MISSING"), /VaultAuth team-a\/mine/);
    await failForLong(world, place, ["early"]);
    const kubernetes = { role: "app", serviceAccount: "app" };
    const mount = "kubernetes-one";
    await declareAs("VaultAuth", "mine", { method: "kubernetes", mount, vaultConnectionRef: "mine", kubernetes });
    await place.cluster.waitFor("the next thing that is missing", async () =>
      (await place.conditions("early")).Ready?.message.includes("VaultConnection team-a/mine"),
    );
    await declareAs("VaultConnection", "mine", { address: world.vault.address });
    await place.synced("early", AT_ONCE_MS);
  });

  it("says what is wrong with a VaultAuth or VaultConnection, and syncs at once when it is mended", async () => {
    await declareAs("VaultAuth", "half", { method: "kubernetes", mount: "kubernetes-one" });
    await place.declare("half", { path: "good", vaultAuthRef: "half", ...RARELY });
    const message = await place.failed("half", "REFERENCE_INVALID");
    assert.match(message, /spec.kubernetes.role: required; spec.kubernetes.serviceAccount: required/);
    await failForLong(world, place, ["half"]);
    const kubernetes = { role: "app", serviceAccount: "app" };
    await declareAs("VaultAuth", "half", { method: "kubernetes", mount: "kubernetes-one", kubernetes });
    await place.synced("half", AT_ONCE_MS);
  });

  it("refuses a VaultAuth of another namespace that does not allow this one", async () => {
    const metadata = { name: "theirs", namespace: OPERATOR_NAMESPACE };
    const kubernetes = { role: "app", serviceAccount: "app" };
    const theirs = (allowedNamespaces: readonly string[]) => ({
      apiVersion: API,
      kind: "VaultAuth",
      metadata,
      spec: { method: "kubernetes", mount: "kubernetes-one", allowedNamespaces, kubernetes },
    });
    await place.cluster.apply(theirs(["team-b"]));
    await place.declare("guest", { path: "good", vaultAuthRef: `${OPERATOR_NAMESPACE}/theirs`, ...RARELY });
    await place.failed("guest", "REFERENCE_NOT_ALLOWED");
    await failForLong(world, place, ["guest"]);
    await place.cluster.apply(theirs(["team-b", NS]));
    await place.synced("guest", AT_ONCE_MS);
  });

  it("names a service account that is missing, and syncs once it is there and the declaration is touched", async () => {
    const kubernetes = { role: "app", serviceAccount: "robot" };
    await declareAs("VaultAuth", "robot", { method: "kubernetes", mount: "kubernetes-one", kubernetes });
    await place.declare("robot", { path: "good", vaultAuthRef: "robot", ...RARELY });
    await place.failed("robot", "REFERENCE_MISSING", undefined, /ServiceAccount team-a\/robot/);
    await failForLong(world, place, ["robot"]);
    await place.cluster.apply({ apiVersion: "v1", kind: "ServiceAccount", metadata: { name: "robot", namespace: NS } });
    await place.touch("robot");
    await place.synced("robot", AT_ONCE_MS);
  });

  it("went on all the while, and shows all of it in its status", async () => {
    await goodStays();
    // While its refresh is under way the state is another one.
    const { syncs } = await statusThat(world, "good to be synced", (answer) =>
      answer.syncs.some(({ key, state }) => key.endsWith("/good") && state === "synced"),
    );
    const states = new Set(syncs.filter(({ error }) => error?.code === "SPEC_INVALID").map(({ state }) => state));
    assert.deepEqual([...states], ["parked"]);
    const text = "two";
    await world.vault.putKv("kv", "good", { password: `${PASSWORD}-${text}` });
    await place.secretThat("good", ({ data }) => data.password === `${PASSWORD}-${text}`);
    assert.deepEqual(
      engine.logs.filter(({ level }) => level === "error"),
      [],
    );
    await assertNoLeak(world, engine, [PASSWORD]);
  });
});
