import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { after, before, describe, it } from "node:test";
import { Agent } from "undici";
import { BodyTooLarge } from "../../lib/util/bounded-body.ts";
import { wholeAnswer } from "../../lib/util/whole-answer.ts";

const LIMIT = 1_000;
const never = new AbortController().signal;

describe("a whole answer", () => {
  let server: Server;
  let origin: string;
  let answer: (response: ServerResponse) => void = () => assert.fail();
  const agent = new Agent({ connections: 1 });
  const ask = (signal = never) => wholeAnswer(agent, { origin, path: "/", method: "GET" }, LIMIT, signal);

  before(async () => {
    server = createServer((_request, response) => answer(response)).listen(0, "127.0.0.1");
    await once(server, "listening");
    origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  after(async () => {
    await agent.destroy();
    server.closeAllConnections();
    server.close();
  });

  it("has its status, its headers and all parts of its body, whatever came before it", async () => {
    answer = (response) => {
      response.writeProcessing();
      response.writeHead(201, { "x-part": "of it" });
      response.write("first ");
      setImmediate(() => response.end("second"));
    };
    const { statusCode, headers, bytes } = await ask();
    assert.deepEqual([statusCode, headers["x-part"], bytes.toString()], [201, "of it", "first second"]);
  });

  it("may have no body", async () => {
    answer = (response) => response.writeHead(204).end();
    assert.equal((await ask()).bytes.length, 0);
  });

  it("is given up when it is longer than allowed", async () => {
    answer = (response) => response.end("x".repeat(LIMIT + 1));
    await assert.rejects(ask(), BodyTooLarge);
    answer = (response) => response.end("x".repeat(LIMIT));
    assert.equal((await ask()).bytes.length, LIMIT);
  });

  it("fails by the connection's error when it is cut", async () => {
    answer = (response) => {
      response.writeHead(200, { "content-length": "10" });
      response.write("half", () => response.destroy());
    };
    await assert.rejects(ask(), { code: "UND_ERR_SOCKET" });
  });

  it("is no longer waited for once its signal is aborted: not sent yet, under way, or while its body comes", async () => {
    const reached = Promise.withResolvers<void>();
    answer = (response) => {
      response.writeHead(200).write("half");
      reached.resolve();
    };
    const enders = [new AbortController(), new AbortController()] as const;
    // Of one connection: the second waits until the first is done.
    const asked = enders.map(({ signal }) => ask(signal));
    const failed = asked.map((one, at) => assert.rejects(one, { message: `given up ${at}` }));
    await reached.promise;
    for (const [at, ender] of [...enders.entries()].reverse()) ender.abort(new Error(`given up ${at}`));
    await Promise.all(failed);
    await assert.rejects(ask(AbortSignal.abort(new Error("before"))), { message: "before" });
    answer = (response) => response.end("well");
    assert.equal((await ask()).bytes.toString(), "well");
  });
});
