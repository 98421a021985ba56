import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { createServer as createHttpServer } from "node:http";
import { createServer, type Server } from "node:net";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { waitFor } from "../harness/index.ts";
import { type ReservedPort, reservePorts } from "../harness/process/ports.ts";
import { type TempFolder, tempFolder } from "../harness/process/temp-folder.ts";
import { type RunningEngine, startEngine } from "./support/engine.ts";
import { declareAll, follows, setInlets } from "./support/inlets.ts";
import { type Place, placeIn } from "./support/place.ts";
import { startWorld, type World } from "./support/world.ts";

const NS = "team-a";
const TOKEN = "the-token-of-an-inlet-long-enough-to-count";

/** OpenBao tests its devices when it starts: a peer that takes everything, until keyferry listens there. */
async function peer(server: Server, where: { readonly port: number } | { readonly path: string }) {
  const sockets = new Set<{ destroy(): void }>();
  server.on("connection", (socket) => sockets.add(socket));
  await new Promise<void>((resolve) => server.listen({ host: "127.0.0.1", ...where }, resolve));
  return async () => {
    const closed = new Promise((resolve) => server.close(resolve));
    for (const socket of sockets) socket.destroy();
    await closed;
  };
}

/** Of an HTTP server it is the same class. */
const answering = (): Server =>
  createHttpServer((request, response) => request.resume().on("end", () => response.end())) as Server;
const reading = (): Server => createServer((socket) => socket.on("error", () => undefined).resume());

describe("devices of OpenBao, without a relay", { timeout: 600_000 }, () => {
  let folder: TempFolder;
  let ports: readonly ReservedPort[];
  let world: World;
  let place: Place;
  let engine: RunningEngine;
  let at: { readonly tcp: string; readonly unix: string; readonly http: string };

  before(async () => {
    folder = await tempFolder("devices");
    ports = await reservePorts(2);
    const [tcp = 0, http = 0] = ports.map(({ port }) => port);
    at = { tcp: `127.0.0.1:${tcp}`, unix: join(folder.path, "audit.sock"), http: `127.0.0.1:${http}` };
    await writeFile(join(folder.path, "token"), `${TOKEN}\n`, { mode: 0o600 });
    const peers = [
      await peer(reading(), { port: tcp }),
      await peer(reading(), { path: at.unix }),
      await peer(answering(), { port: http }),
    ];
    const headers = JSON.stringify({ Authorization: ["env://INLET_AUTHORIZATION"] });
    world = await startWorld({
      clusters: ["one"],
      vault: {
        auditDevices: [
          { type: "socket", path: "tcp", options: { address: at.tcp, socket_type: "tcp" } },
          { type: "socket", path: "unix", options: { address: at.unix, socket_type: "unix" } },
          { type: "http", path: "http", options: { uri: `http://${at.http}/`, headers } },
        ],
        env: { INLET_AUTHORIZATION: `Bearer ${TOKEN}` },
      },
    });
    for (const end of peers) await end();
    const [cluster = assert.fail()] = world.clusters;
    await world.namespace(cluster, NS);
    place = placeIn(cluster, NS);
    engine = await startEngine(world);
    await declareAll(world, place, ["one", "two"]);
  });
  after(async () => {
    await engine?.[Symbol.asyncDispose]();
    await world?.[Symbol.asyncDispose]();
    for (const port of ports ?? []) await port[Symbol.asyncDispose]();
    await folder?.[Symbol.asyncDispose]();
  });

  const change = async (password: string) => {
    for (const name of ["one", "two"]) await world.vault.putKv("kv", name, { password });
    for (const name of ["one", "two"]) await follows(place, name, password);
  };

  for (const way of ["tcp", "unix"] as const) {
    it(`the socket device, by ${way}`, async () => {
      await setInlets(world, engine, way === "tcp" ? { tcp: { listen: at.tcp } } : { unix: { path: at.unix } });
      await change(`first-by-${way}`);
      await waitFor("a sweep, because OpenBao connected", async () =>
        (await engine.metrics()).includes(`inlet="${way}",reason="reconnected"`),
      );
      await change(`second-by-${way}`);
    });
  }

  it("the http device, to the inlet on loopback, with its token", async (t) => {
    await setInlets(world, engine, { http: { listen: at.http, bearerFile: join(folder.path, "token") } });
    await change("first-by-http");
    const startedAt = performance.now();
    await change("second-by-http");
    t.diagnostic(`two writes and their Secrets: ${(performance.now() - startedAt).toFixed(0)} ms`);
    const metrics = await engine.metrics();
    assert.match(metrics, /keyferry_inlet_lines_total\{vault="main",inlet="http"\} \d+/);
    assert.doesNotMatch(metrics, /keyferry_inlet_posts_refused_total\{vault="main"/);
  });
});
