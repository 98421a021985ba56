import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { afterEach, beforeEach, describe, it } from "node:test";
import { connect, type TLSSocket } from "node:tls";
import { type WebhookServer, webhookServer } from "../../lib/admission/server.ts";
import { webhook } from "../../lib/admission/webhook.ts";
import { keyHash, keyHashBytes, keyOf } from "../../lib/injector-keys.ts";
import { testCa, waitFor } from "../harness/index.ts";

const KEYS = { greedy: keyOf(randomBytes(32)), modest: keyOf(randomBytes(32)) };
type Cluster = keyof typeof KEYS;

/** More than the buffers of the kernel hold of answers that nobody reads. */
const LARGE = "x".repeat(12 * 1_024 * 1_024);

describe("the listener of the injector, with a cluster that takes all it can", () => {
  let server: WebhookServer;
  let sockets: TLSSocket[];
  let reviews: string[];
  /** Milliseconds that each review of a cluster takes of the processor. */
  let costs: number;
  let elapsed: number;

  beforeEach(async () => {
    [sockets, reviews, costs, elapsed] = [[], [], 0, 0];
  });
  afterEach(async () => {
    for (const socket of sockets) socket.destroy();
    await server[Symbol.asyncDispose]();
  });

  async function start(answerMs: number): Promise<void> {
    const ca = await testCa("CA of the injector");
    const served = new Map(
      Object.entries(KEYS).map(([name, key]) => {
        const review = () => {
          reviews.push(name);
          elapsed += costs;
          return { status: 200, result: "ignored" as const, isDryRun: true, reasons: [], body: sizeOf(name) } as never;
        };
        return [name, { keys: [keyHashBytes(keyHash(key))], review }] as const;
      }),
    );
    server = await webhookServer({
      host: "127.0.0.1",
      port: 0,
      tls: await ca.serverCert("injector", ["127.0.0.1"]),
      webhook: webhook({
        served: () => served,
        elapsed: () => elapsed,
        onFinished: () => undefined,
        onUnknownKey: () => assert.fail("the keys are right"),
      }),
      elapsed: () => elapsed,
      answerMs,
      onDropped: () => assert.fail("there are few connections"),
      onCrash: (error) => assert.fail(String(error)),
    });
  }

  function sizeOf(name: string): string {
    return name === "greedy" && costs === 0 ? LARGE : "small";
  }

  async function opened(): Promise<TLSSocket> {
    const socket = connect({ host: "127.0.0.1", port: server.port, rejectUnauthorized: false });
    socket.on("error", () => undefined);
    sockets.push(socket);
    await once(socket, "secureConnect");
    return socket;
  }

  function send(socket: TLSSocket, cluster: Cluster): void {
    const head = [`POST /c/${cluster}/${KEYS[cluster]}/mutate HTTP/1.1`, "host: x", "content-type: application/json"];
    socket.write([...head, "content-length: 2", "", "{}"].join("\r\n"));
  }

  async function statusOf(cluster: Cluster): Promise<number> {
    const socket = await opened();
    send(socket, cluster);
    const [first] = (await once(socket, "data")) as [Buffer];
    socket.destroy();
    return Number(first.toString().split(" ")[1]);
  }

  it("closes connections over which answers are not read, and has their memory again", async () => {
    await start(50);
    const all = await Promise.all(Array.from({ length: 4 }, () => opened()));
    for (const socket of all) send(socket, "greedy");
    await waitFor("four reviews", async () => reviews.length === 4);
    await waitFor("memory", async () => (await statusOf("greedy")) === 200);
    for (const socket of all) {
      assert.equal(socket.destroyed, false, "this side has read nothing yet");
      socket.resume();
      await once(socket, "close");
      assert.ok(socket.bytesRead < LARGE.length);
    }
  });

  it("counts answers that are not read as memory of their cluster, over all of its connections", async () => {
    await start(60_000);
    const all = await Promise.all(Array.from({ length: 4 }, () => opened()));
    for (const socket of all) send(socket, "greedy");
    await waitFor("four reviews", async () => reviews.length === 4);
    assert.equal(await statusOf("greedy"), 503);
    assert.equal(await statusOf("modest"), 200);
    for (const socket of all) socket.destroy();
    await waitFor("memory", async () => (await statusOf("greedy")) === 200);
  });

  it("reviews no more for a cluster that takes more than its share of the processor", async () => {
    await start(60_000);
    costs = 1_000;
    const statuses: number[] = [];
    for (let at = 0; at < 6; at++) statuses.push(await statusOf("greedy"));
    assert.deepEqual(statuses, [200, 200, 200, 200, 503, 503]);
    assert.equal(await statusOf("modest"), 200);
    elapsed += 4_000;
    assert.equal(await statusOf("greedy"), 200);
  });
});
