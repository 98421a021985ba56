import assert from "node:assert/strict";
import { once } from "node:events";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { kubeconfig } from "../harness/cluster/kubeconfig.ts";
import { reservePort } from "../harness/index.ts";
import { brokenVault, json } from "./support/broken-vault.ts";
import { keyferry, launchEngine, runOnce, type StatusAnswer, startEngine, status } from "./support/engine.ts";
import { assertNoLeak } from "./support/no-leak.ts";
import type { Place } from "./support/place.ts";
import { endAll, startPlace } from "./support/start-place.ts";
import { statusThat } from "./support/status-that.ts";
import { vaultsOf, type World } from "./support/world.ts";

const NS = "team-a";
const API = "secrets.hashicorp.com/v1beta1";
/** Two signals within a second are one wish; the engine's own timer may be late on a machine that is busy. */
const ANOTHER_WISH_MS = 3_000;
/** A process starts, takes its cluster in, and asks Vault. */
const STARTED_MS = 120_000;
const PASSWORD = "Nb1-correct-horse-battery";
const SELDOM = { refreshAfter: "8000h" };

describe("the command line: exit codes, outputs, and a stop that finishes its work", () => {
  let world: World;
  let place: Place;

  before(async () => {
    ({ world, place } = await startPlace(NS));
    await world.vault.putKv("kv", "db", { password: PASSWORD });
  });
  after(() => endAll(world));

  const file = (name: string) => join(world.folder, name);
  const statusArgs = (...more: readonly string[]) =>
    ["status", "--fleet", world.fleetPath, "--data-dir", file("data"), ...more] as const;

  it("says how it is used, on stdout, with 0", async () => {
    for (const [args, words] of [
      [["--help"], ["run", "status", "--version"]],
      [
        ["run", "--help"],
        ["--fleet", "--data-dir", "--once", "--listen", "--accept-missing", "Exit codes", "Ctrl-C"],
      ],
      [
        ["status", "--help"],
        ["--output", "table", "json", "Exit codes"],
      ],
      [["--version"], ["."]],
    ] as const) {
      const { code, stdout, stderr } = await keyferry(args);
      assert.deepEqual([code, stderr], [0, ""], args.join(" "));
      for (const word of words) assert.ok(stdout.includes(word), `${args.join(" ")} names ${word}`);
    }
  });

  it("refuses what it does not understand, on stderr, with 2 and a remedy", async () => {
    await writeFile(file("a-file"), "");
    await using taken = await reservePort();
    const run = ["run", "--fleet", world.fleetPath, "--data-dir", file("refused")];
    const refusals: readonly (readonly [args: readonly string[], says: RegExp])[] = [
      [["run", "--fleets", "x"], /unknown option '--fleets'[\s\S]*--fleet/],
      [["rum"], /unknown command 'rum'[\s\S]*run/],
      [["run", "extra"], /too many arguments/],
      [["run", "--fleet", file("absent.yaml")], /absent\.yaml/],
      [[...run, "--log-level", "loud"], /debug, info/],
      [[...run, "--listen", "nowhere"], /host:port/],
      [[...run, "--accept-missing", "nobody"], /no such cluster in the fleet: nobody/],
      [["run", "--fleet", world.fleetPath, "--data-dir", file("a-file")], /a-file/],
      [["status", "--fleet", world.fleetPath, "--data-dir", file("nothing")], /run `keyferry run` first/],
      [["status", "-o", "yaml"], /table, json/],
    ];
    for (const [args, says] of refusals) {
      const { code, stdout, stderr } = await keyferry(args);
      assert.equal(code, 2, `${args.join(" ")}: ${stderr}`);
      assert.match(stderr, says);
      assert.equal(stdout, "");
      assert.doesNotMatch(stderr, /\n\s+at /, "no stack trace");
    }
    assert.ok(taken.port);
  });

  it("lists everything that is wrong with fleet.yaml, each with its line, and starts nothing", async () => {
    const path = file("bad.yaml");
    const lines = [
      "apiVersion: keyferry.dev/v1alpha1",
      "kind: Fleet",
      "clusters:",
      "  - name: Prod_EU",
      "    observe: sometimes",
      "    connect: {}",
      "    colour: blue",
      "  - name: two",
      "    connect:",
      "      kubeconfig: {path: ./a, paht: ./b}",
    ];
    await writeFile(path, lines.join("\n"));
    const { code, stderr } = await keyferry(["run", "--fleet", path, "--data-dir", file("bad")]);
    assert.equal(code, 2);
    for (const line of [4, 5, 6, 7, 10]) assert.match(stderr, new RegExp(`bad\\.yaml:${line}\\b`), stderr);
    assert.equal(await readFile(join(file("bad"), "state.sqlite")).catch(() => "none"), "none");
  });

  it("run --once does everything that is due: 0 when all is in step, 1 when something failed", async () => {
    await place.declare("db");
    const first = await runOnce(world);
    assert.equal(first.code, 0, first.stderr);
    assert.equal((await place.secret("db"))?.data.password, PASSWORD);
    await world.vault.putKv("kv", "db", { password: `${PASSWORD}-2` });
    await place.touch("db");
    assert.equal((await runOnce(world)).code, 0);
    assert.equal((await place.secret("db"))?.data.password, `${PASSWORD}-2`);

    await place.declare("absent");
    const failed = await runOnce(world);
    assert.equal(failed.code, 1);
    assert.match(failed.stderr, /VAULT_PATH_MISSING/);
    assert.equal(failed.stdout, "");
    await assertNoLeak(world, undefined, [PASSWORD]);
    assert.ok(!(first.stderr + failed.stderr).includes(PASSWORD));
  });

  it("run --once goes on past a cluster that is out of reach, and answers 1", async () => {
    await using port = await reservePort();
    const lost = file("lost.kubeconfig");
    await writeFile(lost, kubeconfig("lost", `https://127.0.0.1:${port.port}`, place.cluster.caPem, { token: "t" }));
    const clusters = [
      { name: "lost", connect: { kubeconfig: { path: lost } } },
      { name: "one", connect: { kubeconfig: { path: place.cluster.kubeconfigPath } } },
    ];
    const vaults = await vaultsOf(world.vault);
    const fleet = { apiVersion: "keyferry.dev/v1alpha1", kind: "Fleet", vaults, clusters };
    const path = file("two.yaml");
    await writeFile(path, JSON.stringify(fleet));
    await place.undeclare("absent");
    await place.declare("beside", { path: "db" });
    const args = ["run", "--fleet", path, "--data-dir", file("data")];
    const { code, stderr } = await keyferry([...args, "--once"]);
    assert.equal(code, 1);
    assert.match(stderr, /KUBE_UNREACHABLE/);
    await place.synced("beside");
  });

  it("status is a table for people and JSON for machines, works beside an engine, and exits 1 when something failed", async () => {
    await using engine = await startEngine(world);
    // From here on no refresh is under way while its state is looked at.
    await place.declare("db", SELDOM);
    await place.synced("db");
    const isInStep = ({ syncs }: StatusAnswer) => syncs.every(({ state }) => state === "synced");
    await statusThat(world, "its row to rest", isInStep);
    const json = await keyferry(statusArgs("-o", "json"));
    assert.deepEqual([json.code, json.stderr], [0, ""]);
    const { syncs, clusters } = JSON.parse(json.stdout) as StatusAnswer;
    assert.deepEqual(
      clusters.map(({ name, state }) => [name, state]),
      [["one", "ok"]],
    );
    const db = syncs.find(({ key }) => key === `one/VaultStaticSecret/${NS}/db`);
    assert.equal(db?.state, "synced");
    const [syncedAt, nextAt] = [db.syncedAt, db.nextAt].map((time) => Date.parse(time ?? "")) as [number, number];
    assert.ok(syncedAt <= Date.now() && nextAt > syncedAt, `${db.syncedAt}, ${db.nextAt}`);

    await place.declare("absent");
    await place.failed("absent", "VAULT_PATH_MISSING");
    // The cluster is told before the row is settled.
    await statusThat(world, "its row to say it", ({ syncs }) =>
      syncs.some(({ key, state }) => key.endsWith("/absent") && state === "failed"),
    );
    const table = await keyferry(statusArgs());
    assert.equal(table.code, 1);
    assert.match(table.stdout, /SYNC +STATE +SYNCED +NEXT +ERROR/);
    assert.match(table.stdout, /team-a\/db +synced/);
    assert.match(table.stdout, /team-a\/absent +failed .*VAULT_PATH_MISSING: /);
    assert.equal(await engine.stop(), 0);
    await place.undeclare("absent");
  });

  it("status and explain say that no engine works on this state, since when, and exit 1", async () => {
    const key = `one/VaultStaticSecret/${NS}/db`;
    const explainArgs = (...more: readonly string[]) => ["explain", key, "--data-dir", file("data"), ...more] as const;
    const answers = async () => {
      const [shown, told] = [await keyferry(statusArgs("-o", "json")), await keyferry(explainArgs("-o", "json"))];
      const [{ engine, syncs, clusters }, description] = [JSON.parse(shown.stdout), JSON.parse(told.stdout)];
      assert.deepEqual(description.engine, engine);
      assert.ok(
        syncs.every(({ error }: { error?: object }) => !error),
        "all else is well",
      );
      assert.deepEqual([clusters[0].state, description.state], ["ok", "synced"]);
      return { codes: [shown.code, told.code], engine: engine as { state: string; since?: string } };
    };
    const engine = await startEngine(world);
    await place.cluster.waitFor("absent to be gone", async () =>
      (await status(world)).syncs.every(({ error }) => !error),
    );
    assert.deepEqual(await answers(), { codes: [0, 0], engine: { state: "working" } });
    const killedAt = Date.now();
    await engine.kill();
    const killed = await answers();
    assert.deepEqual([killed.codes, killed.engine.state], [[1, 1], "stopped"]);
    assert.ok(Math.abs(Date.parse(killed.engine.since ?? "") - killedAt) < 30_000, "its last tick");
    for (const args of [statusArgs(), explainArgs()]) {
      const { code, stdout } = await keyferry(args);
      assert.equal(code, 1);
      assert.match(stdout, /^No keyferry works with .*data: the last one stopped \d+[sm] ago \(.*keyferry run/);
    }
    assert.equal((await runOnce(world)).code, 0);
    const done = await answers();
    assert.ok(Date.parse(done.engine.since ?? "") > killedAt, "a pass leaves its mark");
  });

  it("answers /healthz, /readyz and /metrics, and refuses a data directory or a port that is in use", async () => {
    await using engine = await startEngine(world);
    // A connection that was kept may be closed by the engine just when the next page is asked for.
    const page = (path: string) => fetch(`${engine.url}/${path}`, { headers: { connection: "close" } });
    for (const path of ["healthz", "readyz"]) assert.equal((await page(path)).status, 200);
    assert.match(await engine.metrics(), /^# HELP keyferry_syncs_total /m);
    assert.equal((await page("else")).status, 404);
    const second = await keyferry(["run", "--fleet", world.fleetPath, "--data-dir", file("data"), "--listen", "none"]);
    assert.equal(second.code, 2);
    assert.match(second.stderr, /in use|another/);
    const listen = new URL(engine.url).host;
    const third = await keyferry(["run", "--fleet", world.fleetPath, "--data-dir", file("third"), "--listen", listen]);
    assert.equal(third.code, 2);
    assert.match(third.stderr, /--listen/);
    await assertNoLeak(world, engine, [PASSWORD]);
  });

  it("lease-table 25: another installation stands back from a cluster that is taken", async () => {
    const { code, stderr } = await runOnce(world, { dataDir: file("other") });
    assert.equal(code, 1);
    assert.match(stderr, /OTHER_CONTROLLER/);
    const { clusters, syncs } = await status(world, { dataDir: file("other") });
    assert.equal(clusters[0]?.error?.code, "OTHER_CONTROLLER");
    assert.deepEqual(syncs, []);
  });

  it("Ctrl-C finishes what is under way and exits 0", async () => {
    const metadata = { name: "slow", namespace: NS };
    const answer = { data: { password: PASSWORD }, metadata: { version: 1, created_time: "2026-01-01T00:00:00Z" } };
    const asked = Promise.withResolvers<void>();
    await using slow = await brokenVault((response) => void asked.promise.then(() => json(response, { data: answer })));
    const kubernetes = { role: "app", serviceAccount: "app" };
    const auth = { method: "kubernetes", mount: "kubernetes-one", vaultConnectionRef: "slow", kubernetes };
    await place.cluster.apply({ apiVersion: API, kind: "VaultConnection", metadata, spec: { address: slow.address } });
    await place.cluster.apply({ apiVersion: API, kind: "VaultAuth", metadata, spec: auth });
    await using engine = await startEngine(world);
    await place.declare("slow", { vaultAuthRef: "slow" });
    await place.cluster.waitFor("the read to be under way", async () => slow.reads === 1);
    const stopped = engine.stop();
    await place.cluster.waitFor("the wish to stop", async () =>
      engine.logs.some(({ event }) => event === "stop-asked"),
    );
    assert.equal(await place.secret("slow"), undefined);
    asked.resolve();
    assert.equal(await stopped, 0);
    assert.equal((await place.secret("slow"))?.data.password, PASSWORD);
    await place.synced("slow");
    assert.deepEqual(
      engine.logs.filter(({ level }) => level === "error"),
      [],
    );
    await assertNoLeak(world, engine, [PASSWORD]);
  });

  it("a second Ctrl-C ends it at once", async () => {
    const metadata = { name: "slow", namespace: NS };
    await using silent = await brokenVault(() => undefined);
    await place.cluster.apply({
      apiVersion: API,
      kind: "VaultConnection",
      metadata,
      // Longer than the test takes: a read that is given up would let the engine end by itself.
      spec: { address: silent.address, timeout: "60s" },
    });
    await using engine = launchEngine(world);
    await place.cluster.waitFor("a read that never ends", async () => silent.reads > 0, STARTED_MS);
    engine.child.kill("SIGINT");
    await place.cluster.waitFor("the wish to stop", async () =>
      engine.logs.some(({ event }) => event === "stop-asked"),
    );
    await sleep(ANOTHER_WISH_MS);
    engine.child.kill("SIGINT");
    const [code, signal] = await once(engine.child, "exit");
    assert.deepEqual([code, signal], [null, "SIGINT"]);
  });
});
