import assert from "node:assert/strict";
import { mkdtempSync, renameSync, rmSync, symlinkSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it, type TestContext } from "node:test";
import { SyncError } from "../../../lib/errors.ts";
import { readFleet } from "../../../lib/fleet/read-fleet.ts";
import { type TakeFleet, type WatchedFleet, watchedFleet } from "../../../lib/fleet/watched-fleet.ts";

const MINUTE = 60_000;

function fleetOf(...names: readonly string[]): string {
  return fleetWith({}, ...names);
}

function fleetWith(more: object, ...names: readonly string[]): string {
  const clusters = names.map((name) => ({ name, connect: { kubeconfig: { path: `./${name}` } } }));
  return JSON.stringify({ apiVersion: "keyferry.dev/v1alpha1", kind: "Fleet", clusters, ...more });
}

let writings = 0;

/** Each at a time of its own: file systems tell times in steps, and polls come faster here than they do. */
function written(path: string, text: string): void {
  writeFileSync(path, text);
  utimesSync(path, ++writings, writings);
}

interface Scene {
  readonly folder: string;
  readonly path: string;
  readonly fleet: WatchedFleet;
  /** Names of each fleet that was handed on. */
  readonly taken: (readonly string[])[];
  readonly told: string[];
  readonly counted: string[];
  /** So many polls, each as late as this. */
  polls(times: number, ms?: number): Promise<void>;
}

/** Its polls are made one by one. */
async function start(t: TestContext, take?: TakeFleet): Promise<Scene> {
  const folder = mkdtempSync(join(tmpdir(), "keyferry-fleet-"));
  t.after(() => rmSync(folder, { recursive: true }));
  const path = join(folder, "fleet.yaml");
  written(path, fleetOf("one"));
  let now = 0;
  let [asleep, wake] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const over = new AbortController();
  const [taken, told, counted]: [(readonly string[])[], string[], string[]] = [[], [], []];
  const tell = (event: string, fields: object = {}) => void told.push(`${event} ${JSON.stringify(fields)}`);
  const fleet = watchedFleet({
    path,
    read: await readFleet(path),
    clock: () => now,
    sleep: async () => {
      wake = Promise.withResolvers();
      asleep.resolve();
      await wake.promise;
    },
    log: { debug: tell, info: tell, warn: tell, error: tell },
    metrics: { count: (name) => void counted.push(name) },
  });
  const watching = fleet.watch(async (next, before) => {
    await take?.(next, before);
    taken.push(next.clusters.map(({ name }) => name));
  }, over.signal);
  await asleep.promise;
  t.after(async () => {
    over.abort();
    wake.resolve();
    await watching;
  });
  return {
    ...{ folder, path, fleet, taken, told, counted },
    async polls(times, ms = 1_000) {
      for (let poll = 0; poll < times; poll++) {
        now += ms;
        asleep = Promise.withResolvers();
        wake.resolve();
        await asleep.promise;
      }
    },
  };
}

describe("a fleet.yaml that changes", () => {
  it("is handed on once it was the same twice, and only if the fleet is another one", async (t) => {
    const { path, fleet, taken, told, polls } = await start(t);
    await polls(3);
    assert.deepEqual([taken, told], [[], []], "as it was read");
    written(path, fleetOf("one", "two").slice(0, 50));
    await polls(1);
    written(path, fleetOf("one", "two"));
    await polls(3);
    assert.deepEqual(taken, [["one", "two"]]);
    assert.deepEqual(
      told.filter((line) => line.startsWith("fleet-unreadable")),
      [],
      "nobody read half of it",
    );
    assert.deepEqual(
      fleet.current().clusters.map(({ name }) => name),
      ["one", "two"],
    );
    assert.equal(fleet.find("two")?.name, "two");
    written(path, `${fleetOf("one", "two")}\n`);
    await polls(3);
    assert.equal(taken.length, 1);
  });

  it("stays as it was while the file is broken or gone, which is told once a minute", async (t) => {
    const { path, fleet, taken, told, counted, polls } = await start(t);
    written(path, "clusters: [");
    await polls(30);
    assert.equal(counted.length, 1);
    await polls(1, MINUTE);
    assert.deepEqual(new Set(counted), new Set(["keyferry_fleet_unreadable_total"]));
    assert.equal(counted.length, 2);
    assert.match(told[0] ?? "", /^fleet-unreadable .*fleet\.yaml:1: /);
    rmSync(path);
    await polls(2);
    assert.match(told.at(-1) ?? "", /can't be read \(ENOENT\)/);
    assert.equal(fleet.find("one")?.name, "one");
    written(path, fleetOf("two"));
    await polls(2);
    assert.deepEqual(taken, [["two"]]);
    assert.equal(fleet.find("one"), undefined);
    assert.deepEqual(fleet.find("two")?.connect, { kubeconfig: { path: "./two" } });
  });

  it("is seen through links that are pointed elsewhere, as in a mounted ConfigMap", async (t) => {
    const { folder, path, taken, polls } = await start(t);
    writeFileSync(join(folder, "a"), fleetOf("one"));
    writeFileSync(join(folder, "b"), fleetOf("two"));
    rmSync(path);
    symlinkSync("data", path);
    symlinkSync("a", join(folder, "data"));
    await polls(3);
    assert.deepEqual(taken, []);
    symlinkSync("b", join(folder, "next"));
    renameSync(join(folder, "next"), join(folder, "data"));
    await polls(3);
    assert.deepEqual(taken, [["two"]]);
  });

  it("is read at once when someone asks, and says that it is the same", async (t) => {
    const { path, fleet, taken, told, polls } = await start(t);
    await polls(3);
    fleet.ask();
    await polls(1);
    assert.match(told.at(-1) ?? "", /^fleet-unchanged /);
    written(path, fleetOf("two"));
    fleet.ask();
    await polls(1);
    assert.deepEqual(taken, [["two"]]);
  });

  it("is handed on again when it could not be taken up", async (t) => {
    let [tries, from] = [0, ""];
    const { path, fleet, taken, told, polls } = await start(t, async (_next, before) => {
      from = before.clusters.map(({ name }) => name).join();
      if (++tries === 1) throw new SyncError("STORE_UNAVAILABLE", "locked");
      if (tries === 2) throw new TypeError("holds a value");
    });
    written(path, fleetOf("two"));
    await polls(2);
    assert.match(told.at(-1) ?? "", /^fleet-not-taken-up .*STORE_UNAVAILABLE/);
    assert.equal(fleet.find("one"), undefined, "nothing is begun for what left");
    await polls(1, MINUTE);
    assert.match(told.at(-1) ?? "", /^fleet-not-taken-up .*TypeError/);
    assert.doesNotMatch(told.join(), /holds a value/);
    await polls(1, MINUTE);
    assert.deepEqual([taken, tries, from], [[["two"]], 3, "one"]);
  });

  it("is handed on when an edit that could not be taken up is taken back, because half of it may be in force", async (t) => {
    let tries = 0;
    const { path, taken, told, polls } = await start(t, async () => {
      if (++tries === 1) throw new SyncError("STORE_UNAVAILABLE", "locked");
    });
    written(path, fleetOf("two"));
    await polls(2);
    assert.match(told.at(-1) ?? "", /^fleet-not-taken-up /);
    written(path, fleetOf("one"));
    await polls(2);
    assert.deepEqual([taken, tries], [[["one"]], 2]);
    assert.match(told.at(-1) ?? "", /^fleet-reloaded /);
    written(path, `${fleetOf("one")}\n`);
    await polls(2);
    assert.equal(tries, 2, "and no more than once");
  });
});

describe("a fleet.yaml that lacks many clusters, or a hub", () => {
  const FIVE = ["one", "two", "three", "four", "five"];
  const HUB = { name: "main", connect: { kubeconfig: { path: "./hub" } }, argocd: {} };

  async function five(t: TestContext, more: object = {}): Promise<Scene> {
    const scene = await start(t);
    written(scene.path, fleetWith(more, ...FIVE));
    await scene.polls(2);
    assert.deepEqual(scene.taken.splice(0), [FIVE]);
    scene.told.length = 0;
    return scene;
  }

  it("waits for the rest of a writing that stalls", async (t) => {
    const { path, fleet, taken, told, polls } = await five(t);
    written(path, fleetOf("one", "two"));
    await polls(25);
    assert.deepEqual([taken, fleet.current().clusters.length], [[], 5]);
    assert.deepEqual(told, [
      `fleet-clusters-missing ${JSON.stringify({ fleet: path, gone: ["three", "four", "five"], waitSeconds: 30 })}`,
    ]);
    written(path, fleetOf("one", "two", "three"));
    await polls(25);
    assert.deepEqual(taken, [["one", "two", "three"]], "two are believed at once");
  });

  it("is handed on once the file was the same for half a minute, or at once when someone asks", async (t) => {
    const { path, fleet, taken, told, polls } = await five(t);
    written(path, fleetOf("one"));
    await polls(20);
    written(path, fleetOf("two"));
    await polls(30);
    assert.deepEqual(taken, []);
    await polls(2);
    assert.deepEqual(taken, [["two"]]);
    assert.match(told.at(-1) ?? "", /^fleet-reloaded /);
    written(path, fleetOf(...FIVE));
    await polls(2);
    written(path, fleetOf("two"));
    fleet.ask();
    await polls(1);
    assert.deepEqual(taken.slice(1), [FIVE, ["two"]]);
  });

  it("is handed on after half a minute, too, when it is written again and again, and told once", async (t) => {
    const { path, taken, told, polls } = await five(t);
    for (let time = 0; time < 4; time++) {
      written(path, `${fleetOf("one")}${"\n".repeat(time)}`);
      await polls(10);
    }
    assert.deepEqual(taken, [["one"]]);
    assert.equal(told.filter((line) => line.startsWith("fleet-clusters-missing")).length, 1);
  });

  it("waits for a hub that is gone", async (t) => {
    const { path, taken, told, polls } = await five(t, { hubs: [HUB] });
    written(path, fleetOf(...FIVE));
    await polls(20);
    assert.deepEqual(taken, []);
    assert.match(told.join(), /"gone":\["hub:main"\]/);
    await polls(20);
    assert.deepEqual(taken, [FIVE]);
  });
});
