import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { keyferry, runOnce, type StatusAnswer, startEngine } from "./support/engine.ts";
import { assertNoLeak } from "./support/no-leak.ts";
import { type Place, placeIn } from "./support/place.ts";
import { startWorld, type World } from "./support/world.ts";

const NS = "commands";
const PASSWORD = "correct-horse-battery";

describe("the command: what people and scripts see", () => {
  let world: World;
  let place: Place;

  before(async () => {
    world = await startWorld({ clusters: ["one"] });
    const [cluster] = world.clusters;
    if (!cluster) throw new Error("no cluster");
    await world.namespace(cluster, NS);
    place = placeIn(cluster, NS);
    await world.vault.putKv("kv", "good", { password: PASSWORD });
    await place.declare("good");
  });
  after(async () => world?.[Symbol.asyncDispose]());

  const here = (...args: string[]) =>
    keyferry([...args, "--fleet", world.fleetPath, "--data-dir", join(world.folder, "data")]);

  it("status before the first run says what to do, and exits 2", async () => {
    const { code, stderr } = await here("status");
    assert.equal(code, 2);
    assert.match(stderr, /holds no state: run `keyferry run` first/);
  });

  it("run --once brings everything in step and exits 0; again, it changes nothing", async () => {
    const first = await runOnce(world);
    assert.equal(first.code, 0, first.stderr);
    const secret = await place.secret("good");
    assert.equal(secret?.data.password, PASSWORD);
    assert.equal((await runOnce(world)).code, 0);
    assert.equal((await place.secret("good"))?.resourceVersion, secret?.resourceVersion);
  });

  it("status shows each sync as a table or as JSON, and exits 0 when all are in step", async () => {
    const table = await here("status");
    assert.equal(table.code, 0);
    assert.match(
      table.stdout,
      /^SYNC +STATE +SYNCED +NEXT +ERROR\none\/VaultStaticSecret\/commands\/good +synced +\d+s/,
    );
    const json = JSON.parse((await here("status", "-o", "json")).stdout) as StatusAnswer;
    assert.equal(json.syncs[0]?.state, "synced");
    assert.equal(json.clusters[0]?.state, "ok");
  });

  it("run --once exits 1 when a sync fails, others done, and status says why", async () => {
    await world.vault.putKv("kv", "late", { password: PASSWORD });
    await place.declare("absent");
    await place.declare("late");
    assert.equal((await runOnce(world)).code, 1);
    assert.equal((await place.secret("late"))?.data.password, PASSWORD);
    const { code, stdout } = await here("status");
    assert.equal(code, 1);
    assert.match(stdout, /commands\/absent +failed .*VAULT_PATH_MISSING: /);
    await place.undeclare("absent");
    assert.equal((await runOnce(world)).code, 0);
  });

  it("bad input exits 2 with every complaint and its line", async () => {
    const path = join(world.folder, "bad.yaml");
    const text =
      "apiVersion: keyferry.dev/v1alpha1\nkind: Fleet\nclusters:\n  - name: Bad_Name\n    conect: {}\n    observe: sometimes\n";
    await writeFile(path, text);
    const { code, stderr } = await keyferry(["run", "--fleet", path, "--data-dir", join(world.folder, "other")]);
    assert.equal(code, 2);
    for (const complaint of [
      /bad\.yaml:4: clusters\[0\]\.name/,
      /bad\.yaml:5: .*conect.*did you mean/,
      /bad\.yaml:6: .*observe/,
    ]) {
      assert.match(stderr, complaint);
    }
    assert.doesNotMatch(stderr, /\n\s+at /, "no stack trace");
    for (const args of [
      ["run", "--no-such"],
      ["no-such"],
      ["status", "-o", "xml"],
      ["run", "--fleet", "/no/such.yaml"],
    ]) {
      assert.equal((await keyferry(args)).code, 2, args.join(" "));
    }
  });

  it("--help has examples and exit codes", async () => {
    for (const command of ["run", "status"]) {
      const { code, stdout } = await keyferry([command, "--help"]);
      assert.equal(code, 0);
      assert.match(stdout, /Examples:[\s\S]*Exit codes:/);
    }
  });

  it("a running engine answers health and metrics, keeps its data directory to itself, and ends by Ctrl-C with 0", async () => {
    await using engine = await startEngine(world);
    for (const path of ["/healthz", "/readyz"]) assert.equal((await fetch(`${engine.url}${path}`)).status, 200);
    assert.match(await engine.metrics(), /^keyferry_syncs_total\{/m);
    const second = await runOnce(world);
    assert.equal(second.code, 2);
    assert.match(second.stderr, /another keyferry process works with this data directory/);
    await sleep(6_000);
    await assertNoLeak(world, engine, [PASSWORD]);
    assert.equal(await engine.stop(), 0);
    assert.deepEqual(
      engine.logs.filter((line) => line.level === "error"),
      [],
    );
    assert.ok(engine.logs.some((line) => line.event === "engine-stopped"));
  });
});
