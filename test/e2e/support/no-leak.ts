import assert from "node:assert/strict";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Cluster } from "../../harness/index.ts";
import { dataDirOf, keyferry, type RunningEngine } from "./engine.ts";
import type { World } from "./world.ts";

const API = "secrets.hashicorp.com/v1beta1";
const RESOURCES = ["vaultstaticsecrets", "vaultdynamicsecrets", "vaultpkisecrets", "vaultauths", "vaultconnections"];

/** Nothing that is secret stands anywhere but in Vault and in Secrets: not in output, state, resources, events or metrics. */
export async function assertNoLeak(
  world: World,
  engine: Pick<RunningEngine, "output" | "url" | "child"> | undefined,
  values: readonly string[],
  dataDir: string = dataDirOf(world),
): Promise<void> {
  const isRunning = engine !== undefined && engine.child.exitCode === null && engine.child.signalCode === null;
  const places: readonly (readonly [string, Buffer])[] = [
    ["the engine's output", Buffer.from(engine?.output() ?? "")],
    ["its metrics", Buffer.from(isRunning ? await metricsAt(engine.url) : "")],
    ...(await filesIn(dataDir)),
    ...(await statuses(world, dataDir)),
    ...(await Promise.all(world.clusters.map(told))).flat(),
  ];
  for (const [name, bytes] of places) {
    for (const value of values) {
      for (const form of formsOf(value)) {
        assert.ok(!bytes.includes(form), `${name} holds a secret value (${value.length} characters)`);
      }
    }
  }
}

/** By a connection of its own: one that was kept may be closed by the engine just when it is used again. */
async function metricsAt(url: string): Promise<string> {
  return (await fetch(`${url}/metrics`, { headers: { connection: "close" } })).text();
}

/** As it is, and as it may have been encoded on its way. */
function formsOf(value: string): readonly string[] {
  assert.ok(value.length >= 8, "too short to be looked for");
  const bytes = Buffer.from(value);
  return [value, ...[0, 1, 2].map((offset) => base64At(offset, bytes)), bytes.toString("hex")];
}

/** Its part of a base64 text in which so many other bytes stand before it. */
function base64At(offset: number, bytes: Buffer): string {
  const text = Buffer.concat([Buffer.alloc(offset), bytes]).toString("base64");
  return text.slice(Math.ceil((offset * 8) / 6), Math.floor(((offset + bytes.length) * 8) / 6));
}

async function filesIn(folder: string): Promise<readonly (readonly [string, Buffer])[]> {
  const names = await readdir(folder).catch(() => []);
  const files = names.map(async (name) => [name, await readFile(join(folder, name)).catch(ifGone)] as const);
  return Promise.all(files);
}

/** An engine that works puts new files in the place of old ones: one of them may be gone since its name was read. */
function ifGone(error: NodeJS.ErrnoException): Buffer {
  if (error.code !== "ENOENT") throw error;
  return Buffer.alloc(0);
}

async function statuses(world: World, dataDir: string): Promise<readonly (readonly [string, Buffer])[]> {
  const outputs = ["table", "json"].map(async (format) => {
    const ran = await keyferry(["status", "--fleet", world.fleetPath, "--data-dir", dataDir, "-o", format]);
    return [`keyferry status -o ${format}`, Buffer.from(ran.stdout + ran.stderr)] as const;
  });
  return Promise.all(outputs);
}

/** What the cluster was told about: resources with their status, and events. */
async function told(cluster: Cluster): Promise<readonly (readonly [string, Buffer])[]> {
  const paths = ["/api/v1/events", ...RESOURCES.map((resource) => `/apis/${API}/${resource}`)];
  const answers = paths.map(async (path) => {
    const { status, text } = await cluster.request("GET", path);
    assert.equal(status, 200, path);
    return [`${cluster.name} ${path}`, Buffer.from(text)] as const;
  });
  return Promise.all(answers);
}
