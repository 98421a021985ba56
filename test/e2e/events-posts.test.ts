import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { promisify } from "node:util";
import { gzipSync } from "node:zlib";
import { signPost } from "../../lib/inlets/signed-post.ts";
import { blocks, pages } from "../docs/pages.ts";
import { waitFor } from "../harness/index.ts";
import { type ReservedPort, reservePorts } from "../harness/process/ports.ts";
import { type TempFolder, tempFolder } from "../harness/process/temp-folder.ts";
import type { AuditDevice } from "../harness/vault/config-file.ts";
import { keyferry, type RunningEngine, startEngine } from "./support/engine.ts";
import { declareAll, follows, serves, setInlets } from "./support/inlets.ts";
import { sum } from "./support/metric-sums.ts";
import { type Place, placeIn } from "./support/place.ts";
import { type Relay, startRelay } from "./support/relay.ts";
import { startWorld, type World } from "./support/world.ts";

const NS = "team-a";
const KEY = "the key of an inlet, long enough to count";
const TOKEN = "the-token-of-the-relay-long-enough";

const PAGE = pages().find(({ path }) => path === "docs/events.md") ?? assert.fail();

/** The devices in the examples of OpenBao's configuration, besides the file. */
function documentedDevices(): readonly AuditDevice[] {
  const examples = blocks(PAGE, "json").map((text) => JSON.parse(text) as { readonly audit: readonly AuditDevice[] });
  const devices = examples.flatMap(({ audit }) => audit).filter(({ type }) => type === "http");
  assert.equal(devices.length, 1);
  return devices;
}

describe("POSTs of OpenBao's http device", { timeout: 600_000 }, () => {
  let folder: TempFolder;
  let ports: readonly ReservedPort[];
  let world: World;
  let place: Place;
  let relay: Relay;
  let engine: RunningEngine;
  let inlet: string;
  let relayAt: string;
  let events: Readonly<Record<string, unknown>>;

  before(async () => {
    folder = await tempFolder("posts");
    ports = await reservePorts(2);
    const [first = 0, second = 0] = ports.map(({ port }) => port);
    [relayAt, inlet] = [`127.0.0.1:${first}`, `127.0.0.1:${second}`];
    await writeFile(join(folder.path, "post.key"), `${KEY}\n`, { mode: 0o600 });
    await writeFile(join(folder.path, "relay.token"), `${TOKEN}\n`, { mode: 0o600 });
    events = { http: { listen: inlet, path: "/main", keyFile: join(folder.path, "post.key") } };
    // OpenBao tests its devices when it starts.
    relay = await startRelay([...toInlet(), "--listen", relayAt, "--bearer-file", join(folder.path, "relay.token")]);
    const headers = JSON.stringify({ Authorization: ["env://RELAY_AUTHORIZATION"] });
    world = await startWorld({
      clusters: ["one"],
      vault: {
        auditDevices: documentedDevices().map(({ options, ...device }) => ({
          ...device,
          options: { ...options, uri: `http://${relayAt}/`, headers },
        })),
        env: { RELAY_AUTHORIZATION: `Bearer ${TOKEN}` },
      },
    });
    const [cluster = assert.fail()] = world.clusters;
    await world.namespace(cluster, NS);
    place = placeIn(cluster, NS);
    await world.writeFleet(() => ({}), { events });
    engine = await startEngine(world);
    await serves(engine, 0, events);
    await declareAll(world, place, ["one", "two"]);
  });
  after(async () => {
    await engine?.[Symbol.asyncDispose]();
    await relay?.[Symbol.asyncDispose]();
    await world?.[Symbol.asyncDispose]();
    for (const port of ports ?? []) await port[Symbol.asyncDispose]();
    await folder?.[Symbol.asyncDispose]();
  });

  const toInlet = () => ["--to", `http://${inlet}/main`, "--key-file", join(folder.path, "post.key")];
  const change = async (name: string, password: string) => {
    await world.vault.putKv("kv", name, { password });
    return () => follows(place, name, password);
  };
  // A connection that was kept may be closed by its server just when it is used again.
  const own = { connection: "close" };
  const post = (body: string, headers: Readonly<Record<string, string>>) =>
    fetch(`http://${inlet}/main`, { method: "POST", body, headers: { ...headers, ...own } });

  it("reach the Secret through a relay, which signs them", async () => {
    await (await change("one", "relayed"))();
    assert.match(
      await engine.metrics(),
      /keyferry_inlet_missed_total\{vault="main",inlet="http",reason="reconnected"\} 1/,
    );
  });

  it("wait in the relay while keyferry is dead, and OpenBao does not", async (t) => {
    await engine.kill();
    const startedAt = performance.now();
    const [first, second] = [await change("one", "while-dead"), await change("two", "while-dead")];
    t.diagnostic(`two writes with a dead receiver: ${(performance.now() - startedAt).toFixed(0)} ms`);
    await waitFor("a failed attempt", async () => relay.logs.some(({ event }) => event === "relay-failed"));
    const failure = relay.logs.find(({ event }) => event === "relay-failed");
    assert.deepEqual([failure?.to, failure?.why], [`http://${inlet}`, "ECONNREFUSED"]);
    engine = await startEngine(world);
    await first();
    await second();
  });

  it("are taken at once from a relay even if keyferry hangs", async (t) => {
    engine.child.kill("SIGSTOP");
    const startedAt = performance.now();
    for (let at = 0; at < 20; at++) await change("one", `hanging-${at}`);
    t.diagnostic(`20 writes with a receiver that hangs: ${(performance.now() - startedAt).toFixed(0)} ms`);
    engine.child.kill("SIGCONT");
    await follows(place, "one", "hanging-19");
  });

  it("are refused when forged, replayed or unsigned", async () => {
    const body = '{"type":"response"}';
    const now = Date.now();
    const good = signPost(Buffer.from(body), { key: Buffer.from(KEY), now });
    const of = { vault: "main", reason: "replayed" };
    const replayed = async () => sum(await engine.metrics(), "keyferry_inlet_posts_refused_total", of);
    const earlier = await replayed();
    assert.equal((await post(body, good)).status, 200);
    assert.equal((await post(body, good)).status, 409);
    assert.equal((await post(`${body}\n`, good)).status, 401);
    assert.equal((await post(body, {})).status, 401);
    assert.equal(
      (await post(body, signPost(Buffer.from(body), { key: Buffer.from(KEY), now: now - 301_000 }))).status,
      401,
    );
    assert.equal((await fetch(`http://${relayAt}/`, { method: "POST", body, headers: own })).status, 401);
    // The relay itself sends again what keyferry took while it hung, and did not answer.
    assert.ok((await replayed()) > earlier);
  });

  it("may be signed by a script, as documented", async () => {
    const [script = assert.fail()] = blocks(PAGE, "sh");
    const lines = join(folder.path, "lines");
    await writeFile(lines, '{"type":"response"}\n{"type":"request"}\n');
    const env = {
      ...{ PATH: process.env.PATH, LINES_FILE: lines, KEY_FILE: join(folder.path, "post.key") },
      URL: `http://${inlet}/main`,
    };
    const { stdout } = await promisify(execFile)("sh", ["-ec", script], { env });
    assert.deepEqual(JSON.parse(stdout), { lines: 2, bad: 1, nudged: 0 });
  });

  it("come from a file, too, that a relay follows", async () => {
    await relay.stop();
    // OpenBao's requests succeed, because its file device works.
    const follow = ["--follow", world.vault.auditPath, "--data-dir", join(folder.path, "relay")];
    await using following = await startRelay([...toInlet(), ...follow]);
    await (await change("one", "followed"))();
    assert.equal(await following.stop(), 0);
    const second = await change("two", "while-no-relay");
    await using again = await startRelay([...toInlet(), ...follow]);
    await second();
    assert.ok(!again.logs.some(({ event }) => event === "audit-lines-missed"));
  });

  it("may come from a log shipper with a token, compressed", async () => {
    await writeFile(join(folder.path, "shipper.token"), `${TOKEN}\n`);
    await setInlets(world, engine, { http: { listen: inlet, bearerFile: join(folder.path, "shipper.token") } });
    const sent = (await readFile(world.vault.auditPath)).length;
    const follow = await change("one", "shipped");
    const lines = (await readFile(world.vault.auditPath)).subarray(sent);
    const type = { "content-encoding": "gzip", "content-type": "text/plain" };
    const headers = { authorization: `Bearer ${TOKEN}`, ...type, ...own };
    const answer = await fetch(`http://${inlet}/`, { method: "POST", headers, body: gzipSync(lines) });
    assert.equal(answer.status, 200);
    await follow();
  });

  it("need a relay with sound settings", async () => {
    const ran = (...args: readonly string[]) => keyferry(["audit", "relay", ...args]);
    const key = ["--key-file", join(folder.path, "post.key")];
    const refused: readonly (readonly [args: readonly string[], says: RegExp])[] = [
      [["--to", "http://keyferry.example.com/", ...key, "--listen", relayAt], /must begin with https/],
      [["--to", "nowhere", ...key, "--listen", relayAt], /must be a URL/],
      [[...toInlet()], /needs one of --listen and --follow/],
      [[...toInlet(), "--listen", "0.0.0.0:1"], /on loopback/],
      [["--to", `http://${inlet}/main`, "--key-file", "/dev/null", "--listen", relayAt], /at least 32 characters/],
    ];
    for (const [args, says] of refused) {
      const { code, stderr } = await ran(...args);
      assert.equal(code, 2, args.join(" "));
      assert.match(stderr, says);
    }
  });
});
