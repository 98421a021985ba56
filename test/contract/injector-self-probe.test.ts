import assert from "node:assert/strict";
import { createServer, type Server } from "node:https";
import type { AddressInfo } from "node:net";
import { afterEach, beforeEach, describe, it } from "node:test";
import { whoIsAt } from "../../cli/injector/self-probe.ts";
import { knowsKeyAt } from "../../lib/admission/probe.ts";
import { testCa } from "../harness/index.ts";

const SIGNAL = new AbortController().signal;

describe("whoever is at the URL of the webhook", () => {
  let server: Server;
  let url: string;
  let ca: string;
  let answer: string;

  beforeEach(async () => {
    const own = await testCa("CA of the injector");
    ca = own.pem;
    server = createServer(await own.serverCert("injector", ["127.0.0.1"]));
    // What it writes need not be HTTP.
    server.on("secureConnection", (socket) => {
      socket.on("error", () => undefined);
      socket.once("data", () => socket.end(answer));
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    url = `https://127.0.0.1:${(server.address() as AddressInfo).port}/c/one/key/mutate`;
  });
  afterEach(() => void server.close());

  it("is this process, if it knows the key", async () => {
    answer = "HTTP/1.1 405 Method Not Allowed\r\ncontent-length: 0\r\n\r\n";
    assert.equal(await whoIsAt(url, ca, SIGNAL), "this");
    answer = "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n";
    assert.equal(await whoIsAt(url, ca, SIGNAL), "another");
  });

  it("is another one with a certificate of another CA; without a CA of its own, this machine can't tell", async () => {
    answer = "";
    const other = await testCa("another CA");
    assert.equal(await whoIsAt(url, other.pem, SIGNAL), "another");
    assert.equal(await whoIsAt(url, undefined, SIGNAL), "unknown");
  });

  it("knows the key or not, in keyferry's own words alone", async () => {
    answer = "HTTP/1.1 405 Method Not Allowed\r\ncontent-length: 0\r\n\r\n";
    assert.equal(await knowsKeyAt(url, ca, SIGNAL), true);
    answer = "HTTP/1.1 404 Not Found\r\ncontent-length: 10\r\n\r\nnot found\n";
    assert.equal(await knowsKeyAt(url, ca, SIGNAL), false);
    const others = [
      "404 Not Found\r\ncontent-length: 4\r\n\r\nnone",
      "403 Forbidden\r\n\r\nnot found\n",
      "502 X\r\n\r\n",
    ];
    const endless = `200 OK\r\ncontent-length: 100000\r\n\r\n${"x".repeat(50_000)}`;
    for (const other of [...others, endless]) {
      answer = `HTTP/1.1 ${other}`;
      assert.equal(await knowsKeyAt(url, ca, SIGNAL), undefined, other.slice(0, 30));
    }
    assert.equal(await knowsKeyAt("https://127.0.0.1:1", ca, SIGNAL), undefined);
    assert.equal(await knowsKeyAt(url, undefined, SIGNAL), undefined);
  });

  it("is unknown for whatever is no answer", async () => {
    for (answer of [
      "",
      "no HTTP\r\n\r\n",
      "HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n",
    ]) {
      assert.equal(await whoIsAt(url, ca, SIGNAL), "unknown", answer);
    }
  });
});
