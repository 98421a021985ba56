import assert from "node:assert/strict";
import { copyFile, readFile, rename, rm, truncate } from "node:fs/promises";
import { basename, join } from "node:path";
import { after, before, it } from "node:test";
import { MINUTE_MS } from "../../lib/clock.ts";
import { headOf, positionFile } from "../../lib/inlets/position.ts";
import { blocks, pages } from "../docs/pages.ts";
import { waitFor } from "../harness/index.ts";
import { type ReservedPort, reservePorts } from "../harness/process/ports.ts";
import type { VaultFlavor } from "../harness/vault/config-file.ts";
import { dataDirOf, later, type RunningEngine, startEngine } from "./support/engine.ts";
import { declareAll, follows, SOON_MS, serves, setInlets } from "./support/inlets.ts";
import { type Place, placeIn } from "./support/place.ts";
import { sideBySide } from "./support/side-by-side.ts";
import { startWorld, type World } from "./support/world.ts";

const NS = "team-a";
const NAMES = Array.from({ length: 10 }, (_, at) => `sync-${at}`);

sideBySide(
  "audit lines of a Vault",
  ["openbao", "vault"] as const,
  (flavor) => `a change in ${flavor} reaches its Secret at once`,
  storyOn,
);

function storyOn(flavor: VaultFlavor): void {
  let world: World;
  let place: Place;
  let engine: RunningEngine;
  let ports: readonly ReservedPort[];
  let tcp: string;
  let unix: string;

  before(async () => {
    ports = await reservePorts(1);
    world = await startWorld({ clusters: ["one"], vault: { flavor } });
    const [cluster = assert.fail()] = world.clusters;
    tcp = `127.0.0.1:${ports[0]?.port}`;
    unix = join(world.folder, "audit.sock");
    await world.namespace(cluster, NS);
    place = placeIn(cluster, NS);
    engine = await startEngine(world);
    await declareAll(world, place, NAMES);
  });
  after(async () => {
    await engine?.[Symbol.asyncDispose]();
    await world?.[Symbol.asyncDispose]();
    for (const port of ports ?? []) await port[Symbol.asyncDispose]();
  });

  const file = () => ({ file: { path: world.vault.auditPath } });
  /** Writes each path, and returns what the Secrets must hold in the end. */
  async function writes(times: number, prefix: string): Promise<ReadonlyMap<string, string>> {
    const last = new Map<string, string>();
    for (let at = 0; at < times; at++) {
      const name = NAMES[at % NAMES.length] ?? "";
      last.set(name, `${prefix}-${at}`);
      await world.vault.putKv("kv", name, { password: `${prefix}-${at}` });
    }
    return last;
  }
  const allFollow = async (last: ReadonlyMap<string, string>) => {
    for (const [name, password] of last) await follows(place, name, password);
  };
  const reopen = () => process.kill(world.vault.server.pid() ?? 0, "SIGHUP");
  /** Vault's new file has lines only once it is asked for something. */
  const newFile = () =>
    waitFor("a new audit file", async () => {
      await world.vault.putKv("kv", "unrelated", { password: "any" });
      return (await world.vault.auditLines()).length > 0;
    });
  /** Stored once a second: until then, a follower that dies is still in what was renamed, or copied and truncated. */
  const positionStored = () =>
    waitFor("a position in what the file holds now", async () => {
      const stored = await positionFile(join(dataDirOf(world), "inlets", "main.json")).load();
      if (typeof stored === "string" || stored.file === undefined) return false;
      const { offset, head } = stored.file;
      const content = await readFile(world.vault.auditPath);
      // Its first line has a time of its own: no other file begins so.
      const isThis = head.length > 0 && headOf(content.subarray(0, head.length)).digest === head.digest;
      return isThis && offset <= content.length;
    });

  it("by a file that is followed, from the moment when fleet.yaml names it", async () => {
    await setInlets(world, engine, file());
    await allFollow(await writes(10, "file"));
  });

  // Before anything is missed: a sweep would read all paths, up to minutes later.
  it("reads no path that did not change", async () => {
    const reads = async () => (await world.vault.auditedReads()).get("read kv/data/sync-1") ?? 0;
    await allFollow(await writes(1, "only-the-first"));
    const before = await reads();
    await allFollow(await writes(1, "only-the-first-again"));
    assert.equal(await reads(), before);
  });

  it("while the file is rotated by renaming, under load", async () => {
    const path = world.vault.auditPath;
    const writing = writes(300, "renamed");
    for (let at = 1; at <= 5; at++) {
      await rename(path, `${path}.${at}`);
      reopen();
      await newFile();
    }
    await allFollow(await writing);
    assert.doesNotMatch(await engine.metrics(), /keyferry_inlet_missed_total\{.*offset-gone/);
  });

  it("while the file is copied and truncated, under load", async () => {
    const path = world.vault.auditPath;
    const writing = writes(200, "truncated");
    for (let at = 6; at <= 8; at++) {
      await waitFor("audit lines", async () => (await world.vault.auditLines()).length > 20);
      await copyFile(path, `${path}.${at}`);
      await truncate(path);
    }
    await writing;
    // On a busy machine the writes may be over first: nobody has the lines between a copy and its truncation.
    await allFollow(await writes(NAMES.length, "after-the-last"));
  });

  it("after a crash and a quarter of an hour: 1,000 lines and a rotation later, none is lost", async () => {
    await positionStored();
    await engine.kill();
    const last = await writes(500, "while-dead");
    await rename(world.vault.auditPath, `${world.vault.auditPath}.9`);
    reopen();
    const more = await writes(20, "after-a-rotation");
    engine = await startEngine(world, later(15 * MINUTE_MS));
    await serves(engine, 0, file());
    await allFollow(new Map([...last, ...more]));
    assert.doesNotMatch(await engine.metrics(), /keyferry_inlet_missed_total\{.*offset-gone/);
  });

  it("after a crash, when the rest of the file is gone: all syncs are looked at", async () => {
    // Its period is what the sweep is spread over.
    await place.declare("often", { path: "sync-0", refreshAfter: "10s" });
    await place.synced("often", SOON_MS);
    // A follower that dies in the file before finds the next one, and can't know that there was another in between.
    await positionStored();
    await engine.kill();
    const last = await writes(10, "in-a-file-that-is-gone");
    await rm(world.vault.auditPath);
    reopen();
    await newFile();
    engine = await startEngine(world, later(30 * MINUTE_MS));
    await serves(engine, 0, file());
    await allFollow(last);
    const gone = /keyferry_inlet_missed_total\{vault="main",inlet="file",reason="offset-gone"\} 1/;
    await waitFor("the metric", async () => gone.test(await engine.metrics()));
    await allFollow(await writes(10, "in-the-new-file"));
  });

  if (flavor === "vault") {
    it("by the audit device that the documentation gives to Terraform", async () => {
      const page = pages().find(({ path }) => path === "docs/events.md") ?? assert.fail();
      const [block = assert.fail()] = blocks(page, "hcl");
      const field = (name: string) => new RegExp(`\\b${name}\\s*= "(.*)"`).exec(block)?.[1] ?? assert.fail(name);
      const path = join(world.folder, basename(field("file_path")));
      const options = { file_path: path };
      await world.vault.write("sys/audit/documented", { type: field("type"), options });
      await setInlets(world, engine, { file: { path } });
      await allFollow(await writes(10, "documented"));
      await world.vault.request("DELETE", "sys/audit/documented");
    });

    for (const way of ["tcp", "unix"] as const) {
      it(`by a socket device: ${way}`, async () => {
        const inlet = way === "tcp" ? { tcp: { listen: tcp } } : { unix: { path: unix } };
        await setInlets(world, engine, inlet);
        const options = { address: way === "tcp" ? tcp : unix, socket_type: way };
        await world.vault.write(`sys/audit/${way}`, { type: "socket", options });
        await allFollow(await writes(20, way));
        await waitFor("a sweep, because Vault connected", async () =>
          (await engine.metrics()).includes(`inlet="${way}",reason="reconnected"`),
        );
        await world.vault.request("DELETE", `sys/audit/${way}`);
      });
    }

    it("Vault answers while a socket device hangs, after 2 seconds each time its buffer is full", async (t) => {
      await setInlets(world, engine, { tcp: { listen: tcp } });
      await world.vault.write("sys/audit/tcp", { type: "socket", options: { address: tcp, socket_type: "tcp" } });
      const latencies = async (): Promise<readonly number[]> => {
        const all: number[] = [];
        // The buffers of both sides take some megabytes.
        const padding = "x".repeat(1_000);
        const keys = Object.fromEntries(Array.from({ length: 200 }, (_, at) => [`key-${at}`, padding]));
        for (let at = 0; at < 200 && Math.max(0, ...all) < 1_000; at++) {
          const startedAt = performance.now();
          await world.vault.putKv("kv", "large", keys);
          all.push(performance.now() - startedAt);
        }
        return all;
      };
      const shown = (all: readonly number[]) => `${Math.max(...all).toFixed(0)} ms at most of ${all.length}`;
      t.diagnostic(`Vault with a reader: ${shown(await latencies())}`);
      engine.child.kill("SIGSTOP");
      t.diagnostic(`Vault with a peer that hangs: ${shown(await latencies())}`);
      engine.child.kill("SIGCONT");
      // The lines that its buffer held, and those after them.
      await allFollow(await writes(1, "after-the-hang"));
      await world.vault.request("DELETE", "sys/audit/tcp");
    });
  }

  it("is shown by metrics", async () => {
    if (flavor === "vault") await setInlets(world, engine, file());
    const metrics = await engine.metrics();
    assert.match(metrics, /keyferry_inlet_lines_total\{vault="main",inlet="file"\} \d+/);
    await waitFor(
      "no lag",
      async () => /keyferry_inlet_lag_bytes\{vault="main"\} 0$/m.test(await engine.metrics()),
      SOON_MS,
    );
  });
}
