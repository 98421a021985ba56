import assert from "node:assert/strict";
import { stat, writeFile } from "node:fs/promises";
import { connect, createServer, type Socket } from "node:net";
import { networkInterfaces } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import { closing, listening } from "../../../lib/inlets/listening.ts";
import { sinkOf } from "../../../lib/inlets/sink.ts";
import { type SocketPlace, serveSocket } from "../../../lib/inlets/socket-server.ts";
import { type ReservedPort, reservePort } from "../../harness/process/ports.ts";
import { type TempFolder, tempFolder } from "../../harness/process/temp-folder.ts";
import {
  NO_ANSWER,
  type RecordedDeps,
  type RecordingInlet,
  recordedDeps,
  recordingInlet,
  until,
} from "../../unit/inlets/recorder.ts";

const LIMITS = { characters: 100_000, batchLines: 1_000, batchCharacters: 10_000 };

describe("the peer of Vault's socket device", () => {
  let deps: RecordedDeps;
  let inlet: RecordingInlet;
  let port: ReservedPort;
  let folder: TempFolder;
  let servers: { stop(): Promise<void> }[];
  let sockets: Socket[];

  beforeEach(async () => {
    deps = recordedDeps();
    inlet = recordingInlet();
    [port, folder] = await Promise.all([reservePort(), tempFolder("inlets")]);
    servers = [];
    sockets = [];
  });
  afterEach(async () => {
    for (const socket of sockets) socket.destroy();
    await Promise.all(servers.map((server) => server.stop()));
    await folder[Symbol.asyncDispose]();
    await port[Symbol.asyncDispose]();
  });

  async function serve(place: SocketPlace): Promise<{ stop(): Promise<void> }> {
    const stop = new AbortController();
    const before = deps.events.filter(({ event }) => event === "inlet-listening").length;
    const done = serveSocket(deps, { place, sink: sinkOf(inlet, place.way, deps), limits: LIMITS }, stop.signal);
    const server = {
      async stop() {
        stop.abort();
        await done;
      },
    };
    servers.push(server);
    const isListening = () => deps.events.filter(({ event }) => event === "inlet-listening").length > before;
    await Promise.race([done, until("the server", isListening)]);
    return server;
  }

  async function connected(to: { port: number; host?: string } | { path: string }): Promise<Socket> {
    const socket = connect({ ...to });
    sockets.push(socket);
    socket.on("error", () => undefined);
    await new Promise<void>((resolve, reject) => {
      socket.once("connect", resolve);
      socket.once("error", reject);
    });
    return socket;
  }
  const tcp = (): SocketPlace => ({ way: "tcp", listen: `127.0.0.1:${port.port}`, from: [] });
  const unix = (): SocketPlace => ({ way: "unix", path: join(folder.path, "audit.sock"), mode: "0600" });

  it("takes lines over TCP and over a unix socket, wherever they are cut", async () => {
    await Promise.all([serve(tcp()), serve(unix())]);
    for (const to of [{ port: port.port }, { path: join(folder.path, "audit.sock") }]) {
      inlet.lines.length = 0;
      const socket = await connected(to);
      socket.write('{"a":1}\n{"b":');
      await until("the first line", () => inlet.lines.length === 1);
      socket.write("2}\n");
      await until("both", () => inlet.lines.length === 2);
      assert.deepEqual(inlet.lines, ['{"a":1}', '{"b":2}']);
    }
  });

  it("sweeps after each connection, because Vault lost the lines in between", async () => {
    await serve(tcp());
    await connected({ port: port.port });
    await until("a sweep", () => inlet.reasons.length === 1);
    await connected({ port: port.port });
    await until("another sweep", () => inlet.reasons.length === 2);
    assert.deepEqual(inlet.reasons, ["reconnected", "reconnected"]);
  });

  it("never lets the sender wait: it drops lines when its memory is full, and sweeps", async () => {
    await serve(tcp());
    const socket = await connected({ port: port.port });
    await until("a sweep", () => inlet.reasons.length === 1);
    inlet.failure = NO_ANSWER;
    const line = Buffer.from(`${"x".repeat(1_000)}\n`);
    // 10 MB, which no buffer of a socket holds.
    for (let at = 0; at < 10_000; at++) {
      if (!socket.write(line)) await new Promise((resolve) => socket.once("drain", resolve));
    }
    const dropped = () => deps.counts.get("keyferry_inlet_dropped_lines_total main tcp") ?? 0;
    await until("dropped lines", () => dropped() > 9_000);
    inlet.failure = undefined;
    await until("the sweep", () => inlet.reasons.includes("overflow"));
    socket.write('{"after":1}\n');
    await until("a line after it", () => inlet.lines.at(-1) === '{"after":1}');
  });

  it("replaces the socket of a killed process, and nothing else", async () => {
    const place = unix();
    const path = join(folder.path, "audit.sock");
    const first = await serve(place);
    assert.equal((await stat(path)).mode & 0o777, 0o600);
    await assert.rejects(serve(place), { code: "EADDRINUSE" });
    servers.pop();
    await first.stop();
    await serve(place);
    await writeFile(join(folder.path, "a-file"), "content");
    await assert.rejects(serve({ ...unix(), path: join(folder.path, "a-file") } as SocketPlace), {
      code: "EADDRINUSE",
    });
    servers.pop();
    assert.ok((await stat(join(folder.path, "a-file"))).isFile());
  });

  it("has a unix socket for its owner alone as soon as it can be found", async () => {
    const path = join(folder.path, "audit.sock");
    const before = process.umask(0);
    const server = createServer();
    try {
      await listening(server, { path });
      assert.equal((await stat(path)).mode & 0o077, 0);
      assert.equal(process.umask(), 0, "it is as before for everything else");
    } finally {
      process.umask(before);
      await closing(server);
    }
  });

  it("refuses peers from other networks", async (t) => {
    const own = Object.values(networkInterfaces())
      .flatMap((addresses) => addresses ?? [])
      .find(({ internal, family }) => !internal && family === "IPv4")?.address;
    if (own === undefined) {
      t.skip("this machine has no other address");
      return;
    }
    const listen = `0.0.0.0:${port.port}`;
    const first = await serve({ way: "tcp", listen, from: ["240.0.0.0/4"] });
    for (let time = 0; time < 3; time++) {
      const refused = await connected({ host: own, port: port.port });
      refused.resume();
      await until("its end", () => refused.destroyed);
    }
    const logged = deps.events.filter(({ event }) => event === "inlet-peer-refused");
    assert.equal(logged.length, 1, "a peer that tries all the time fills no log");
    await first.stop();
    await serve({ way: "tcp", listen, from: [`${own}/32`] });
    const taken = await connected({ host: own, port: port.port });
    taken.write('{"a":1}\n');
    await until("its line", () => inlet.lines.length === 1);
  });
});
