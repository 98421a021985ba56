import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { waitFor } from "../../harness/index.ts";
import { type BrokenVault, brokenVault, json } from "../support/broken-vault.ts";
import { type Place, placeIn } from "../support/place.ts";
import { authMount, OPERATOR_NAMESPACE } from "../support/world.ts";
import { type Deployed, startDeployed } from "./support/deployed.ts";
import { deployedPlan } from "./support/deployed-plan.ts";
import { A_TICK_MS } from "./support/waits.ts";
import { killWorkers, loginsTo, printedBy } from "./support/workers.ts";

const NS = "team-a";
const API = "secrets.hashicorp.com/v1beta1";

describe("workers on AWS that are killed, and a cluster that is silent", { timeout: 1_200_000 }, () => {
  let deployed: Deployed;
  let places: readonly Place[];
  let stuck: BrokenVault | undefined;
  let isKilled = false;

  before(async () => {
    deployed = await startDeployed();
    const { world } = deployed;
    await Promise.all(world.clusters.map((cluster) => world.namespace(cluster, NS)));
    places = world.clusters.map((cluster) => placeIn(cluster, NS));
    await world.vault.putKv("kv", "db", { user: "app", password: "two" });
    await Promise.all(places.map((place) => place.declare("db")));
    await declareLeaving();
    await deployed.uploadFleet();
    await using _ = deployed.ticking();
    await Promise.all(places.map((place) => place.synced("db", 2 * A_TICK_MS)));
    // A worker that is killed just after a login leaves a token that nobody knows.
    await one().synced("leaving", A_TICK_MS);
  });
  after(async () => {
    await deployed?.[Symbol.asyncDispose]();
    await stuck?.[Symbol.asyncDispose]();
  });

  const one = (): Place => places[0] ?? assert.fail();
  const key = (name: string, cluster = "one"): string => `${cluster}/VaultStaticSecret/${NS}/${name}`;

  it("lease-table 3: a worker is killed in the middle", async () => {
    const metadata = { version: 1, created_time: new Date().toISOString() };
    stuck = await brokenVault((response) => {
      // The first to ask waits, and is killed while it does.
      if (isKilled) json(response, { data: { data: { password: "one" }, metadata } });
    });
    await using _ = deployed.ticking();
    await declareLogin("killed", stuck.address);
    await one().declare("killed", { refreshAfter: "12h", vaultAuthRef: "killed" });
    await waitFor("a worker to have it", async () => (stuck?.reads ?? 0) > 0, A_TICK_MS);
    assert.notEqual(await killWorkers(deployed, "reconcile"), 0);
    isKilled = true;
  });

  it("goes on with the tokens that it kept when its processes are killed, and nobody reads them in the table", async () => {
    const kept = await deployed.leases.tokens.tokens();
    assert.ok(kept.length >= 3, "of two defaults and one that leaves");
    for (const { sealed } of kept) assert.doesNotMatch(Buffer.from(sealed, "base64").toString("latin1"), /hvs\.|http/);
    const before = await loginsTo(deployed.world.vault);
    // Others have come since the last ones were killed.
    await waitFor("a worker that is killed", async () => (await killWorkers(deployed, "reconcile")) > 0, A_TICK_MS);
    await deployed.world.vault.putKv("kv", "db", { user: "app", password: "kept" });
    await Promise.all(
      places.map((place) => place.secretThat("db", ({ data }) => data.password === "kept", 2 * A_TICK_MS)),
    );
    assert.equal(await loginsTo(deployed.world.vault), before);
    assert.equal(await leavingTokens(), 1);
    await one().cluster.delete({ apiVersion: API, kind: "VaultAuth", namespace: NS, name: "leaving" });
  });

  it("lease-table 16: one probe, sent as a message, stands for a cluster that is silent", async () => {
    const [, two = assert.fail()] = deployed.world.clusters;
    await using _ = deployed.ticking();
    two.pause();
    const circuit = async () => (await deployed.leases.circuits()).find(({ id }) => id === "cluster:two");
    const open = await waitFor("its circuit to open", circuit, 2 * A_TICK_MS);
    assert.equal(open.code, "KUBE_UNREACHABLE");
    const planned = await deployedPlan(deployed);
    assert.equal(planned.code, 1);
    assert.deepEqual(
      planned.clusters.map(({ name, errors }) => [name, errors.map((error) => error.code)]),
      [
        ["one", []],
        ["two", ["KUBE_UNREACHABLE"]],
      ],
    );
    await deployed.world.vault.putKv("kv", "db", { user: "app", password: "four" });
    await one().secretThat("db", ({ data }) => data.password === "four", A_TICK_MS);
    await waitFor("a second probe", async () => ((await circuit())?.attempts ?? 0) >= 2, A_TICK_MS);
    two.resume();
    await waitFor("its circuit to be closed", async () => (await circuit()) === undefined, A_TICK_MS);
    await places[1]?.secretThat("db", ({ data }) => data.password === "four", A_TICK_MS);
  });

  it("lease-table 3: what the killed worker had in hand is done by another", async () => {
    await using _ = deployed.ticking();
    await one().secretThat("killed", ({ data }) => data.password === "one", 2 * A_TICK_MS);
    await one().synced("killed", A_TICK_MS);
  });

  it("has ended the token of a VaultAuth that went", async () => {
    await using _ = deployed.ticking();
    await waitFor("the revocation", async () => (await leavingTokens()) === 0, 2 * A_TICK_MS);
    const isForgotten = async () =>
      !(await deployed.leases.tokens.tokens("cluster:one")).some(({ by }) => by === key("leaving"));
    await waitFor("it to be forgotten", isForgotten, A_TICK_MS);
  });

  it("prints no secret", async () => {
    const text = await printedBy(deployed);
    for (const value of [deployed.world.vault.token, "hvs."]) assert.equal(text.includes(value), false, value);
  });

  /** A sync with a VaultAuth and a role of its own. */
  async function declareLeaving(): Promise<void> {
    const mount = authMount(one().cluster);
    await deployed.world.vault.write(`auth/${mount}/role/leaving`, {
      bound_service_account_names: ["app"],
      bound_service_account_namespaces: [NS],
      token_policies: ["app"],
    });
    const kubernetes = { role: "leaving", serviceAccount: "app" };
    const vaultConnectionRef = `${OPERATOR_NAMESPACE}/default`;
    const spec = { method: "kubernetes", mount, vaultConnectionRef, kubernetes };
    await one().cluster.apply({
      apiVersion: API,
      kind: "VaultAuth",
      metadata: { name: "leaving", namespace: NS },
      spec,
    });
    await one().declare("leaving", { path: "db", refreshAfter: "12h", vaultAuthRef: "leaving" });
  }

  /** Of that role, how many live. */
  async function leavingTokens(): Promise<number> {
    const { vault } = deployed.world;
    const { data } = (await vault.request("LIST", "auth/token/accessors")).body;
    const found = (Array.isArray(data.keys) ? data.keys : []).map(async (accessor: unknown) => {
      const { body } = await vault.request("POST", "auth/token/lookup-accessor", { accessor });
      return (body?.data?.meta as { role?: string } | null | undefined)?.role === "leaving";
    });
    return (await Promise.all(found)).filter((isLeaving) => isLeaving).length;
  }

  /** A VaultAuth of the first cluster at another Vault. */
  async function declareLogin(name: string, address: string): Promise<void> {
    const apiVersion = API;
    const metadata = { name, namespace: NS };
    const kubernetes = { role: "app", serviceAccount: "app" };
    await one().cluster.apply([
      { apiVersion, kind: "VaultConnection", metadata, spec: { address } },
      {
        apiVersion,
        kind: "VaultAuth",
        metadata,
        spec: { method: "kubernetes", mount: "kubernetes", vaultConnectionRef: name, kubernetes },
      },
    ]);
  }
});
