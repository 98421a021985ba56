import assert from "node:assert/strict";
import { type ClientRequest, request } from "node:http";
import { connect } from "node:net";
import { afterEach, beforeEach, describe, it } from "node:test";
import { gzipSync } from "node:zlib";
import { MAX_BODY_BYTES } from "../../../lib/inlets/lines.ts";
import { servePosts } from "../../../lib/inlets/post-server.ts";
import { signPost } from "../../../lib/inlets/signed-post.ts";
import { sinkOf } from "../../../lib/inlets/sink.ts";
import type { MissedReason } from "../../../lib/ports/inlet.ts";
import { waitFor } from "../../harness/index.ts";
import { type ReservedPort, reservePort } from "../../harness/process/ports.ts";
import {
  NO_ANSWER,
  type RecordedDeps,
  type RecordingInlet,
  recordedDeps,
  recordingInlet,
  until,
} from "../../unit/inlets/recorder.ts";

const KEY = Buffer.from("the key of an inlet, long enough!");
const TOKEN = "the-token-of-an-inlet";

describe("POSTs of audit lines", () => {
  let deps: RecordedDeps;
  let signed: RecordingInlet;
  let bearer: RecordingInlet;
  let port: ReservedPort;
  let stop: AbortController;
  let done: Promise<void>;
  let origin: string;

  beforeEach(async () => {
    deps = recordedDeps();
    [signed, bearer] = [recordingInlet("signed"), recordingInlet("bearer")];
    port = await reservePort();
    stop = new AbortController();
    const listen = `127.0.0.1:${port.port}`;
    origin = `http://${listen}`;
    done = servePosts(
      deps,
      {
        listen,
        routes: [
          {
            path: "/signed",
            credential: { kind: "signature", keys: async () => [KEY] },
            sink: sinkOf(signed, "http", deps),
          },
          {
            path: "/bearer",
            credential: { kind: "bearer", tokens: async () => [Buffer.from(TOKEN)] },
            sink: sinkOf(bearer, "http", deps),
          },
        ],
      },
      stop.signal,
    );
    await until("the server", () => deps.events.some(({ event }) => event === "inlet-listening"));
  });
  afterEach(async () => {
    stop.abort();
    await done;
    await port[Symbol.asyncDispose]();
  });

  const post = (path: string, body: string | Buffer, headers: Readonly<Record<string, string>> = {}) =>
    fetch(`${origin}${path}`, { method: "POST", body: new Uint8Array(Buffer.from(body)), headers });
  const headersOf = (body: string | Buffer, missed?: MissedReason) =>
    signPost(Buffer.from(body), { key: KEY, now: deps.now, ...(missed === undefined ? {} : { missed }) });
  const headersAt = (now: number) => signPost(Buffer.from(""), { key: KEY, now });
  const postSigned = (body: string | Buffer, headers: Readonly<Record<string, string>> = {}) =>
    post("/signed", body, { ...headersOf(body), ...headers });
  const asBearer = { authorization: `Bearer ${TOKEN}` };

  it("are answered when the lines are taken, with their count", async () => {
    const answer = await postSigned('{"a":1}\n{"b":2}\n');
    assert.deepEqual([answer.status, await answer.json()], [200, { lines: 2, bad: 0, nudged: 0 }]);
    assert.deepEqual(signed.lines, ['{"a":1}', '{"b":2}']);
    assert.deepEqual(bearer.lines, []);
  });

  it("may be compressed", async () => {
    const body = gzipSync('{"a":1}\n{"b":2}');
    assert.equal((await postSigned(body, { "content-encoding": "gzip" })).status, 200);
    assert.deepEqual(signed.lines, ['{"a":1}', '{"b":2}']);
  });

  it("may carry a token on loopback", async () => {
    assert.equal((await post("/bearer", '{"a":1}', asBearer)).status, 200);
    assert.equal((await post("/bearer?x=1", '{"b":2}', asBearer)).status, 200);
    assert.deepEqual(bearer.lines, ['{"a":1}', '{"b":2}']);
  });

  it("may say that lines are missing: the syncs are swept before the answer", async () => {
    assert.equal((await post("/signed", "", headersOf("", "overflow"))).status, 200);
    assert.deepEqual(signed.reasons, ["overflow"]);
  });

  it("are refused when forged, replayed, stale or unsigned, and counted", async () => {
    const body = '{"a":1}';
    const good = headersOf(body);
    assert.equal((await post("/signed", body, good)).status, 200);
    const refused: readonly (readonly [number, string, Readonly<Record<string, string>>])[] = [
      [409, body, good],
      [401, '{"a":2}', good],
      [401, body, {}],
      [401, body, asBearer],
      [401, body, signPost(Buffer.from(body), { key: Buffer.alloc(32), now: deps.now })],
      [401, body, signPost(Buffer.from(body), { key: KEY, now: deps.now - 301_000 })],
    ];
    for (const [status, text, headers] of refused) {
      const answer = await post("/signed", text, headers);
      assert.equal(answer.status, status);
      const { error } = (await answer.json()) as { error: string };
      assert.ok(error.length > 10);
    }
    for (const headers of [{}, { authorization: "Bearer wrong" }, good]) {
      assert.equal((await post("/bearer", body, headers)).status, 401);
    }
    assert.deepEqual([signed.lines, bearer.lines], [[body], []]);
    const counts = ["replayed", "forged", "unsigned", "stale"].map((reason) =>
      deps.counts.get(`keyferry_inlet_posts_refused_total signed ${reason}`),
    );
    assert.deepEqual(counts, [1, 2, 2, 1]);
    assert.equal(deps.counts.get("keyferry_inlet_posts_refused_total bearer bearer"), 3);
  });

  it("may come again after a failure", async () => {
    signed.failure = NO_ANSWER;
    const body = '{"a":1}';
    const headers = headersOf(body);
    const failed = await post("/signed", body, headers);
    assert.deepEqual([failed.status, failed.headers.get("retry-after")], [503, "1"]);
    signed.failure = undefined;
    assert.equal((await post("/signed", body, headers)).status, 200);
    assert.deepEqual(signed.lines, [body]);
  });

  it("are to be sent again while their first copy is at work, which may still fail", async () => {
    let open = () => {};
    signed.gate = new Promise((resolve) => {
      open = resolve;
    });
    const body = '{"a":1}';
    const headers = headersOf(body);
    const first = post("/signed", body, headers);
    await until("the first copy at work", () => signed.asked === 1);
    const copy = () => post("/signed", body, headers);
    const second = await copy();
    assert.deepEqual([second.status, second.headers.get("retry-after")], [503, "1"]);
    signed.failure = NO_ANSWER;
    open();
    assert.equal((await first).status, 503);
    [signed.gate, signed.failure] = [undefined, undefined];
    assert.deepEqual([(await copy()).status, (await copy()).status], [200, 409]);
    assert.deepEqual(signed.lines, [body]);
  });

  it("are not taken for delivered when their body was of no use", async () => {
    const headers = { ...headersOf("no gzip"), "content-encoding": "gzip" };
    const statuses = [await post("/signed", "no gzip", headers), await post("/signed", "no gzip", headers)];
    assert.deepEqual(
      statuses.map(({ status }) => status),
      [400, 400],
    );
  });

  /** The status of a POST that does not end, or that its connection was cut. */
  const begun = (headers: Readonly<Record<string, number>>, send: (sending: ClientRequest) => void) =>
    new Promise((resolve) => {
      const at = { host: "127.0.0.1", port: port.port, path: "/bearer", method: "POST" };
      const sending = request({ ...at, headers: { ...asBearer, ...headers } }, (answer) => resolve(answer.statusCode));
      sending.on("error", () => resolve("cut"));
      send(sending);
    });

  it("are bounded, as sent and unzipped", async () => {
    // Whoever still sends its body when the connection is closed may not get the answer.
    const long = { "content-length": MAX_BODY_BYTES + 1 };
    assert.equal(await begun(long, (sending) => sending.flushHeaders()), 413);
    const bomb = gzipSync(Buffer.alloc(65 * 1_024 * 1_024));
    assert.equal((await postSigned(bomb, { "content-encoding": "gzip" })).status, 413);
    assert.equal((await postSigned("no gzip", { "content-encoding": "gzip" })).status, 400);
    assert.equal((await postSigned("x", { "content-encoding": "br" })).status, 415);
    // Without a length, it is cut where it is too long.
    const status = await begun({}, (sending) => {
      for (let mib = 0; mib < 8; mib++) sending.write(Buffer.alloc(1_024 * 1_024, "x"));
    });
    assert.ok(status === 413 || status === "cut", `${status}`);
    assert.deepEqual([signed.lines, bearer.lines], [[], []]);
  });

  it("have a path and a method", async () => {
    assert.equal((await post("/other", "{}", asBearer)).status, 404);
    const got = await fetch(`${origin}/bearer`, { headers: asBearer });
    assert.deepEqual([got.status, got.headers.get("allow")], [405, "POST"]);
  });

  /** A POST whose body never ends, when the server has its headers, or its status. */
  const slowly = (headers: Readonly<Record<string, string>>, localAddress = "127.0.0.1") =>
    new Promise<{ readonly status?: number | undefined; end(): void }>((resolve, reject) => {
      const at = { host: "127.0.0.1", port: port.port, path: "/signed", method: "POST", localAddress };
      const sending = request({ ...at, headers: { ...headers, expect: "100-continue" } });
      const end = () => void sending.destroy();
      sending.on("error", reject);
      sending.on("response", ({ statusCode }) => resolve({ status: statusCode, end }));
      sending.on("continue", () => resolve({ end }));
      sending.flushHeaders();
    });

  it("are refused before their body when their headers can't be right", async () => {
    const good = headersOf("");
    for (const headers of [{}, { ...good, "x-keyferry-signature": "sha256=0" }, headersAt(deps.now - 301_000)]) {
      const answer = await fetch(`${origin}/signed`, {
        ...{ method: "POST", headers, duplex: "half", signal: AbortSignal.timeout(60_000) },
        body: new ReadableStream({ start: (body) => body.enqueue(Buffer.from("half")) }),
      } as RequestInit);
      assert.equal(answer.status, 401);
    }
  });

  it("of one address have few bodies at once, so that it keeps no other from its own", async () => {
    const open = await Promise.all([1, 2, 3, 4].map(() => slowly(headersOf("never sent"))));
    const body = '{"a":1}';
    const full = await post("/signed", body, headersOf(body));
    assert.deepEqual([full.status, full.headers.get("retry-after")], [429, "1"]);
    assert.equal(deps.counts.get("keyferry_inlet_posts_refused_total signed peer-busy"), 1);
    assert.equal((await post("/bearer", body, asBearer)).status, 200, "a token comes before the body");
    // Other systems have one address on loopback.
    if (process.platform === "linux") {
      const other = await slowly(headersOf("never sent"), "127.0.0.2");
      assert.equal(other.status, undefined);
      other.end();
    }
    for (const one of open) one.end();
    await waitFor("room", async () => (await post("/signed", body, headersOf(body))).status !== 429);
    assert.deepEqual(signed.lines, [body]);
  });

  it("may end in the middle: the next one is answered", async () => {
    const socket = connect({ host: "127.0.0.1", port: port.port });
    socket.write(
      `POST /bearer HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${TOKEN}\r\ncontent-length: 100\r\n\r\nhalf`,
    );
    await new Promise((resolve) => socket.once("connect", resolve));
    socket.destroy();
    assert.equal((await post("/bearer", '{"a":1}', asBearer)).status, 200);
    assert.deepEqual(bearer.lines, ['{"a":1}']);
  });
});
