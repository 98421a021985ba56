import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import type { RequestListener, ServerResponse } from "node:http";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { setImmediate as turnOfTheLoop } from "node:timers/promises";
import { inspect } from "node:util";
import { SyncError } from "../../lib/errors.ts";
import type { VaultTarget } from "../../lib/ports/vault.ts";
import { askedOf, vaultClient } from "../../lib/vault/vault-client.ts";
import { answerError } from "../../lib/vault/vault-errors.ts";
import { failure, forever, httpPeer, QUESTION, reachOf, readFrom, targetAt, tcpPeer } from "../broken-peer.ts";
import { waitFor } from "../harness/index.ts";

/** What issues a credential. */
const ISSUING = { ...QUESTION, path: "database/creds/app", repeatable: false } as const;

const GOOD = JSON.stringify({
  data: { data: { a: "1" }, metadata: { version: 3, created_time: "2026-01-01T00:00:00Z" } },
});
const client = vaultClient({ clock: Date.now, maxConnectionsPerVault: 4, reachOf });
after(() => client.close());

const says =
  (status: number, body: string): RequestListener =>
  (_, response) =>
    response.writeHead(status).end(body);

// Most of them wait for a time-out of a second, the shortest that a Vault gets: all at once.
describe("a Vault that doesn't answer", { concurrency: true }, () => {
  it("is out of reach after the target's time-out, whether it hangs", async () => {
    await using peer = await httpPeer(() => {});
    const target = { ...peer.target, timeoutMs: 1_000 };
    const error = await failure(readFrom(client, target), "VAULT_UNAVAILABLE");
    assert.match(error.message, /within 1000 ms/);
    assert.equal(error.circuit, `vault:${target.address}`);
  });

  it("or drips its answer", async () => {
    await using peer = await httpPeer((_, response) => {
      response.write("{");
      const timer = setInterval(() => response.write(" "), 20);
      response.on("close", () => clearInterval(timer));
    });
    await failure(readFrom(client, { ...peer.target, timeoutMs: 1_000 }), "VAULT_UNAVAILABLE");
  });

  it("is not said to be out of reach by a time-out that no Vault could keep", async () => {
    await using peer = await httpPeer(() => {});
    const error = await failure(readFrom(client, { ...peer.target, timeoutMs: 1 }), "VAULT_NO_ANSWER");
    assert.match(error.message, /set 1s or more/);
    assert.equal(error.circuit, undefined);
  });

  it("fails nobody who waits for a turn, until that is said", async () => {
    await using peer = await httpPeer(({ url }, response) => {
      if (url?.includes("app")) response.end(GOOD);
    });
    const hung = { ...QUESTION, path: "kv/data/hangs" };
    const hanging = Array.from({ length: 4 }, () => readFrom(client, { ...peer.target, timeoutMs: 1_000 }, hung));
    const behind = readFrom(client, peer.target);
    await Promise.all(hanging.map((read) => failure(read, "VAULT_UNAVAILABLE")));
    assert.equal((await behind).fields.get("a"), "1");

    const held = Array.from({ length: 4 }, () => readFrom(client, { ...peer.target, timeoutMs: 1_500 }, hung));
    const waiting = readFrom(client, peer.target);
    // All of them stand in line then.
    await turnOfTheLoop();
    const circuit = `vault:${peer.target.address}`;
    client.refuse(new SyncError("VAULT_UNAVAILABLE", "it is gone", { circuit, outcome: "unknown" }));
    const { message, outcome } = await failure(waiting, "VAULT_UNAVAILABLE");
    assert.deepEqual([message, outcome], ["it is gone", "none"]);
    await Promise.all(held.map((read) => failure(read, "VAULT_UNAVAILABLE")));
  });

  it("waits in our own queue for free: only the request itself has a time-out", async () => {
    let atOnce = 0;
    let most = 0;
    await using peer = await httpPeer((_, response) => {
      most = Math.max(most, ++atOnce);
      setTimeout(() => {
        atOnce--;
        response.end(GOOD);
      }, 200);
    });
    // Less than the last of them waits for its turn, and far more than an answer takes.
    const target = { ...peer.target, timeoutMs: 6_000 };
    const asked = Array.from({ length: 160 }, (_, at) => readFrom(client, { ...target, place: `east/${at % 2}` }));
    await Promise.all(asked);
    assert.equal(most, 4);
  });

  it("gets ten seconds at most before it has ever answered, whatever its VaultConnection says", async () => {
    let delay: number | undefined;
    await using peer = await httpPeer((_, response) => {
      if (delay !== undefined) setTimeout(() => response.end(GOOD), delay);
    });
    const wary = vaultClient({ clock: Date.now, maxConnectionsPerVault: 4, reachOf, strangerMs: 4_000 });
    const target = { ...peer.target, timeoutMs: 60_000 };
    const { message } = await failure(readFrom(wary, target), "VAULT_UNAVAILABLE");
    assert.match(message, /within 4000 ms/);
    delay = 0;
    await readFrom(wary, target);
    delay = 4_100;
    await readFrom(wary, target);
    await wary.close();
  });

  it("keeps nobody but its own namespace waiting, however much that one asks of the same address", async () => {
    const silent: ServerResponse[] = [];
    await using peer = await httpPeer((request, response) => {
      if (request.headers["x-noisy"] === undefined) response.end(GOOD);
      else silent.push(response);
    });
    const patient = vaultClient({ clock: Date.now, maxConnectionsPerVault: 4, reachOf, patienceMs: 20 });
    const stop = new AbortController();
    const waits = { ...peer.target, headers: { "x-noisy": "1" }, timeoutMs: 60_000 };
    const noisy = (namespace: string) => ({ ...waits, place: `east/${namespace}` });
    const places = ["a", "b", "c"].flatMap((namespace) => Array(20).fill(noisy(namespace)));
    const waiting = places.map((target) => readFrom(patient, target, QUESTION, stop.signal).catch(() => undefined));

    await waitFor("silence", async () => silent.length === 9 || undefined);
    await Promise.all(Array.from({ length: 20 }, () => readFrom(patient, { ...peer.target, place: "east/quiet" })));
    assert.equal(silent.length, 9, "three of each namespace are waited for, and nobody had to wait for them");
    stop.abort();
    await Promise.all(waiting);
    await patient.close();
  });

  it("is out of reach when it resets every connection, and was asked once more", async () => {
    await using peer = await tcpPeer((socket) => socket.once("data", () => socket.resetAndDestroy()));
    await failure(readFrom(client, peer.target), "VAULT_UNAVAILABLE");
    assert.equal(peer.connections, 2);
  });

  it("lease-table 26: is asked once only for what can't be repeated, whatever the method", async () => {
    await using peer = await tcpPeer((socket) => socket.once("data", () => socket.resetAndDestroy()));
    await failure(client.ask(peer.target, ISSUING, forever), "VAULT_UNAVAILABLE");
    assert.equal(peer.connections, 1);
  });

  it("lease-table 26: a failure says whether the request may have been carried out", async () => {
    const outcome = async (target: VaultTarget, signal: AbortSignal = forever) => {
      const asked: unknown = await client.ask(target, ISSUING, signal).catch((error: unknown) => error);
      assert.ok(asked instanceof SyncError);
      return asked.outcome;
    };
    await using reset = await tcpPeer((socket) => socket.once("data", () => socket.resetAndDestroy()));
    await using silent = await httpPeer(() => {});
    await using stopping = await httpPeer(() => stop.abort());
    const stop = new AbortController();
    const gone = await httpPeer(() => {});
    await gone[Symbol.asyncDispose]();
    assert.equal(await outcome(reset.target), "unknown");
    assert.equal(await outcome({ ...silent.target, timeoutMs: 50 }), "unknown");
    assert.equal(await outcome({ ...stopping.target, timeoutMs: 60_000 }, stop.signal), "unknown");
    assert.equal(await outcome(silent.target, AbortSignal.abort()), "none");
    assert.equal(await outcome(gone.target), "none");
    // A name server may take its time.
    assert.equal(await outcome(targetAt("https://vault.invalid:8200", { timeoutMs: 60_000 })), "none");
    const asked = askedOf(silent.target, ISSUING);
    const statuses = [400, 403, 404, 429, 500, 502, 503];
    const answered = (text: string) => statuses.map((status) => answerError(asked, { status, text }).outcome);
    const unknown = statuses.map(() => "unknown");
    assert.deepEqual(answered('{"errors":[]}'), ["none", "none", "none", "none", "unknown", "unknown", "unknown"]);
    assert.deepEqual(answered("<html>refused</html>"), unknown, "a proxy may have put it in place of Vault's answer");
  });

  it("is asked once only to log in, since that is no read", async () => {
    await using peer = await tcpPeer((socket) => socket.once("data", () => socket.resetAndDestroy()));
    const login = {
      ...QUESTION,
      purpose: "login",
      repeatable: false,
      method: "POST",
      path: "auth/jwt/login",
      body: { jwt: "j" },
    } as const;
    await failure(client.ask(peer.target, login, forever), "VAULT_UNAVAILABLE");
    assert.equal(peer.connections, 1);
  });

  it("answers a read in spite of one connection that was cut", async () => {
    let first = true;
    await using peer = await httpPeer((request, response) => {
      if (first) request.socket.resetAndDestroy();
      else response.end(GOOD);
      first = false;
    });
    assert.equal((await readFrom(client, peer.target)).fields.get("a"), "1");
  });

  it("is out of reach when nothing listens, or its name is unknown", async () => {
    const gone = await httpPeer(() => {});
    await gone[Symbol.asyncDispose]();
    await failure(readFrom(client, gone.target), "VAULT_UNAVAILABLE");
    await failure(readFrom(client, targetAt("https://vault.invalid:8200")), "VAULT_UNAVAILABLE");
  });

  it("is given up when the caller's time is over, before and while it is asked", async () => {
    await using peer = await httpPeer(() => {});
    const over = AbortSignal.timeout(50);
    await failure(readFrom(client, peer.target, QUESTION, over), "DEADLINE_EXCEEDED");
    await failure(readFrom(client, peer.target, QUESTION, AbortSignal.abort()), "DEADLINE_EXCEEDED");
    const waiting = Array.from({ length: 6 }, () => readFrom(client, peer.target, QUESTION, AbortSignal.timeout(50)));
    await Promise.all(waiting.map((read) => failure(read, "DEADLINE_EXCEEDED")));
  });

  it("refuses TLS when it speaks none", async () => {
    await using peer = await httpPeer(says(200, GOOD));
    const target = { ...peer.target, address: peer.target.address.replace("http:", "https:") };
    await failure(readFrom(client, target), "VAULT_TLS_REFUSED");
  });
});

it("a request to Vault takes nothing from the environment", async () => {
  await using peer = await httpPeer(says(200, GOOD));
  await using trap = await httpPeer(says(200, GOOD));
  const proxy = trap.target.address;
  const proxies = ["http_proxy", "https_proxy", "all_proxy"].flatMap((name) => [name, name.toUpperCase()]);
  const env = {
    PATH: process.env.PATH,
    ...Object.fromEntries(proxies.map((name) => [name, proxy])),
    NODE_USE_ENV_PROXY: "1",
    NODE_TLS_REJECT_UNAUTHORIZED: "0",
    DEBUG: "*",
    VAULT_ADDR: proxy,
    VAULT_AGENT_ADDR: proxy,
    VAULT_PROXY_ADDR: proxy,
    VAULT_TOKEN: "from-environment",
    VAULT_NAMESPACE: "from-environment",
    VAULT_PREFIX: "/from-environment",
    VAULT_SKIP_VERIFY: "true",
  };
  const script = join(import.meta.dirname, "ask-once.ts");
  const child = spawn(process.execPath, [script, peer.target.address], { env, stdio: ["ignore", "pipe", "pipe"] });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk) => (output += String(chunk)));
  const [code] = await once(child, "close");
  assert.equal(code, 0, output);
  assert.equal(trap.seen.length, 0);
  assert.deepEqual(
    peer.seen.map(({ method, url }) => `${method} ${url}`),
    ["GET /v1/kv/data/app", "POST /v1/auth/jwt/login"],
  );
  for (const { headers } of peer.seen) assert.doesNotMatch(inspect(headers), /from-environment/);
  assert.equal(peer.seen[1]?.headers["x-vault-token"], undefined);
  assert.doesNotMatch(output, /jwt-never-printed/);
});
