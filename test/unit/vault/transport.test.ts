import assert from "node:assert/strict";
import { getEventListeners } from "node:events";
import type { RequestListener } from "node:http";
import { describe, it } from "node:test";
import { Agent, type Dispatcher } from "undici";
import { SyncError } from "../../../lib/errors.ts";
import { agentsOf } from "../../../lib/vault/agents.ts";
import type { VaultAnswer } from "../../../lib/vault/answer.ts";
import type { OpenSocket } from "../../../lib/vault/event-socket.ts";
import { type HttpMessage, send } from "../../../lib/vault/transport.ts";
import { askedOf, type VaultQuestion } from "../../../lib/vault/vault-client.ts";
import { ANSWERED_MS, httpPeer, type Peer, QUESTION, reachOf, tcpPeer } from "../../broken-peer.ts";

const MIB = 1_024 * 1_024;
const FOREVER = new AbortController().signal;

interface Sending extends Partial<VaultQuestion> {
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
  readonly openSocket?: OpenSocket;
}

/** Sends one request to this peer, on a connection of its own unless an agent is given. */
async function asks(peer: Peer, sending: Sending = {}, agent: Dispatcher = new Agent()): Promise<VaultAnswer> {
  const { timeoutMs = ANSWERED_MS, signal = FOREVER, openSocket, ...question } = sending;
  const { address } = peer.target;
  const message: HttpMessage = {
    ...{
      asked: askedOf(peer.target, { ...QUESTION, ...question }),
      address,
      url: new URL(`${address}/v1/kv/data/app`),
    },
    ...{ headers: {}, timeoutMs, openSocket, reach: reachOf(undefined) },
  };
  const agents = agentsOf({ named: () => agent, checked: () => assert.fail(), behind: () => assert.fail() });
  try {
    return await send(agents, message, signal);
  } finally {
    await agents.destroy();
  }
}

async function fails(work: Promise<unknown>): Promise<SyncError> {
  const error = await work.then(
    () => assert.fail("it worked"),
    (reason: unknown) => reason,
  );
  return error instanceof SyncError ? error : assert.fail(String(error));
}

const answers =
  (status: number, body: string, headers: Record<string, string> = {}): RequestListener =>
  (_, response) =>
    response.writeHead(status, headers).end(body);

describe("an answer", () => {
  it("may be 4 MiB where it has data, and 1 MiB otherwise", async () => {
    await using peer = await httpPeer(answers(200, `"${"x".repeat(MIB)}"`));
    for (const purpose of ["kv-v1", "kv-v2", "issue"] as const) {
      assert.equal((await asks(peer, { purpose })).text.length, MIB + 2, purpose);
    }
    for (const purpose of ["token", "login", "seal-status"] as const) {
      const error = await fails(asks(peer, { purpose }));
      assert.deepEqual([error.code, error.outcome], ["VAULT_ANSWER_INVALID", "unknown"], purpose);
      assert.match(error.message, /larger than 1 MiB/);
    }
  });

  it("that is too much says that the request was sent", async () => {
    await using peer = await httpPeer(answers(200, `[${"[],".repeat(200_000)}1]`));
    const error = await fails(asks(peer));
    assert.deepEqual([error.code, error.outcome], ["VAULT_ANSWER_INVALID", "unknown"]);
    assert.equal((await asks(peer, { purpose: "token" })).status, 200, "counted only where it becomes data");
  });

  const INDEXES: readonly (readonly [index: string, isKept: boolean])[] = [
    ["v1:abc=", true],
    ["x".repeat(2_048), true],
    ["x".repeat(2_049), false],
    ["two words", false],
  ];
  for (const [index, isKept] of INDEXES) {
    it(`${isKept ? "has" : "has not"} the index ${index.slice(0, 20)} of ${index.length} characters`, async () => {
      await using peer = await httpPeer(answers(200, "{}", { "x-vault-index": index }));
      assert.equal((await asks(peer)).index, isKept ? index : undefined);
    });
  }

  it("has what it says of a later time and another place, and nothing where it says nothing", async () => {
    await using peer = await httpPeer(answers(429, "{}", { "retry-after": "7", location: "https://v" }));
    const said = { status: 429, text: "{}", retryAfterMs: 7_000, location: "https://v" };
    assert.deepEqual(await asks(peer), said);
    await using quiet = await httpPeer(answers(200, "{}"));
    assert.deepEqual(await asks(quiet), { status: 200, text: "{}" });
  });
});

describe("a request without an answer", () => {
  const silent: RequestListener = () => undefined;

  it("ends with its own time-out, which is to blame where it is that short", async () => {
    await using peer = await httpPeer(silent);
    const error = await fails(asks(peer, { timeoutMs: 20 }));
    assert.deepEqual([error.code, error.outcome], ["VAULT_NO_ANSWER", "unknown"]);
    assert.match(error.message, /no answer within 20 ms/);
  });

  it("ends when nobody waits for it any more, and leaves nothing with who waited", async () => {
    await using peer = await httpPeer(silent);
    const ender = new AbortController();
    const asked = fails(asks(peer, { signal: ender.signal, timeoutMs: 60_000 }));
    while (peer.seen.length === 0) await new Promise((resolve) => setImmediate(resolve));
    ender.abort();
    const error = await asked;
    assert.deepEqual([error.code, error.outcome], ["DEADLINE_EXCEEDED", "unknown"]);
    assert.equal(getEventListeners(ender.signal, "abort").length, 0);
  });

  it("is not sent when nobody waits for it", async () => {
    await using peer = await httpPeer(silent);
    const error = await fails(asks(peer, { signal: AbortSignal.abort() }));
    assert.deepEqual([error.code, error.outcome], ["DEADLINE_EXCEEDED", "none"]);
    assert.equal(peer.connections, 0);
  });

  it("leaves nothing with who waited when it has one", async () => {
    await using peer = await httpPeer(answers(200, "{}"));
    const { signal } = new AbortController();
    await asks(peer, { signal });
    assert.equal(getEventListeners(signal, "abort").length, 0);
  });

  for (const repeatable of [true, false]) {
    it(`is sent ${repeatable ? "once more, as it may be repeated," : "once"} when the connection is cut`, async () => {
      await using peer = await tcpPeer((socket) => socket.once("data", () => socket.destroy()));
      const error = await fails(asks(peer, { repeatable }));
      assert.equal(error.code, "VAULT_UNAVAILABLE");
      assert.equal(peer.connections, repeatable ? 2 : 1);
    });
  }
});

describe("a redirect", () => {
  const away = (location: string): RequestListener => answers(307, "{}", { location });

  it("is an answer to a probe, which is sent nowhere else", async () => {
    await using peer = await httpPeer(away("https://elsewhere.example.com/v1/sys/seal-status"));
    assert.equal((await asks(peer, { purpose: "seal-status" })).status, 307);
  });

  it("is followed three times, and then says that nothing was done", async () => {
    let left = 3;
    await using peer = await httpPeer((request, response) =>
      (left-- > 0 ? away(`http://${request.headers.host}${request.url}`) : answers(200, "{}"))(request, response),
    );
    assert.equal((await asks(peer)).status, 200);
    left = 4;
    const error = await fails(asks(peer));
    assert.deepEqual([error.code, error.outcome], ["VAULT_ANSWER_INVALID", "none"]);
    assert.match(error.message, /more than 3 times/);
  });
});

describe("a subscription", () => {
  it("has a socket as its answer, or what Vault says instead", async () => {
    await using peer = await httpPeer(answers(200, "{}"));
    const socket = {} as NonNullable<VaultAnswer["socket"]>;
    const opens: OpenSocket = async (_agent, { url, headers }) => {
      assert.deepEqual([url.href, headers], [`${peer.target.address}/v1/kv/data/app`, {}]);
      return { socket };
    };
    assert.deepEqual(await asks(peer, { purpose: "events", openSocket: opens }), { status: 101, text: "", socket });
    const refuses: OpenSocket = async () => ({ statusCode: 403, headers: {}, bytes: Buffer.from("no") });
    assert.deepEqual(await asks(peer, { purpose: "events", openSocket: refuses }), { status: 403, text: "no" });
    assert.equal(peer.seen.length, 0);
  });
});
