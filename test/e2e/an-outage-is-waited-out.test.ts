import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { Cluster } from "../harness/index.ts";
import { type RunningEngine, type StatusAnswer, startEngine } from "./support/engine.ts";
import { assertNoLeak } from "./support/no-leak.ts";
import { type Place, placeIn } from "./support/place.ts";
import { statusThat } from "./support/status-that.ts";
import { startWorld, type World } from "./support/world.ts";

const NS = "team-a";
const PASSWORD = "Vx7-correct-horse-battery";

/** So long the Vault is away; what was declared before, and what is declared meanwhile. */
const OUTAGE_MS = 60_000;
const BEFORE = Array.from({ length: 20 }, (_, number) => `before-${number}`);
const MEANWHILE = ["meanwhile-0", "meanwhile-1", "meanwhile-2"];
/** And the one of the other cluster. */
const ALL = BEFORE.length + MEANWHILE.length + 1;

/** The longest pause between probes is 10 s; then everything that waits is woken. */
const RESUMED_MS = 60_000;
/** Asked for every 5 s; generous, for a machine that is busy. */
const FOLLOWED_MS = 30_000;

describe("an outage is waited out: Secrets stay, one probe at a time, everything resumes by itself", () => {
  let world: World;
  let engine: RunningEngine;
  let one: Place;
  let two: Place;

  before(async () => {
    world = await startWorld({ clusters: ["one", "two"] });
    const [first, second] = world.clusters as readonly [Cluster, Cluster];
    await Promise.all([first, second].map((cluster) => world.namespace(cluster, NS)));
    [one, two] = [placeIn(first, NS), placeIn(second, NS)];
    for (const path of [...BEFORE, ...MEANWHILE, "two"]) await world.vault.putKv("kv", path, { password: PASSWORD });
    engine = await startEngine(world);
    for (const name of BEFORE) await one.declare(name);
    await two.declare("two");
    for (const name of BEFORE) await one.synced(name);
    await two.synced("two");
  });
  after(async () => {
    await engine?.[Symbol.asyncDispose]();
    await world?.[Symbol.asyncDispose]();
  });

  const secrets = async (): Promise<readonly unknown[]> => Promise.all(BEFORE.map((name) => one.secret(name)));
  const counted = async (name: string, label: string): Promise<number> => {
    const lines = (await engine.metrics()).split("\n").filter((line) => line.startsWith(name) && line.includes(label));
    return lines.reduce((sum, line) => sum + Number(line.split(" ").at(-1)), 0);
  };
  /** Of the Vault's circuit: one of a cluster is another matter, and a busy machine may have opened one before. */
  const logged = (event: string) =>
    engine.logs.filter((line) => line.event === event && String(line.circuit).startsWith("vault:")).length;
  const noErrors = () =>
    assert.deepEqual(
      engine.logs.filter(({ level }) => level === "error"),
      [],
    );
  /** A change in Vault arrives within its refresh time, as if nothing were the matter elsewhere. */
  const follows = async (place: Place, name: string): Promise<void> => {
    const password = `${PASSWORD}-${Date.now()}`;
    await world.vault.putKv("kv", name, { password });
    await place.secretThat(name, ({ data }) => data.password === password, FOLLOWED_MS);
  };

  it("Vault is away for a minute", async () => {
    const were = await secrets();
    const before = { opened: logged("circuit-opened"), closed: logged("circuit-closed") };
    const stoppedAt = Date.now();
    await world.vault.stop();
    for (const name of MEANWHILE) await one.declare(name);
    // The outage may be met before what is declared meanwhile is seen.
    await statusThat(
      world,
      "everything to wait for Vault",
      ({ syncs }) =>
        syncs.length === ALL &&
        syncs.every(({ state, error }) => state === "waiting" && error?.code === "VAULT_UNAVAILABLE"),
    );
    await sleep(OUTAGE_MS - (Date.now() - stoppedAt));
    assert.deepEqual(await secrets(), were);
    assert.equal(logged("circuit-opened"), before.opened + 1);
    const probes = await counted("keyferry_circuit_probes_total", "vault");
    assert.ok(probes >= 3 && probes <= 20, `${probes} probes in a minute`);

    await world.vault.start();
    for (const name of MEANWHILE) await one.synced(name, RESUMED_MS);
    const { syncs } = await statusThat(world, "everything to be synced", (answer) =>
      answer.syncs.every(({ state }) => state === "synced"),
    );
    assert.equal(syncs.length, ALL);
    assert.equal(logged("circuit-closed"), before.closed + 1);
    await Promise.all([follows(one, "before-0"), follows(two, "two"), follows(one, "meanwhile-0")]);
    noErrors();
  });

  it("Vault is sealed, and unsealed", async () => {
    const were = await secrets();
    await world.vault.seal();
    await statusThat(world, "everything to wait for the unsealing", ({ syncs }) =>
      syncs.every(({ state, error }) => state === "waiting" && error?.code === "VAULT_SEALED"),
    );
    assert.deepEqual(await secrets(), were);
    // A supervisor that watches these restarts nobody: only the metric tells.
    const answers = await Promise.all(["healthz", "readyz"].map(async (page) => fetch(`${engine.url}/${page}`)));
    assert.deepEqual(await Promise.all(answers.map(async (answer) => [answer.status, await answer.text()])), [
      [200, "ok\n"],
      [200, "ok\n"],
    ]);
    const open = `keyferry_circuit_open{circuit="vault:${world.vault.address}"} 1`;
    assert.ok((await engine.metrics()).includes(open), open);
    await world.vault.unseal();
    const isSynced = ({ syncs }: StatusAnswer) => syncs.every(({ state }) => state === "synced");
    await statusThat(world, "everything to be synced", isSynced, RESUMED_MS);
    await follows(one, "before-1");
    assert.ok(!(await engine.metrics()).includes(open), "the metric is gone");
    noErrors();
  });

  it("one cluster's API server answers nothing, and the other cluster is followed as ever", async () => {
    one.cluster.pause();
    try {
      const stopped = Date.now();
      for (const name of BEFORE) await world.vault.putKv("kv", name, { password: `${PASSWORD}-while-silent` });
      while (Date.now() - stopped < 20_000) await follows(two, "two");
      await statusThat(world, "the silent one to be told, with all its syncs, and it alone", ({ syncs, clusters }) => {
        const told = [...clusters.map(({ name, error }) => ({ of: name, error }))];
        for (const { key, error } of syncs) told.push({ of: key.split("/")[0] ?? "", error });
        return told.every(({ of, error }) => error?.code === (of === "one" ? "KUBE_UNREACHABLE" : undefined));
      });
    } finally {
      one.cluster.resume();
    }
    for (const name of BEFORE) {
      await one.secretThat(name, ({ data }) => data.password === `${PASSWORD}-while-silent`, RESUMED_MS);
    }
    const isWell = ({ syncs, clusters }: StatusAnswer) =>
      [...syncs, ...clusters].every(({ state }) => state === "synced" || state === "ok");
    await statusThat(world, "all to be well", isWell, RESUMED_MS);
    noErrors();
  });

  it("an API server is started again, and what was declared around it is taken in", async () => {
    await one.cluster.restart();
    await world.vault.putKv("kv", "after", { password: PASSWORD });
    await one.declare("after");
    await one.synced("after", RESUMED_MS);
    await one.undeclare("before-9");
    await one.cluster.waitFor("its Secret to go", async () => (await one.secret("before-9")) === undefined);
    await follows(one, "before-2");
    noErrors();
    await assertNoLeak(world, engine, [PASSWORD]);
  });
});
