import assert from "node:assert/strict";
import { appendFile, writeFile } from "node:fs/promises";
import { connect, createServer } from "node:net";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import { folderFiles } from "../../../lib/fleet/files.ts";
import { type EmbeddedInlets, embeddedInlets } from "../../../lib/inlets/embedded-inlets.ts";
import { signPost } from "../../../lib/inlets/signed-post.ts";
import type { VaultEvents } from "../../../lib/ports/vault-events.ts";
import { openSqliteStore, type SqliteStore } from "../../../lib/store/sqlite/sqlite-store.ts";
import { type ReservedPort, reservePorts } from "../../harness/process/ports.ts";
import { type TempFolder, tempFolder } from "../../harness/process/temp-folder.ts";
import {
  NO_ANSWER,
  type RecordedDeps,
  type RecordingInlet,
  recordedDeps,
  recordingInlet,
  until,
} from "../../unit/inlets/recorder.ts";

const KEYS = { main: "the key of main, long enough to count", edge: "the key of edge, long enough to count" };

const TOKEN = "the token of main, long enough to count".replaceAll(" ", "-");

describe("the inlets of a process", () => {
  let folder: TempFolder;
  let ports: readonly ReservedPort[];
  let deps: RecordedDeps;
  let found: Map<string, RecordingInlet>;
  let inlets: EmbeddedInlets;
  let store: SqliteStore;

  const of = (vault: string): RecordingInlet => found.get(vault) ?? assert.fail(vault);
  const inletOf = (vault: string): RecordingInlet => {
    const inlet = found.get(vault) ?? recordingInlet(vault);
    found.set(vault, inlet);
    return inlet;
  };
  const start = (): EmbeddedInlets =>
    embeddedInlets({
      ...deps,
      inletOf,
      frameInletOf: inletOf,
      subscribe: () => assert.fail("none subscribes"),
      files: folderFiles(folder.path),
      folder: join(folder.path, "inlets"),
      posts: store,
    });
  const at = (index: number): string => `127.0.0.1:${ports[index]?.port}`;
  const told = (event: string, times = 1) =>
    until(event, () => deps.events.filter((one) => one.event === event).length >= times);
  const set = (events: Readonly<Record<string, VaultEvents>>) =>
    inlets.set(Object.entries(events).map(([name, one]) => ({ name, events: one })));

  beforeEach(async () => {
    [folder, ports] = await Promise.all([tempFolder("inlets"), reservePorts(2)]);
    for (const [name, key] of Object.entries(KEYS)) await writeFile(join(folder.path, `${name}.key`), key);
    await writeFile(join(folder.path, "audit.log"), "");
    deps = recordedDeps();
    found = new Map();
    store = openSqliteStore({ path: join(folder.path, "state.sqlite") });
    inlets = start();
  });
  afterEach(async () => {
    await inlets.close();
    for (const port of ports) await port[Symbol.asyncDispose]();
    await folder[Symbol.asyncDispose]();
  });

  /** Over a connection of its own: one of before may be about to close, as its server has ended. */
  const sent = (path: string, body: string, headers: Readonly<Record<string, string>>) =>
    fetch(`http://${at(0)}${path}`, { method: "POST", body, headers: { ...headers, connection: "close" } });
  const post = (vault: keyof typeof KEYS, path: string) => {
    const body = JSON.stringify({ vault, path });
    return sent(path, body, signPost(Buffer.from(body), { key: Buffer.from(KEYS[vault]), now: deps.now }));
  };
  const http = (vault: string): VaultEvents => ({
    http: { listen: at(0), path: `/${vault}`, keyFile: `./${vault}.key` },
  });

  it("belong to one Vault each, also at one address", async () => {
    await set({ main: http("main"), edge: http("edge") });
    await told("inlet-listening", 2);
    assert.equal((await post("main", "/main")).status, 200);
    assert.equal((await post("edge", "/edge")).status, 200);
    assert.equal((await post("edge", "/main")).status, 401);
    assert.deepEqual([of("main").lines.length, of("edge").lines.length], [1, 1]);
  });

  it("refuse a POST again also after another inlet came to their address", async () => {
    const headers = signPost(Buffer.from("{}"), { key: Buffer.from(KEYS.main), now: deps.now });
    const send = () => sent("/main", "{}", headers);
    await set({ main: http("main") });
    await told("inlet-listening");
    assert.equal((await send()).status, 200);
    await set({ main: http("main"), edge: http("edge") });
    await told("inlet-listening", 3);
    assert.equal((await send()).status, 409);
    assert.equal(of("main").lines.length, 1);
  });

  it("are started and stopped as fleet.yaml changes, and unchanged ones go on", async () => {
    const file: VaultEvents = { file: { path: "./audit.log" } };
    await set({ main: { ...file, tcp: { listen: at(1), from: [] } } });
    await told("inlet-listening");
    await told("inlet-following");
    await set({ main: file, edge: http("edge") });
    await told("inlet-listening", 2);
    await new Promise<void>((resolve, reject) => {
      const socket = connect({ host: "127.0.0.1", port: ports[1]?.port ?? 0 });
      socket.once("error", () => resolve());
      socket.once("connect", () => reject(new Error("it still listens")));
    });
    await appendFile(join(folder.path, "audit.log"), '{"a":1}\n');
    await until("the line", () => of("main").lines.length === 1);
    assert.equal(deps.events.filter(({ event }) => event === "inlet-following").length, 1);
    assert.deepEqual(inlets.lags(), [{ vault: "main", bytes: 0 }]);
    await set({});
    assert.deepEqual(inlets.lags(), []);
  });

  it("that can't start are tried again, and stop nothing else", async () => {
    const other = createServer();
    await new Promise<void>((resolve) => other.listen(ports[0]?.port, "127.0.0.1", resolve));
    await set({ main: { ...http("main"), file: { path: "./audit.log" } } });
    await told("inlet-unavailable");
    await told("inlet-following");
    const { fields } = deps.events.find(({ event }) => event === "inlet-unavailable") ?? assert.fail();
    assert.deepEqual([fields.vault, fields.inlet, fields.why], ["main", "http", "EADDRINUSE"]);
    await new Promise((resolve) => other.close(resolve));
    await told("inlet-listening");
    assert.equal((await post("main", "/main")).status, 200);
  });

  it("say that a key can't be used, and take POSTs once it can", async () => {
    await writeFile(join(folder.path, "main.key"), "short");
    await set({ main: http("main") });
    await told("inlet-listening");
    assert.equal((await post("main", "/main")).status, 503);
    await writeFile(join(folder.path, "main.key"), `${KEYS.main}\n`);
    assert.equal((await post("main", "/main")).status, 200);
  });

  it("say once, with the remedy, that a token can't be used", async () => {
    const tokenFile = join(folder.path, "main.token");
    await writeFile(tokenFile, "\n");
    await set({ main: { http: { listen: at(0), path: "/main", bearerFile: "./main.token" } } });
    await told("inlet-listening");
    const send = async (token: string) => {
      const headers = { authorization: `Bearer ${token}` };
      return (await sent("/main", "{}", headers)).status;
    };
    assert.deepEqual([await send(TOKEN), await send(TOKEN)], [503, 503]);
    await writeFile(tokenFile, "short");
    assert.equal(await send("short"), 503);
    const whys = deps.events.flatMap(({ event, fields }) =>
      event === "inlet-credential-unusable" ? [fields.why] : [],
    );
    const why =
      "bearerFile ./main.token of Vault main in fleet.yaml must hold a token of at least 32 characters on each line";
    assert.deepEqual(whys, [why]);
    assert.equal(deps.counts.get("keyferry_inlet_posts_refused_total main credential"), 3);
    await writeFile(tokenFile, TOKEN);
    assert.equal(await send(TOKEN), 200);
    await writeFile(tokenFile, "");
    assert.equal(await send(TOKEN), 503);
    assert.equal(deps.events.filter(({ event }) => event === "inlet-credential-unusable").length, 2);
  });

  it("sweep when no line came for long, and again after as long", async () => {
    await set({ main: { file: { path: "./audit.log" }, silentAfterMs: 60_000 } });
    await until("two sweeps", () => of("main").reasons.length >= 2);
    assert.deepEqual([...new Set(of("main").reasons)], ["silent"]);
  });

  it("sweep after as long a silence when the clock has stepped back by an hour", async () => {
    await set({ main: { file: { path: "./audit.log" }, silentAfterMs: 60_000 } });
    await until("the first sweep", () => of("main").reasons.length > 0);
    await appendFile(join(folder.path, "audit.log"), "a line\n");
    await until("the line", () => of("main").lines.length === 1);
    const swept = of("main").reasons.length;
    deps.now -= 3_600_000;
    const startedAt = deps.now;
    await until("another sweep", () => of("main").reasons.length > swept);
    assert.ok(deps.now - startedAt <= 70_000, `${deps.now - startedAt}`);
  });

  it("sweep what a sender with a token, which does not send again, sent while nobody took it", async () => {
    await writeFile(join(folder.path, "main.token"), `${TOKEN}\n`);
    await set({ main: { http: { listen: at(0), path: "/main", bearerFile: "./main.token" } }, edge: http("edge") });
    await until("the sweep of the start", () => found.get("main")?.reasons.length === 1);
    assert.deepEqual([of("main").reasons, of("edge").reasons], [["reconnected"], []]);
    const send = () => sent("/main", "{}", { authorization: `Bearer ${TOKEN}` });
    of("main").failure = NO_ANSWER;
    assert.equal((await send()).status, 503);
    of("main").failure = undefined;
    await until("the sweep of the failure", () => of("main").reasons.includes("overflow"));
    assert.equal((await send()).status, 200);
    assert.deepEqual(of("main").reasons, ["reconnected", "overflow"]);
  });

  it("refuse a POST that was taken before a restart, for as long as its time would be accepted", async () => {
    const signed = () => signPost(Buffer.from("{}"), { key: Buffer.from(KEYS.main), now: deps.now });
    const headers = signed();
    const send = async (by = headers) => (await sent("/main", "{}", by)).status;
    const restarted = async () => {
      await inlets.close();
      deps.events.length = 0;
      inlets = start();
      await set({ main: http("main") });
      await told("inlet-listening");
    };
    await restarted();
    of("main").failure = NO_ANSWER;
    assert.equal(await send(), 503);
    of("main").failure = undefined;
    await restarted();
    assert.deepEqual([await send(), await send()], [200, 409]);
    for (const minutes of [2, 2, 1]) {
      deps.now += minutes * 60_000;
      await restarted();
      assert.equal(await send(), 409);
    }
    deps.now += 60_000;
    assert.equal(await send(), 401);
    deps.now += 6 * 60_000;
    assert.equal(await send(signed()), 200);
    assert.equal((await store.takenPosts("main", 0)).length, 1, "those that are over are forgotten");
  });
});
