import assert from "node:assert/strict";
import type { RequestListener } from "node:http";
import { after, describe, it } from "node:test";
import { inspect } from "node:util";
import { type ErrorCode, SyncError } from "../../../lib/errors.ts";
import { vaultClient } from "../../../lib/vault/vault-client.ts";
import { VERSION } from "../../../lib/vault/version.ts";
import {
  ANSWERED_MS,
  failure,
  forever,
  httpPeer,
  QUESTION,
  reachOf,
  readFrom,
  TOKEN,
  targetAt,
  tcpPeer,
} from "../../broken-peer.ts";

const GOOD = JSON.stringify({
  data: { data: { a: "1" }, metadata: { version: 3, created_time: "2026-01-01T00:00:00Z" } },
});
const client = vaultClient({ clock: Date.now, maxConnectionsPerVault: 4, reachOf, strangerMs: ANSWERED_MS });
after(() => client.close());

const says =
  (status: number, body: string | Buffer, headers: Record<string, string> = {}): RequestListener =>
  (_, response) =>
    response.writeHead(status, headers).end(body);

// Each has a server of its own, and some wait for a second.
describe("an answer that is not Vault's", { concurrency: true }, () => {
  const cases: readonly (readonly [string, RequestListener, ErrorCode])[] = [
    ["HTML with 200", says(200, "<html>login</html>"), "VAULT_ANSWER_INVALID"],
    ["cut JSON", says(200, '{"data":{"data":{"a":'), "VAULT_ANSWER_INVALID"],
    ["an empty body", says(200, ""), "VAULT_ANSWER_INVALID"],
    ["an array", says(200, "[]"), "VAULT_ANSWER_INVALID"],
    ["no data", says(200, "{}"), "VAULT_ANSWER_INVALID"],
    ["data that is a string", says(200, '{"data":"x"}'), "VAULT_ANSWER_INVALID"],
    ["data of kv-v1", says(200, '{"data":{"password":"x"}}'), "VAULT_ANSWER_INVALID"],
    ["no metadata", says(200, '{"data":{"data":{}}}'), "VAULT_ANSWER_INVALID"],
    ["a version that is no whole number", says(200, GOOD.replace("3", "3.5")), "VAULT_ANSWER_INVALID"],
    ["bytes that are no UTF-8", says(200, Buffer.from(GOOD.replace("a", "\xff"), "latin1")), "VAULT_ANSWER_INVALID"],
    ["204", says(204, ""), "VAULT_ANSWER_INVALID"],
    ["404 of a web server", says(404, "not found"), "VAULT_ANSWER_INVALID"],
    ["400 in plain text", says(400, "Client sent an HTTP request to an HTTPS server."), "VAULT_ANSWER_INVALID"],
    ["403 of a gateway", says(403, "<html>forbidden</html>"), "VAULT_ANSWER_INVALID"],
    ["403", says(403, '{"errors":["permission denied"]}'), "VAULT_DENIED"],
    ["429", says(429, '{"errors":["x"]}'), "VAULT_THROTTLED"],
    ["429 without JSON", says(429, "slow down"), "VAULT_THROTTLED"],
    ["412", says(412, '{"errors":["required index state not present"]}'), "VAULT_FAILED"],
    ["500", says(500, '{"errors":["internal error"]}'), "VAULT_FAILED"],
    ["500 of a proxy", says(500, "oops"), "VAULT_FAILED"],
    [
      "a standby alone",
      says(500, '{"errors":["local node not active but active cluster node not found"]}'),
      "VAULT_FAILED",
    ],
    ["400 in a sealed Vault's words", says(400, '{"errors":["Vault is sealed"]}'), "VAULT_ANSWER_INVALID"],
    ["400 in words of one without data", says(400, '{"errors":["not yet initialized"]}'), "VAULT_ANSWER_INVALID"],
    ["404 in a standby's words", says(404, '{"errors":["active node not found"]}'), "VAULT_PATH_MISSING"],
    ["501", says(501, '{"errors":[]}'), "VAULT_SEALED"],
    ["502", says(502, "bad gateway"), "VAULT_UNAVAILABLE"],
    ["503 of a load balancer", says(503, "<html>no targets</html>"), "VAULT_UNAVAILABLE"],
    ["503 of Vault", says(503, '{"errors":["Vault is sealed"]}'), "VAULT_SEALED"],
    ["504", says(504, ""), "VAULT_UNAVAILABLE"],
    ["473", says(473, ""), "VAULT_SEALED"],
  ];
  for (const [what, answer, code] of cases) {
    it(`${what} is ${code}`, async () => {
      await using peer = await httpPeer(answer);
      const error = await failure(readFrom(client, peer.target), code);
      const outage = code === "VAULT_UNAVAILABLE" || code === "VAULT_SEALED";
      assert.equal(error.circuit, outage ? `vault:${peer.target.address}` : undefined);
      assert.ok(error.message.includes(`GET kv/data/app of ${peer.target.address}`), error.message);
    });
  }

  it("says when to come back", async () => {
    await using peer = await httpPeer(says(429, "{}", { "retry-after": "7" }));
    assert.equal((await failure(readFrom(client, peer.target), "VAULT_THROTTLED")).retryAfterMs, 7_000);
  });

  it("holds for all later requests to that mount of that namespace, and for no other", async () => {
    const limited: RequestListener = (request, response) =>
      request.url?.startsWith("/v1/kv/") && request.headers["x-vault-namespace"] === undefined
        ? says(429, "{}", { "retry-after": "60" })(request, response)
        : says(200, GOOD)(request, response);
    await using peer = await httpPeer(limited);
    await failure(readFrom(client, peer.target), "VAULT_THROTTLED");
    for (let at = 0; at < 100; at++) {
      const error = await failure(readFrom(client, peer.target), "VAULT_THROTTLED");
      assert.equal(error.outcome, "none");
    }
    assert.equal(peer.seen.length, 1);
    await readFrom(client, peer.target, { ...QUESTION, path: "team/data/app" });
    await readFrom(client, peer.target, { ...QUESTION, namespace: "other", path: "team/data/app" });
    await readFrom(client, peer.target, { ...QUESTION, namespace: "other" });
    assert.equal(peer.seen.length, 4);
  });

  it("lets no request be sent that may not be repeated, and says that it was not", async () => {
    await using peer = await httpPeer(says(429, '{"errors":["quota"]}', { "retry-after": "1" }));
    const issue = { ...QUESTION, purpose: "issue", repeatable: false, path: "database/creds/app" } as const;
    assert.equal((await client.ask(peer.target, issue, forever)).retryAfterMs, 1_000);
    assert.equal(peer.seen.length, 1);
  });

  it("is kept from happening by a budget: what would wait for too long is not sent", async () => {
    const budgetOf = () => ({ name: "main", perSecond: 1 });
    const saving = vaultClient({ clock: Date.now, maxConnectionsPerVault: 4, reachOf, budgetOf });
    await using peer = await httpPeer(says(200, GOOD));
    const ended = new AbortController();
    const reads = Array.from({ length: 50 }, () => readFrom(saving, peer.target, QUESTION, ended.signal));
    const error = await failure(reads.at(-1) ?? Promise.resolve(), "VAULT_THROTTLED");
    assert.match(error.message, /requestsPerSecond of vault main in fleet.yaml/);
    ended.abort();
    await Promise.allSettled(reads);
    assert.ok(peer.seen.length <= 2, `${peer.seen.length}`);
    await saving.close();
  });

  it("gets a pause of our own when it says so in words: one second, then two", async () => {
    await using peer = await httpPeer(says(429, "{}", { "retry-after": "tomorrow" }));
    let now = Date.now();
    const own = vaultClient({ clock: () => now, maxConnectionsPerVault: 4, reachOf, strangerMs: ANSWERED_MS });
    for (const pauseMs of [1_000, 2_000]) {
      assert.equal((await own.ask(peer.target, { ...QUESTION, repeatable: false }, forever)).retryAfterMs, pauseMs);
      now += pauseMs;
    }
    await own.close();
  });

  it("is given up when it is larger than 4 MiB", async () => {
    await using peer = await httpPeer((_, response) => {
      const chunk = Buffer.alloc(1024 * 1024, "x");
      let sent = 0;
      const more = () => {
        while (sent++ < 64) if (!response.write(chunk)) return response.once("drain", more);
        return response.end();
      };
      more();
    });
    const error = await failure(readFrom(client, peer.target), "VAULT_ANSWER_INVALID");
    assert.match(error.message, /larger than 4 MiB/);
  });

  it("is given up when it is made of too many values, before they take memory", async () => {
    await using peer = await httpPeer(says(200, GOOD.replace('"1"', `[${"[],".repeat(300_000)}1]`)));
    const error = await failure(readFrom(client, peer.target), "VAULT_ANSWER_INVALID");
    assert.match(error.message, /more than 200000 values/);
  });

  for (const [what, metadata] of [
    ["a version below zero", { version: -1 }],
    ["a version that is no whole number", { version: 1.5 }],
    ["a version of no end", { version: 1e300 }],
    ["a time of no end", { created_time: "2030-01-01T00:00:00Z".padEnd(1_000_000, "0") }],
    ["a time that is none", { created_time: "yesterday" }],
  ] as const) {
    it(`is not believed when it has ${what}`, async () => {
      const good = JSON.parse(GOOD) as { data: { metadata: object } };
      const answer = { ...good, data: { ...good.data, metadata: { ...good.data.metadata, ...metadata } } };
      await using peer = await httpPeer(says(200, JSON.stringify(answer)));
      await failure(readFrom(client, peer.target), "VAULT_ANSWER_INVALID");
    });
  }

  it("may ask for a pause of an hour and no longer", async () => {
    await using peer = await httpPeer(says(429, "{}", { "retry-after": "999999" }));
    assert.equal((await failure(readFrom(client, peer.target), "VAULT_THROTTLED")).retryAfterMs, 3_600_000);
  });

  it("is read up to 4 MiB", async () => {
    const value = "x".repeat(3 * 1024 * 1024);
    await using peer = await httpPeer(says(200, GOOD.replace('"1"', JSON.stringify(value))));
    assert.equal((await readFrom(client, peer.target)).fields.get("a"), value);
  });

  it("that is no HTTP is invalid", async () => {
    await using peer = await tcpPeer((socket) => socket.end("SSH-2.0-OpenSSH\r\n\r\n"));
    await failure(readFrom(client, peer.target), "VAULT_ANSWER_INVALID");
  });
});

describe("a redirect", () => {
  const to =
    (location: (url: string) => string, status = 307): RequestListener =>
    (request, response) =>
      response.writeHead(status, { location: location(request.url ?? "") }).end();

  it("of a standby is followed to the active node, with the token", async () => {
    await using active = await httpPeer(says(200, GOOD));
    await using standby = await httpPeer(to((url) => `${active.target.address}${url}`));
    const question = { ...QUESTION, path: "kv/data/a%20b/%C3%BC", query: "?version=3" };
    assert.equal((await readFrom(client, standby.target, question)).version?.number, 3);
    assert.equal(active.seen[0]?.url, "/v1/kv/data/a%20b/%C3%BC?version=3");
    assert.equal(active.seen[0]?.headers["x-vault-token"], TOKEN);
  });

  it("is followed when a proxy has put a prefix before the path", async () => {
    await using active = await httpPeer(says(200, GOOD));
    await using standby = await httpPeer(to((url) => `${active.target.address}${url.replace("/vault", "")}`));
    await readFrom(client, { ...standby.target, address: `${standby.target.address}/vault/` });
    assert.equal(standby.seen[0]?.url, "/vault/v1/kv/data/app");
  });

  it("in a circle ends", async () => {
    await using peer = await httpPeer(to((url) => url));
    await failure(readFrom(client, peer.target), "VAULT_ANSWER_INVALID");
    assert.equal(peer.seen.length, 4);
  });

  for (const [what, change, status] of [
    ["to another path", (address: string) => `${address}/v1/sys/leak`, 307],
    ["to another query", (address: string) => `${address}/v1/kv/data/app?x=1`, 307],
    ["to another scheme", (address: string) => `${address.replace("http", "https")}/v1/kv/data/app`, 307],
    ["with a user in it", (address: string) => `${address.replace("//", "//u:p@")}/v1/kv/data/app`, 307],
    ["of another kind", (address: string) => `${address}/v1/kv/data/app`, 302],
    ["that is permanent", (address: string) => `${address}/v1/kv/data/app`, 301],
    ["to nowhere", () => "http://", 307],
  ] as const) {
    it(`${what} is refused: the token goes nowhere else`, async () => {
      await using other = await httpPeer(says(200, GOOD));
      await using peer = await httpPeer(to(() => change(other.target.address), status));
      const error = await failure(readFrom(client, peer.target), "VAULT_ANSWER_INVALID");
      assert.equal(other.seen.length, 0);
      assert.doesNotMatch(error.message, /u:p/);
    });
  }
});

describe("a request to Vault", () => {
  it("has our name, what the connection declares, and our own headers in any case", async () => {
    await using peer = await httpPeer(says(200, GOOD));
    const headers = {
      "X-Team": "payments",
      "X-VAULT-TOKEN": "theirs",
      "x-vault-Namespace": "theirs",
      "USER-AGENT": "x",
    };
    await readFrom(client, { ...peer.target, headers }, { ...QUESTION, namespace: "team/a" });
    const sent = peer.seen[0]?.headers;
    assert.equal(sent?.["user-agent"], `keyferry/${VERSION}`);
    assert.equal(sent?.["x-team"], "payments");
    assert.equal(sent?.["x-vault-token"], TOKEN);
    assert.equal(sent?.["x-vault-namespace"], "team/a");
    assert.equal(sent?.["x-vault-request"], "true");
  });

  it("can't be split by a header", async () => {
    await using peer = await httpPeer(says(200, GOOD));
    const target = { ...peer.target, headers: { "x-team": "a\r\nx-vault-token: b" } };
    await failure(readFrom(client, target), "SPEC_INVALID");
    assert.equal(peer.seen.length, 0);
  });

  for (const address of ["vault", "unix:///run/vault.sock", "http://u:hunter2@vault", "http://vault?x=1", ""]) {
    it(`is not sent to ${JSON.stringify(address)}`, async () => {
      const error = await failure(readFrom(client, targetAt(address)), "SPEC_INVALID");
      assert.doesNotMatch(error.message, /hunter2/);
    });
  }

  it("is not sent with a CA that is none", async () => {
    const target = targetAt("https://127.0.0.1:1", {
      caPem: "-----BEGIN CERTIFICATE-----\nno\n-----END CERTIFICATE-----",
    });
    await failure(readFrom(client, target), "VAULT_TLS_REFUSED");
  });

  it("leaves nothing of itself in its error", async () => {
    await using peer = await httpPeer(says(403, JSON.stringify({ errors: ["bad s3cr3t-in-error"] })));
    await using garbled = await tcpPeer((socket) => socket.end("s3cr3t\r\n\r\n"));
    const https = { ...peer.target, address: peer.target.address.replace("http:", "https:") };
    for (const target of [peer.target, targetAt("http://127.0.0.1:1"), https, garbled.target]) {
      const error: unknown = await readFrom(client, target).catch((reason: unknown) => reason);
      assert.ok(error instanceof SyncError);
      const all = inspect(error, { depth: 20, showHidden: true });
      assert.doesNotMatch(all, /never-to-be-seen|s3cr3t/);
    }
  });
});
