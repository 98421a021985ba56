import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { blocks, pages } from "../docs/pages.ts";
import { type Cluster, waitFor } from "../harness/index.ts";
import { reservePort } from "../harness/process/ports.ts";
import { type ReceivedEvent, startReceiver, type WebhookReceiver } from "../webhook-receiver.ts";
import { keyferry, type RunningEngine, runOnce, startEngine } from "./support/engine.ts";
import { type Place, placeIn } from "./support/place.ts";
import { startWorld, type World } from "./support/world.ts";

const NS = "team-a";
const KEY = "a key of at least thirty-two characters";

describe("domain events of `keyferry run`", { timeout: 300_000 }, () => {
  let world: World;
  let place: Place;
  let receiver: WebhookReceiver;
  let keyFile: string;

  before(async () => {
    [world, receiver] = await Promise.all([startWorld({ clusters: ["one"] }), startReceiver()]);
    const cluster = world.clusters[0] as Cluster;
    await world.namespace(cluster, NS);
    place = placeIn(cluster, NS);
    keyFile = join(world.folder, "events.key");
    await writeFile(keyFile, `${KEY}\n`, { mode: 0o600 });
  });
  after(async () => {
    await receiver?.[Symbol.asyncDispose]();
    await world?.[Symbol.asyncDispose]();
  });

  const engine = (url: string): Promise<RunningEngine> =>
    startEngine(world, { env: { KEYFERRY_EVENTS_URL: url, KEYFERRY_EVENTS_KEY_FILE: keyFile } });
  const of = (name: string, kind: string) => (events: readonly ReceivedEvent[]) =>
    events.some(({ type, data }) => type === `dev.keyferry.${kind}` && data.name === name);

  it("reach the webhook and the log, without a value of the Secret, and are forgotten then", async () => {
    await using running = await engine(receiver.url);
    await world.vault.putKv("kv", "db", { password: "hunter-two" });
    await place.declare("db");
    await receiver.eventsThat(of("db", "SecretSynced"));
    await place.patchSecret("db", { data: { password: "aGFjaw==" } });
    const events = await receiver.eventsThat(of("db", "DriftRepaired"));
    assert.doesNotMatch(JSON.stringify(events), /hunter-two|aGFjaw|aHVudGVy/);
    const lines = await waitFor("their lines", async () => {
      const found = running.logs.filter(({ event }) => event === "domain-event");
      return found.length >= 2 && found;
    });
    assert.deepEqual(
      lines.map(({ kind }) => kind),
      ["SecretSynced", "DriftRepaired"],
    );
    assert.deepEqual(
      lines.map(({ detail }) => (detail as { id: string }).id),
      events.map(({ id }) => id),
    );
    await waitFor("the events to be removed from the table", async () =>
      /operation="clearUnsent"\} 2/.test(await running.metrics()),
    );
    assert.match(await running.metrics(), /keyferry_domain_events_sent_total 2/);
  });

  for (const [how, name] of [
    ["run", "late"],
    ["run --once", "later"],
  ] as const) {
    it(`of a killed process are sent by the next one: ${how}`, async () => {
      const before = receiver.posts.length;
      receiver.answer(() => undefined);
      {
        await using running = await engine(receiver.url);
        await world.vault.putKv("kv", name, { password: "one" });
        await place.declare(name);
        await place.synced(name);
        await waitFor("an attempt", async () => receiver.posts.length > before);
        await running.kill();
      }
      receiver.answer(undefined);
      await using next = new AsyncDisposableStack();
      if (how === "run") next.use(await engine(receiver.url));
      else {
        const args = ["--events-url", receiver.url, "--events-key-file", keyFile];
        assert.equal((await runOnce(world, { args })).code, 0);
      }
      const events = await receiver.eventsThat(of(name, "SecretSynced"));
      assert.equal(events.filter((one) => of(name, "SecretSynced")([one])).length, 1);
    });
  }

  it("are verified by the receiver in the documentation, and forged ones are refused", async () => {
    const page = pages().find(({ path }) => path === "docs/domain-events.md") ?? assert.fail("no page");
    const [code = assert.fail("no example")] = blocks(page, "js");
    const path = join(world.folder, "receiver.mjs");
    await writeFile(path, code);
    await using port = await reservePort();
    const child = spawn(process.execPath, [path], { env: { KEY, PORT: String(port.port) }, stdio: "pipe" });
    const output = outputOf(child);
    try {
      const url = `http://127.0.0.1:${port.port}`;
      await waitFor("the receiver", async () => (await fetch(url).catch(() => undefined)) !== undefined);
      await using _running = await engine(url);
      await world.vault.putKv("kv", "example", { password: "one" });
      await place.declare("example");
      const line = `dev.keyferry.SecretSynced one/VaultStaticSecret/${NS}/example first\n`;
      await waitFor("the receiver's line", async () => output().includes(line));
      const { body = assert.fail(), headers = assert.fail() } = receiver.posts.at(-1) ?? {};
      const sent = {
        "x-keyferry-timestamp": String(headers["x-keyferry-timestamp"]),
        "x-keyferry-signature": String(headers["x-keyferry-signature"]),
      };
      const status = async (given: Buffer, more: Record<string, string> = {}) =>
        (await fetch(url, { method: "POST", body: given.toString(), headers: { ...sent, ...more } })).status;
      const forged = await status(Buffer.from(body.toString().replace("late", "evil")));
      const moved = await status(body, { "x-keyferry-timestamp": String(Math.floor(Date.now() / 1_000) + 1) });
      assert.deepEqual([await status(body), forged, moved], [204, 401, 401]);
    } finally {
      child.kill("SIGKILL");
      await once(child, "exit");
    }
  });

  it("need a usable address and key from the start", async () => {
    const run = async (...args: readonly string[]) => {
      const { code, stderr } = await keyferry(["run", "--fleet", world.fleetPath, ...args]);
      return `${code} ${stderr.replaceAll(/\s+/g, " ")}`;
    };
    const url = ["--events-url", receiver.url];
    assert.match(await run(...url), /^2 .*--events-url is not valid: it needs --events-key-file/);
    assert.match(await run("--events-key-file", keyFile), /^2 .*--events-key-file is not valid: it needs --events-url/);
    const secret = "http://someone:hunter-two@127.0.0.1/";
    const refused = await run("--events-url", secret, "--events-key-file", keyFile);
    assert.match(refused, /^2 .*must be an http or https URL without a user and a password/);
    assert.doesNotMatch(refused, /hunter-two/);
    const short = join(world.folder, "short.key");
    await writeFile(short, "too short\n");
    assert.match(await run(...url, "--events-key-file", short), /^2 .*at least 32 characters: openssl rand -hex 32/);
    assert.match(await run(...url, "--events-key-file", join(short, "no")), /^2 .*can't be read: ENOTDIR/);
    assert.doesNotMatch(await readFile(keyFile, "utf8"), /too short/);
  });
});

function outputOf({ stdout, stderr }: ChildProcess): () => string {
  let text = "";
  for (const stream of [stdout, stderr]) {
    stream?.setEncoding("utf8").on("data", (part: string) => {
      text += part;
    });
  }
  return () => text;
}
