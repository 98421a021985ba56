import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { chmod, mkdir, readFile, writeFile } from "node:fs/promises";
import type { IncomingMessage } from "node:http";
import { request } from "node:https";
import { connect as connectPlain } from "node:net";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { afterEach, beforeEach, describe, it } from "node:test";
import { connect, type PeerCertificate } from "node:tls";
import { type InjectorOptions, startInjector } from "../../cli/injector/listener.ts";
import { managedKeyOf, managedKeys } from "../../cli/injector/managed-keys.ts";
import { ownCaBundle } from "../../cli/injector/own-ca.ts";
import type { ConnectionLimits } from "../../lib/admission/connections.ts";
import { HOUR_MS, MINUTE_MS } from "../../lib/clock.ts";
import { InputError } from "../../lib/errors.ts";
import type { Fleet } from "../../lib/fleet/fleet.ts";
import { keyHash, keyOf } from "../../lib/injector-keys.ts";
import type { LogFields } from "../../lib/ports/telemetry.ts";
import { prometheusMetrics } from "../../lib/telemetry/metrics.ts";
import { type ReservedPort, reservePort, type TempFolder, tempFolder, testCa, waitFor } from "../harness/index.ts";

const DAY_MS = 24 * HOUR_MS;
const KEY = keyOf(randomBytes(32));

interface Opened extends AsyncDisposable {
  isOpen(): boolean;
  /** The status of the answer to an empty review. */
  asks(cluster: string, key: string): Promise<number>;
}

describe("the listener of the injector", () => {
  let folder: TempFolder;
  let reserved: ReservedPort;
  let port: number;
  let now: number;
  let fleet: Fleet;
  let lines: (readonly [event: string, fields: LogFields])[];
  /** Ends the pause of the loop that looks after certificates. */
  let wake: () => void;
  let looks: number;
  let metrics: ReturnType<typeof prometheusMetrics>;

  beforeEach(async () => {
    folder = await tempFolder("injector");
    reserved = await reservePort();
    port = reserved.port;
    // Connections are judged by the real time.
    now = Date.now() - 61 * DAY_MS;
    lines = [];
    looks = 0;
    metrics = prometheusMetrics();
    fleet = fleetWith({});
  });
  afterEach(async () => {
    await reserved[Symbol.asyncDispose]();
    await folder[Symbol.asyncDispose]();
  });

  function fleetWith(injector: object): Fleet {
    const one = { name: "one", connect: {}, injector: { keys: [keyHash(KEY)], url: `https://127.0.0.1:${port}` } };
    return { clusters: [one as unknown as Fleet["clusters"][number]], vaults: [], hubs: [], injector };
  }

  async function start(listen = `127.0.0.1:${port}`, limits?: ConnectionLimits): Promise<AsyncDisposable> {
    const all = { ...options(listen), ...(limits === undefined ? {} : { limits }) };
    return (await startInjector(all)) ?? assert.fail("it does not listen");
  }

  function options(listen: string): InjectorOptions {
    const write = (event: string, fields: LogFields = {}): void => void lines.push([event, fields]);
    return {
      listen,
      fleet: () => fleet,
      folder: folder.path,
      dataDir: folder.path,
      clients: { send: () => Promise.reject(new Error("nobody manages a registration")) },
      clock: () => now,
      randomBytes,
      sleep: async (_ms, signal) => {
        looks++;
        const { promise, resolve } = Promise.withResolvers<void>();
        wake = resolve;
        signal.addEventListener("abort", () => resolve());
        if (!signal.aborted) await promise;
      },
      log: { debug: write, info: write, warn: write, error: write },
      metrics,
    };
  }

  /** Looks after certificates once more. */
  async function lookAgain(): Promise<void> {
    await waitFor("the pause", async () => looks > 0);
    const before = looks;
    wake();
    await waitFor("another look", async () => looks > before);
  }

  /** The certificate that a new connection gets; rejects if these CAs did not sign it. */
  async function certificate(ca: string): Promise<PeerCertificate> {
    const socket = connect({ host: "127.0.0.1", port, ca });
    await once(socket, "secureConnect");
    const found = socket.getPeerCertificate();
    socket.destroy();
    return found;
  }

  /** The CA that signed what a new connection gets, whatever the real time is. */
  async function issuer(): Promise<unknown> {
    const socket = connect({ host: "127.0.0.1", port, rejectUnauthorized: false });
    await once(socket, "secureConnect");
    const { CN } = socket.getPeerCertificate().issuer;
    socket.destroy();
    return CN;
  }

  /** A connection from this address, over which nothing is sent yet. */
  async function opened(from: string): Promise<Opened> {
    const plain = connectPlain({ host: "127.0.0.1", port, localAddress: from });
    plain.on("error", () => undefined);
    const socket = connect({ socket: plain, rejectUnauthorized: false });
    let isOpen = true;
    let received = "";
    socket.on("close", () => {
      isOpen = false;
    });
    socket.on("error", () => undefined);
    socket.on("data", (part) => {
      received += part;
    });
    // Also one that is closed in the middle of its handshake, which is an error, has been opened.
    await new Promise<void>((resolve) => {
      for (const event of ["secureConnect", "close"]) socket.once(event, () => resolve());
    });
    return {
      isOpen: () => isOpen,
      async asks(cluster, key) {
        received = "";
        const body = "{}";
        const head = [`POST /c/${cluster}/${key}/mutate HTTP/1.1`, "host: x", "content-type: application/json"];
        socket.write([...head, `content-length: ${body.length}`, "", body].join("\r\n"));
        await waitFor("an answer", async () => received.includes("\r\n\r\n"));
        return Number(received.split(" ")[1]);
      },
      async [Symbol.asyncDispose]() {
        socket.destroy();
      },
    };
  }

  async function allOpened(count: number, from: string): Promise<AsyncDisposable & { openOnes(): number }> {
    const all = await Promise.all(Array.from({ length: count }, () => opened(from)));
    return {
      openOnes: () => all.filter((one) => one.isOpen()).length,
      async [Symbol.asyncDispose]() {
        for (const one of all) await one[Symbol.asyncDispose]();
      },
    };
  }

  async function droppedOnes(whose: string): Promise<number> {
    const text = await metrics.registry.metrics();
    const found = new RegExp(`^keyferry_injector_connections_dropped_total\\{whose="${whose}"\\} (\\d+)$`, "m").exec(
      text,
    );
    return Number(found?.[1] ?? 0);
  }

  async function writeCertificate(name: string): Promise<string> {
    const ca = await testCa(`CA of ${name}`);
    const { cert, key } = await ca.serverCert(name, ["127.0.0.1"]);
    await Promise.all([writeFile(join(folder.path, "tls.pem"), cert), writeFile(join(folder.path, "tls.key"), key)]);
    return ca.pem;
  }

  it("reads the files of its certificate again, and keeps what it has when they are broken", async () => {
    const first = await writeCertificate("first");
    fleet = fleetWith({ certFile: "tls.pem", keyFile: "tls.key" });
    await using _listener = await start();
    assert.equal((await certificate(first)).subject.CN, "first");
    const second = await writeCertificate("second");
    await lookAgain();
    assert.equal((await certificate(second)).subject.CN, "second");
    await writeFile(join(folder.path, "tls.pem"), "broken");
    await lookAgain();
    assert.equal((await certificate(second)).subject.CN, "second");
    assert.ok(lines.some(([event]) => event === "injector-certificate-unusable"));
    const third = await writeCertificate("third");
    await lookAgain();
    assert.equal((await certificate(third)).subject.CN, "third");
  });

  it("says at its start what is wrong with its certificate or its address", async () => {
    fleet = fleetWith({ certFile: "none.pem", keyFile: "none.key" });
    await assert.rejects(
      start(),
      (error) => error instanceof InputError && /none\.(pem|key).*ENOENT/s.test(error.message),
    );
    await writeFile(join(folder.path, "tls.pem"), "broken");
    await writeFile(join(folder.path, "tls.key"), "broken");
    fleet = fleetWith({ certFile: "tls.pem", keyFile: "tls.key" });
    await assert.rejects(start(), InputError);
    fleet = fleetWith({});
    await using _listener = await start();
    await assert.rejects(start(), /--injector-listen.*EADDRINUSE/s);
  });

  it("says that it registers nothing while it does not listen", async () => {
    assert.equal(lines.length, 0);
    assert.equal(lines.length, 0);
    fleet = { ...fleet, clusters: fleet.clusters.map((one) => ({ ...one, injector: { manage: true } })) };
    assert.equal(await startInjector(options("none")), undefined);
    assert.deepEqual(
      lines.map(([event, { clusters }]) => [event, clusters]),
      [["injector-not-registered", ["one"]]],
    );
  });

  it("tries a registration that failed again soon, with pauses that double up to five minutes", async () => {
    fleet = fleetWith({});
    const [one] = fleet.clusters;
    fleet = { ...fleet, clusters: [{ ...one, injector: { ...one?.injector, manage: true } } as never] };
    await using _listener = await start();
    const failures = (): number => lines.filter(([event]) => event === "injector-not-registered").length;
    const found: number[] = [];
    for (let seconds = 0; seconds <= 480; seconds += 30) {
      await waitFor("the pause", async () => looks > seconds / 30);
      if (failures() > found.length) found.push(seconds);
      now += 30_000;
      wake();
    }
    assert.deepEqual(found, [0, 30, 90, 210, 450]);
  });

  it("says that it made a CA, once", async () => {
    const made = (): number => lines.filter(([event]) => event === "injector-ca-made").length;
    for (const expected of [1, 1]) {
      await using _listener = await start();
      await lookAgain();
      assert.equal(made(), expected);
    }
  });

  it("renews its own CA at two thirds of its life; both are in the bundle, until the first one is over", async () => {
    await using _listener = await start();
    const first = await ownCaBundle(folder.path, now);
    const leaf = await certificate(first);
    now += 61 * DAY_MS;
    await lookAgain();
    const renewed = await certificate(first);
    assert.notEqual(renewed.serialNumber, leaf.serialNumber, "the listener's certificate is renewed before its end");
    now += 700 * DAY_MS;
    await lookAgain();
    const both = await ownCaBundle(folder.path, now);
    assert.equal(both.match(/BEGIN CERTIFICATE/g)?.length, 2);
    assert.ok(both.startsWith(first));
    const [, { by }] = lines.find(([event]) => event === "injector-ca-renewed") ?? assert.fail("nobody was told");
    // From then on the successor signs, and a registration without it is useless.
    now = Date.parse(String(by)) - HOUR_MS;
    await lookAgain();
    assert.equal(await issuer(), leaf.issuer.CN);
    now += 2 * HOUR_MS;
    await lookAgain();
    assert.notEqual(await issuer(), leaf.issuer.CN);
  });

  it("has a CA and keys that nobody else may read, and refuses to use others", async () => {
    const path = join(folder.path, "injector-ca.json");
    await ownCaBundle(folder.path, now);
    await chmod(path, 0o644);
    await assert.rejects(ownCaBundle(folder.path, now), /others than its owner may read or write it \(mode 644\)/);
    await chmod(path, 0o600);
    await writeFile(path, "[]");
    await assert.rejects(ownCaBundle(folder.path, now), /it is broken: delete it/);
  });

  it("answers nobody without a key before it reads what they send, and keeps no connection of theirs", async () => {
    await using _listener = await start();
    const ca = await ownCaBundle(folder.path, now);
    const ask = async (path: string, method = "POST"): Promise<readonly [number | undefined, unknown, string]> => {
      const headers = { "content-type": "application/json", "content-length": 1_000_000 };
      const sent = request({ host: "127.0.0.1", port, ca, path, method, headers: method === "POST" ? headers : {} });
      // The body never comes.
      sent.flushHeaders();
      if (method !== "POST") sent.end();
      sent.on("error", () => undefined);
      const [answer] = (await once(sent, "response")) as [IncomingMessage];
      const body = await text(answer);
      sent.destroy();
      return [answer.statusCode, answer.headers.connection, body];
    };
    assert.deepEqual(await ask(`/c/one/${keyOf(randomBytes(32))}/mutate`), [404, "close", "not found\n"]);
    assert.deepEqual(await ask("/anything"), [404, "close", "not found\n"]);
    assert.deepEqual(await ask("/healthz", "GET"), [200, "close", "ok\n"]);
    assert.deepEqual(await ask(`/c/one/${KEY}/mutate`, "GET"), [405, "keep-alive", "POST an AdmissionReview\n"]);
  });

  it("has memory for sixteen of the largest requests of a cluster at the same time, and then for others again", async () => {
    await using _listener = await start();
    const ca = await ownCaBundle(folder.path, now);
    const body = Buffer.alloc(3 * 1_024 * 1_024, " ");
    const send = (isWhole: boolean) => {
      const headers = { "content-type": "application/json", "content-length": body.byteLength + (isWhole ? 0 : 1) };
      const sent = request({ host: "127.0.0.1", port, ca, path: `/c/one/${KEY}/mutate`, method: "POST", headers });
      const answered = once(sent, "response").then(([answer]) => (answer as IncomingMessage).statusCode);
      sent.on("error", () => undefined);
      sent.write(body);
      if (isWhole) sent.end();
      return { sent, answered };
    };
    // Their last byte never comes.
    const waiting = Array.from({ length: 17 }, () => send(false));
    const first = await Promise.race(waiting.map(({ answered }) => answered.catch(() => "cut")));
    // Whoever still sends its body when the connection is closed may not get the answer.
    assert.ok(first === 503 || first === "cut", `${first}`);
    const told = lines.find(([event]) => event === "review-crowded")?.[1];
    assert.deepEqual(told, { cluster: "one", reasons: ["the cluster has no memory or time left here: try again"] });
    for (const { sent, answered } of waiting) {
      answered.catch(() => undefined);
      sent.destroy();
    }
    // A connection that is closed while its request is still sent may be seen as cut.
    await waitFor("memory", async () => (await send(true).answered.catch(() => undefined)) === 400);
  });

  it("closes the connections of a stranger who opens too many, and nobody else's", async () => {
    await using _listener = await start(undefined, { strangers: 4, known: 4 });
    await using neighbour = await opened("127.0.0.3");
    await using stranger = await allOpened(10, "127.0.0.2");
    await waitFor("fewer connections of the stranger", async () => stranger.openOnes() <= 3);
    assert.equal(neighbour.isOpen(), true);
    await using server = await opened("127.0.0.1");
    assert.equal(await server.asks("one", KEY), 400);
    assert.equal(await droppedOnes("stranger"), 10 + 1 + 1 - 4);
  });

  it("closes the idle connections of a cluster that keeps too many, and those of no other cluster", async () => {
    const other = keyOf(randomBytes(32));
    const two = { name: "two", connect: {}, injector: { keys: [keyHash(other)] } };
    fleet = { ...fleet, clusters: [...fleet.clusters, two as unknown as Fleet["clusters"][number]] };
    await using _listener = await start(undefined, { strangers: 4, known: 4 });
    // All have one address, as behind a load balancer.
    await using neighbour = await opened("127.0.0.1");
    assert.equal(await neighbour.asks("two", other), 400);
    const many: Opened[] = [];
    for (let count = 0; count < 10; count++) {
      const next = await opened("127.0.0.1");
      many.push(next);
      assert.equal(await next.asks("one", KEY), 400);
    }
    await waitFor("fewer connections", async () => many.filter((one) => one.isOpen()).length === 3);
    assert.equal(neighbour.isOpen(), true);
    assert.equal(await neighbour.asks("two", other), 400);
    assert.equal(await droppedOnes("cluster"), 7);
    for (const one of many) await one[Symbol.asyncDispose]();
  });

  it("replaces the keys that it manages, and lets the old one be valid until ten minutes after the new one is registered", async () => {
    const keys = managedKeys(folder.path, randomBytes);
    const first = keys.wanted("one", now);
    assert.equal(keys.wanted("one", now), first);
    keys.registered("one", first, now);
    now += 61 * DAY_MS;
    const second = keys.wanted("one", now);
    assert.notEqual(second, first);
    assert.deepEqual(keys.of("one", now), [second, first]);
    assert.equal(keys.wanted("one", now + HOUR_MS), second, "it is not registered yet");
    assert.deepEqual(keys.of("one", now + HOUR_MS), [second, first]);
    assert.equal(keys.wanted("one", now + 61 * DAY_MS), second, "the cluster still has the first");
    assert.deepEqual(keys.of("one", now + 61 * DAY_MS), [second, first]);
    keys.registered("one", second, now);
    // Another process goes on with them.
    const again = managedKeys(folder.path, randomBytes);
    assert.deepEqual(again.of("one", now + 10 * MINUTE_MS - 1), [second, first]);
    assert.deepEqual(again.of("one", now + 10 * MINUTE_MS), [second], "by itself, without another look");
    assert.equal(managedKeyOf(folder.path, "one", now), second);
    assert.ok((await readFile(join(folder.path, "injector-keys.json"), "utf8")).includes(first));
    again.wanted("one", now + HOUR_MS);
    assert.ok(!(await readFile(join(folder.path, "injector-keys.json"), "utf8")).includes(first));
    assert.deepEqual(again.of("two", now), []);
    assert.deepEqual(again.of("constructor", now), []);
    assert.equal(managedKeyOf(folder.path, "constructor", now), undefined);
    assert.equal(again.wanted("constructor", now), managedKeyOf(folder.path, "constructor", now));
  });

  it("has no key that its file does not have: a registration would outlive it", async () => {
    const dataDir = join(folder.path, "later");
    const keys = managedKeys(dataDir, randomBytes);
    assert.throws(() => keys.wanted("one", now), /ENOENT/);
    assert.deepEqual(keys.of("one", now), []);
    await mkdir(dataDir);
    const key = keys.wanted("one", now);
    assert.equal(managedKeyOf(dataDir, "one", now), key);
  });

  it("lets a key end a week after its cluster is no longer managed, and says so before", () => {
    const keys = managedKeys(folder.path, randomBytes);
    const [one, two] = [keys.wanted("one", now), keys.wanted("two", now)];
    assert.deepEqual(keys.manages(new Set(["one", "two"]), now), { ending: [], ended: [] });
    const by = now + 7 * DAY_MS;
    assert.deepEqual(keys.manages(new Set(["one"]), now), { ending: [{ cluster: "two", by }], ended: [] });
    assert.deepEqual(keys.manages(new Set(["one"]), now + DAY_MS), { ending: [], ended: [] }, "it is said once");
    assert.deepEqual(keys.of("two", by - 1), [two]);
    assert.deepEqual(keys.of("two", by), []);
    assert.equal(managedKeyOf(folder.path, "two", by), undefined);
    assert.deepEqual(managedKeys(folder.path, randomBytes).manages(new Set(["one"]), by), {
      ending: [],
      ended: ["two"],
    });
    assert.deepEqual(keys.of("one", by), [one]);
    // Managed again before the end, it is as before; after it, there is another one.
    assert.equal(keys.wanted("two", by - DAY_MS), two);
    assert.deepEqual(keys.of("two", by + DAY_MS), [two]);
    const again = managedKeys(folder.path, randomBytes);
    again.manages(new Set(["one"]), by);
    assert.notEqual(again.wanted("two", by + 8 * DAY_MS), two);
  });
});
