import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import type { Cluster } from "../harness/index.ts";
import { type RunningEngine, startEngine, status } from "./support/engine.ts";
import { assertNoLeak } from "./support/no-leak.ts";
import { type Place, placeIn } from "./support/place.ts";
import { statusThat } from "./support/status-that.ts";
import { type Vso, vsoIn } from "./support/vso.ts";
import { startWorld, type World } from "./support/world.ts";

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
  const isStandingBack = (answer: { clusters: readonly { state: string }[] }) =>
    answer.clusters[0]?.state === "standing-back";

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
  const aRunIsPutOff = async (): Promise<void> => {
    const then = await putOff();
    await cluster.waitFor("a run to be put off", async () => (await putOff()) > then, PATIENCE_MS);
  };
  const writersOfStatus = async (): Promise<readonly string[]> =>
    ((await place.resource("db"))?.metadata.managedFields ?? [])
      .filter(({ subresource }) => subresource === "status")
      .map(({ manager }) => String(manager));

  it("a VSO that holds its lease is noticed before anything is written", async () => {
    running = await vso.run([]);
    const before = [await place.resource("db"), await place.secret("db")];
    engine = await startEngine(world);
    const shown = await statusThat(world, "keyferry stands back", isStandingBack);
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
    const { status: told } = (await place.resource("db")) ?? {};
    assert.equal((told as { secretMAC?: string }).secretMAC, vso.macOf(data(PASSWORD)));
  });

  it("kubernetes-rules 24: scaled up again, its writes of a status newer than ours are noticed: nothing fights", async () => {
    running = await vso.run([[NS, "db"]]);
    await statusThat(world, "keyferry stands back", isStandingBack, PATIENCE_MS);
    assert.ok(engine.logs.some(({ event, circuit }) => event === "circuit-opened" && circuit === "vso:one"));
    const before = await place.secret("db");
    await world.vault.putKv("kv1", "db", { password: `${PASSWORD}-2` });
    await aRunIsPutOff();
    await place.touch("db");
    await aRunIsPutOff();
    assert.deepEqual(await place.secret("db"), before);
    const answer = await status(world);
    assert.ok(isStandingBack(answer));
    const { conditions = [] } = ((await place.resource("db"))?.status ?? {}) as { conditions?: { message: string }[] };
    assert.match(conditions[0]?.message ?? "", /horizon/, "the status is VSO's");
  });

  it("besideVso: keyferry works in the namespaces that fleet.yaml names, and in no other", async () => {
    assert.equal(await engine.stop(), 0);
    await world.writeFleet(() => ({ besideVso: ["team-b*"] }));
    engine = await startEngine(world);
    await other.declare("db", ofKv1("db"));
    await other.synced("db");
    const shown = await statusThat(world, "team-b is in step", ({ syncs }) => syncs[1]?.state === "synced");
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

  it("and nothing of it is seen elsewhere", async () => {
    assert.deepEqual(
      engine.logs.filter(({ level }) => level === "error"),
      [],
    );
    await assertNoLeak(world, engine, [PASSWORD, vso.key.toString("base64")]);
  });
});
