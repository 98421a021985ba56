import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { type Cluster, waitFor } from "../harness/index.ts";
import { type RunningEngine, startEngine, status } from "./support/engine.ts";
import { type Gateway, gateway } from "./support/gateway.ts";
import { type Place, placeIn } from "./support/place.ts";
import { statusThat } from "./support/status-that.ts";
import { authMount, OPERATOR_NAMESPACE, ROLE, startWorld, type World } from "./support/world.ts";

const API = "secrets.hashicorp.com/v1beta1";
const NS = "team-a";
const HOSTILE = "hostile-team";
/** Asked for every 5 s; generous, for a machine that is busy. */
const FOLLOWED_MS = 30_000;
/** The longest pause between probes is 10 s, and a probe itself takes some. */
const RESUMED_MS = 60_000;

/** A login of its own, through a VaultConnection of its own. */
async function login(
  { cluster, namespace }: Pick<Place, "cluster" | "namespace">,
  name: string,
  connection: object,
  role = ROLE,
): Promise<void> {
  const metadata = { name, namespace };
  await cluster.apply({ apiVersion: API, kind: "VaultConnection", metadata, spec: connection });
  const kubernetes = { role, serviceAccount: "app" };
  const spec = { method: "kubernetes", mount: authMount(cluster), vaultConnectionRef: name, kubernetes };
  await cluster.apply({ apiVersion: API, kind: "VaultAuth", metadata, spec });
}

/** Outages of Vault that were met: one of a cluster is another matter. */
const opened = (engine: RunningEngine | undefined) =>
  engine?.logs.filter(({ event, circuit }) => event === "circuit-opened" && String(circuit).startsWith("vault:")) ?? [];
const crashed = (engine: RunningEngine | undefined) =>
  engine?.logs.filter(({ level, event }) => level === "error" || event.endsWith("-crashed")) ?? [];

describe("one Vault for two clusters, behind a gateway", () => {
  let world: World;
  let engine: RunningEngine;
  let one: Place;
  let two: Place;
  let hostile: Place;
  let front: Gateway;
  let version = 0;

  before(async () => {
    world = await startWorld({ clusters: ["one", "two"] });
    const [first, second] = world.clusters as readonly [Cluster, Cluster];
    front = await gateway(world.vault.address);
    await world.writeFleet(() => ({ vault: { address: front.address } }));
    await Promise.all([first, second].map((cluster) => world.namespace(cluster, NS)));
    await world.namespace(first, HOSTILE);
    [one, two, hostile] = [placeIn(first, NS), placeIn(second, NS), placeIn(first, HOSTILE)];
    for (const path of ["db", "slow"]) await world.vault.putKv("kv", path, { password: "0" });
    engine = await startEngine(world);
    for (const place of [one, two]) {
      await place.declare("db");
      await place.synced("db");
    }
  });
  after(async () => {
    await engine?.[Symbol.asyncDispose]();
    await front?.[Symbol.asyncDispose]();
    await world?.[Symbol.asyncDispose]();
  });

  /** Both neighbours follow a change in Vault. */
  const followed = async (timeoutMs = FOLLOWED_MS): Promise<void> => {
    const password = `${++version}`;
    await world.vault.putKv("kv", "db", { password });
    for (const place of [one, two]) await place.secretThat("db", ({ data }) => data.password === password, timeoutMs);
  };
  const shownOfConnection = async (cluster: Cluster): Promise<string> =>
    JSON.stringify(await placeIn(cluster, OPERATOR_NAMESPACE).resource("default", "VaultConnection"));

  it("a tenant's own time-out, TLS name and headers fail its own syncs alone", async () => {
    front.passage = () => ({ afterMs: 20 });
    await login(hostile, "hasty", { address: front.address, timeout: "0.001s" });
    await hostile.declare("hasty", { path: "db", vaultAuthRef: "hasty" });
    assert.match(await hostile.failed("hasty", "VAULT_NO_ANSWER"), /VaultConnection/);

    await login(hostile, "misled", { address: front.address, headers: { "x-go": "nowhere" } });
    front.passage = ({ headers }) => (headers["x-go"] === undefined ? "pass" : { status: 502 });
    await hostile.declare("misled", { path: "db", vaultAuthRef: "misled" });
    await hostile.failed("misled", "VAULT_NO_ANSWER");

    await followed();
    assert.deepEqual(opened(engine), []);
    for (const { cluster } of [one, two])
      assert.doesNotMatch(await shownOfConnection(cluster), /hostile-team|hasty|misled/);
    front.passage = () => "pass";
    for (const name of ["hasty", "misled"]) await hostile.undeclare(name);
  });

  it("reads that hang in a Vault that answers are failures of their own, and open nothing", async () => {
    front.passage = ({ url }) => (url?.endsWith("/slow") ? "hold" : "pass");
    await one.declare("slow");
    await one.failed("slow", "VAULT_NO_ANSWER");
    await followed();
    assert.deepEqual(opened(engine), []);
    front.passage = () => "pass";
    await one.synced("slow");
  });

  it("a role whose name is a sealed Vault's words is a login that is refused", async () => {
    await login(hostile, "echo", { address: front.address }, "not yet initialized");
    await hostile.declare("echo", { path: "db", vaultAuthRef: "echo" });
    await hostile.failed("echo", "VAULT_LOGIN_REFUSED");
    await followed();
    assert.deepEqual(opened(engine), []);
    await hostile.undeclare("echo");
  });

  it("words of a sealed Vault are believed when its seal status says the same", async () => {
    front.passage = ({ url }) =>
      url?.endsWith("/slow") ? { status: 503, body: '{"errors":["Vault is sealed"]}' } : "pass";
    await one.touch("slow");
    await one.failed("slow", "VAULT_FAILED");
    assert.deepEqual(opened(engine), []);
    front.passage = () => "pass";
    await one.synced("slow");
  });

  it("an outage is told to all in words that name no one's path, and ends when any of them is answered", async () => {
    const isLed = (headers: Readonly<Record<string, unknown>>) => headers["x-route"] === "vault";
    await login(two, "led", { address: front.address, headers: { "x-route": "vault" } });
    await two.declare("led", { path: "db", vaultAuthRef: "led" });
    await two.synced("led");
    front.passage = () => ({ status: 502 });
    await statusThat(world, "the syncs to wait", ({ syncs }) =>
      syncs.every(({ state, error }) => state === "waiting" && error?.code === "VAULT_UNAVAILABLE"),
    );
    const circuits = opened(engine);
    assert.equal(circuits.length, 1);
    assert.doesNotMatch(JSON.stringify(circuits), /team-a|kv\/data|db/);
    for (const { cluster } of [one, two]) {
      const shown = await waitFor("the VaultConnection to say so", async () => {
        const text = await shownOfConnection(cluster);
        return text.includes("VAULT_UNAVAILABLE") && text;
      });
      assert.doesNotMatch(shown, /kv\/data|team-a/);
    }
    // Who asks without the header is still refused, as by a gateway that knows its route alone.
    front.passage = ({ headers }) => (isLed(headers) ? "pass" : { status: 502 });
    await waitFor(
      "the circuit to close",
      async () => engine.logs.some(({ event }) => event === "circuit-closed"),
      RESUMED_MS,
    );
    front.passage = () => "pass";
    await followed(RESUMED_MS);
    assert.deepEqual(crashed(engine), []);
  });
});

describe("two clusters that reach one Vault, each by a CA of its own", () => {
  let world: World;
  let engine: RunningEngine | undefined;
  let one: Place;
  let two: Place;

  before(async () => {
    world = await startWorld({ clusters: ["one", "two"], vault: { tls: true } });
    const [first, second] = world.clusters as readonly [Cluster, Cluster];
    for (const cluster of [first, second]) {
      await world.namespace(cluster, NS);
      await cluster.apply([
        {
          apiVersion: "v1",
          kind: "Secret",
          metadata: { name: "vault-ca", namespace: OPERATOR_NAMESPACE },
          stringData: { "ca.crt": world.vault.caPem ?? assert.fail() },
        },
        {
          apiVersion: API,
          kind: "VaultConnection",
          metadata: { name: "default", namespace: OPERATOR_NAMESPACE },
          spec: { address: world.vault.address, caCertSecretRef: "vault-ca", headers: { "x-team": "platform" } },
        },
      ]);
    }
    [one, two] = [placeIn(first, NS), placeIn(second, NS)];
    await world.vault.putKv("kv", "db", { password: "first" });
    engine = await startEngine(world);
    await one.declare("db");
    await one.synced("db");
    // Only events bring it back, so that cluster one is who meets the outage.
    await two.declare("db", { refreshAfter: "1h" });
    await two.synced("db");
  });
  after(async () => {
    await engine?.[Symbol.asyncDispose]();
    await world?.[Symbol.asyncDispose]();
  });

  /** The engine may have met others before. */
  const met = () => opened(engine).length;
  const outage = async (): Promise<void> => {
    const before = met();
    await world.vault.stop();
    await waitFor("cluster one to meet the outage", async () => met() > before, RESUMED_MS);
    assert.equal(await engine?.stop(), 0);
  };
  const isBack = async (password: string): Promise<void> => {
    await world.vault.start();
    await world.vault.putKv("kv", "db", { password });
    await two.touch("db");
    await two.secretThat("db", ({ data }) => data.password === password, RESUMED_MS);
    assert.deepEqual(crashed(engine), []);
  };

  it("the one waits for no CA that lies in the other, which is down", async () => {
    await outage();
    await one.cluster.servers.api.kill();
    engine = await startEngine(world);
    await isBack("second");
    await one.cluster.servers.api.start();
    await one.secretThat("db", ({ data }) => data.password === "second", RESUMED_MS);
  });

  it("nor in the other when that has left the fleet", async () => {
    await outage();
    await world.writeFleet(({ name }) => (name === "one" ? undefined : {}));
    engine = await startEngine(world);
    await isBack("third");
    const { syncs } = await status(world);
    assert.deepEqual([...new Set(syncs.map(({ key }) => key.split("/")[0]))], ["two"]);
  });
});
