import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import type { Cluster, KubeObject } from "../harness/index.ts";
import { type RunningEngine, startEngine, status } from "./support/engine.ts";
import { type Place, placeIn } from "./support/place.ts";
import { endAll } from "./support/start-place.ts";
import { HMAC_KEY_NAME } from "./support/vso.ts";
import { authMount, OPERATOR_NAMESPACE, ROLE, startWorld, type World } from "./support/world.ts";

const NS = "team-a";
const OPS = "ops";
const API = "secrets.hashicorp.com/v1beta1";
const PATIENCE_MS = 120_000;

describe("an operator namespace that is not there, and then somebody makes it", () => {
  let world: World;
  let cluster: Cluster;
  let place: Place;
  let engine: RunningEngine;
  let turns = 0;

  before(async () => {
    world = await startWorld({ clusters: ["one"] });
    [cluster] = world.clusters as [Cluster];
    await world.namespace(cluster, NS);
    place = placeIn(cluster, NS);
    await world.vault.putKv("kv", "db", { turn: "0" });
    await cluster.apply(auth(NS, "own", { vaultConnectionRef: `${OPERATOR_NAMESPACE}/default` }));
    await fleet({});
    engine = await startEngine(world);
  });
  after(() => endAll(engine, world));

  const fleet = (more: object) => world.writeFleet(() => ({ operatorNamespace: OPS, ...more }));
  const auth = (namespace: string, name: string, more: object = {}) => ({
    apiVersion: API,
    kind: "VaultAuth",
    metadata: { namespace, name },
    spec: {
      ...{ method: "kubernetes", mount: authMount(cluster), kubernetes: { role: ROLE, serviceAccount: "app" } },
      ...more,
    },
  });
  /** What a tenant puts in a namespace of that name: the same that an operator would. */
  const defaults = (): object[] => [
    auth(OPS, "default", { allowedNamespaces: ["*"] }),
    {
      apiVersion: API,
      kind: "VaultConnection",
      metadata: { namespace: OPS, name: "default" },
      spec: { address: world.vault.address, skipTLSVerify: world.vault.caPem !== undefined },
    },
  ];
  const make = async (): Promise<string> => {
    const [made] = await cluster.apply({ apiVersion: "v1", kind: "Namespace", metadata: { name: OPS } });
    return made?.metadata.uid ?? assert.fail("no uid");
  };
  const mark = (namespace: string): Promise<KubeObject | undefined> =>
    cluster.get({ apiVersion: "v1", kind: "ConfigMap", namespace, name: "keyferry-installation" });
  const restart = async (): Promise<void> => {
    assert.equal(await engine.stop(), 0);
    engine = await startEngine(world);
  };
  const follow = async (name: string): Promise<void> => {
    const turn = `${++turns}`;
    await world.vault.putKv("kv", "db", { turn });
    await place.secretThat(name, ({ data }) => data.turn === turn, PATIENCE_MS);
  };
  const warningsOf = async () => {
    const [one] = (await status(world)).clusters;
    return { state: one?.state, text: (one?.warnings ?? []).join("\n") };
  };

  it("while it is not there: no defaults, no MAC key, no mark of ours anywhere, and a warning", async () => {
    await place.declare("own", { path: "db", vaultAuthRef: "own" });
    await place.declare("lent", { path: "db" });
    await place.synced("own");
    await place.failed("lent", "REFERENCE_MISSING", undefined, /VaultAuth ops\/default was not found/);
    const { state, text } = await warningsOf();
    assert.equal(state, "ok");
    assert.match(text, /operator namespace ops does not exist in cluster one: .*operatorNamespaceUid/);
    assert.ok(engine.logs.some(({ event }) => event === "operator-namespace-without-powers"));
    for (const namespace of ["default", OPERATOR_NAMESPACE]) assert.equal(await mark(namespace), undefined);
    const { secretMAC } = ((await place.resource("own"))?.status ?? {}) as { secretMAC?: string };
    assert.equal(secretMAC, undefined);
  });

  it("a tenant makes it, with all that has power there: nobody's sync uses any of it, and none stops", async () => {
    await make();
    const renewTime = new Date().toISOString().replace("Z", "000Z");
    await cluster.apply([
      ...defaults(),
      auth(OPS, "aws", {
        method: "aws",
        mount: "aws",
        kubernetes: undefined,
        allowedNamespaces: ["*"],
        aws: { role: "r" },
      }),
      {
        apiVersion: "coordination.k8s.io/v1",
        kind: "Lease",
        metadata: { namespace: OPS, name: "b0d477c0.hashicorp.com" },
        spec: { holderIdentity: "tenant", leaseDurationSeconds: 2_000_000_000, renewTime },
      },
      {
        apiVersion: "v1",
        kind: "ConfigMap",
        metadata: { namespace: OPS, name: "keyferry-installation" },
        data: { id: "somebody-else" },
      },
      {
        apiVersion: "v1",
        kind: "Secret",
        metadata: { namespace: OPS, name: HMAC_KEY_NAME },
        data: { key: Buffer.alloc(16, 1).toString("base64") },
      },
    ]);
    const why = /VaultAuth ops\/default can't serve as a default: .*operatorNamespaceUid/;
    await place.failed("lent", "REFERENCE_NOT_ALLOWED", undefined, why);
    await place.declare("aws", { path: "db", vaultAuthRef: `${OPS}/aws` });
    await place.failed("aws", "UNSUPPORTED");
    await place.undeclare("aws");
    for (const again of [async () => undefined, restart]) {
      await again();
      await follow("own");
      assert.equal(await place.secret("lent"), undefined);
      assert.equal((await warningsOf()).state, "ok");
    }
    assert.match((await warningsOf()).text, /is not the one of keyferry's first watch pass/);
    const { secretMAC } = ((await place.resource("own"))?.status ?? {}) as { secretMAC?: string };
    assert.equal(secretMAC, undefined);
  });

  it("fleet.yaml names another namespace's uid: as before", async () => {
    await fleet({ operatorNamespaceUid: "00000000-0000-4000-8000-000000000000" });
    await restart();
    await follow("own");
    assert.match((await warningsOf()).text, /is not the one whose uid is operatorNamespaceUid/);
    assert.equal(await place.secret("lent"), undefined);
  });

  it("fleet.yaml names its uid: it is the operator's, and what waited for a default has one", async () => {
    for (const [apiVersion, kind, name] of [
      ["coordination.k8s.io/v1", "Lease", "b0d477c0.hashicorp.com"],
      ["v1", "ConfigMap", "keyferry-installation"],
      ["v1", "Secret", HMAC_KEY_NAME],
    ] as const) {
      await cluster.delete({ apiVersion, kind, namespace: OPS, name });
    }
    await fleet({ operatorNamespaceUid: await make() });
    await restart();
    await place.synced("lent", PATIENCE_MS);
    await follow("lent");
    assert.deepEqual(await warningsOf(), { state: "ok", text: "" });
    assert.ok(await mark(OPS));
    await cluster.waitFor(
      "its MAC",
      async () => ((await place.resource("own"))?.status as { secretMAC?: string } | undefined)?.secretMAC,
      PATIENCE_MS,
    );
  });

  it("it goes, and another one of its name is made in the same minute: that one has no powers", async () => {
    await cluster.delete({ apiVersion: "v1", kind: "Namespace", name: OPS });
    await cluster.waitFor(
      "it to be gone",
      async () => (await cluster.get({ apiVersion: "v1", kind: "Namespace", name: OPS })) === undefined,
      PATIENCE_MS,
    );
    await place.failed("lent", "REFERENCE_MISSING");
    await make();
    await cluster.apply(defaults());
    await place.failed("lent", "REFERENCE_NOT_ALLOWED", undefined, /can't serve as a default/);
    await follow("own");
    await restart();
    await follow("own");
    assert.match((await warningsOf()).text, /operatorNamespaceUid/);
    assert.equal(await mark(OPS), undefined);
  });
});
