import assert from "node:assert/strict";
import { chmod, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { createServer as createTlsServer } from "node:https";
import { type AddressInfo, connect as connectTcp, createServer as createTcpServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, beforeEach, describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { HOUR_MS } from "../../lib/clock.ts";
import { SyncError } from "../../lib/errors.ts";
import type { ClusterAccess } from "../../lib/ports/cluster-access.ts";
import type { ListOptions, WatchEvent } from "../../lib/ports/clusters.ts";
import { SECRET, VAULT_STATIC_SECRET } from "../../lib/resource-kinds.ts";
import { testCa } from "../harness/certificates.ts";
import { apisOver, patient, type TestApis, withCode } from "./kubernetes-fixtures.ts";

type Handler = (request: IncomingMessage, response: ServerResponse) => void;

const REF = { cluster: "sick", namespace: "pay", name: "db", kind: VAULT_STATIC_SECRET };
const METADATA = { namespace: "pay", name: "db", uid: "an-uid", resourceVersion: "7" };
const RESOURCE = { metadata: METADATA };
const SINCE = { resourceVersion: "5", seconds: 30 };
const ALL = { metadataOnly: true };
/** An answer takes a while on a machine that is busy: so long waits who gets one, and so long who gets none. */
const PATIENT = { timeoutMs: 60_000 };
const HASTY = { timeoutMs: 1_000 };

const MIB = 1024 * 1024;

/** Metadata that no API server gives. */
const IMPOSSIBLE: readonly (readonly [string, object])[] = [
  ["a version that is no number", { resourceVersion: "not-a-number" }],
  ["a version below zero", { resourceVersion: "-7" }],
  ["a version that is a number of another kind", { resourceVersion: "7e3" }],
  ["a version that is not a text", { resourceVersion: 7 }],
  ["a version of too many digits", { resourceVersion: "1".repeat(21) }],
  ["no uid", { uid: undefined }],
  ["a uid with a line break in it", { uid: "a\nb" }],
  ["a uid of no end", { uid: "u".repeat(129) }],
  ["no name", { name: undefined }],
  ["a name that is a path", { name: "../db" }],
  ["a name of no end", { name: "n".repeat(254) }],
  ["a namespace that is none", { namespace: "pay/db" }],
];

const status = (code: number, more: object = {}) => ({ kind: "Status", apiVersion: "v1", code, ...more });

function answer(response: ServerResponse, code: number, body: unknown, headers: Record<string, string> = {}): void {
  response.writeHead(code, { "content-type": "application/json", ...headers });
  response.end(typeof body === "string" ? body : JSON.stringify(body));
}

/** A kubeconfig of one cluster and one user, as JSON, which is YAML as well. */
function kubeconfig(server: string, user: object, cluster: object = { "insecure-skip-tls-verify": true }): string {
  return JSON.stringify({
    "current-context": "sick",
    clusters: [{ name: "sick", cluster: { server, ...cluster } }],
    users: [{ name: "sick", user }],
    contexts: [{ name: "sick", context: { cluster: "sick", user: "sick" } }],
  });
}

async function listen(server: Server | ReturnType<typeof createTcpServer>): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return (server.address() as AddressInfo).port;
}

describe("an API server that is not well", () => {
  let server: Server;
  let url: string;
  let handle: Handler;
  let seen: IncomingMessage[];
  const opened: TestApis[] = [];

  before(async () => {
    server = createServer((request, response) => {
      seen.push(request);
      handle(request, response);
    });
    // No idle connection is closed just when its next request comes.
    server.keepAliveTimeout = 0;
    url = `http://127.0.0.1:${await listen(server)}`;
  });
  beforeEach(() => {
    seen = [];
    handle = (_, response) => answer(response, 200, RESOURCE);
  });
  after(() => {
    for (const apis of opened) apis.clients.close();
    server.close();
    server.closeAllConnections();
  });

  const apisOf = (
    access: () => ClusterAccess = () => ({ kubeConfig: { text: kubeconfig(url, { token: "t" }) } }),
    more = {},
  ) => {
    const made = apisOver({ resolve: access, ...PATIENT, ...more });
    opened.push(made);
    return made;
  };
  const hasty = () => apisOf(undefined, HASTY);
  const get = (from: TestApis = apisOf(), signal = patient()) => from.resources.get(REF, signal);
  const watchAll = async (from: TestApis = apisOf()): Promise<readonly WatchEvent[]> => {
    const events: WatchEvent[] = [];
    for await (const event of from.clusters.watch("sick", SECRET, ALL, SINCE, patient())) events.push(event);
    return events;
  };
  const isUnreachable = (error: unknown): boolean => {
    assert.ok(error instanceof SyncError);
    assert.deepEqual([error.code, error.circuit], ["KUBE_UNREACHABLE", "cluster:sick"]);
    return true;
  };

  describe("that does not answer", () => {
    it("is out of reach when it hangs", async () => {
      handle = () => {};
      await assert.rejects(get(hasty()), isUnreachable);
      await assert.rejects(watchAll(hasty()), isUnreachable);
    });

    it("is out of reach when its answer never ends", async () => {
      handle = (_, response) => {
        response.writeHead(200);
        const drip = setInterval(() => response.write(" "), 20);
        response.on("close", () => clearInterval(drip));
      };
      await assert.rejects(get(hasty()), isUnreachable);
    });

    it("is out of reach when nobody listens, or every connection is closed at once", async () => {
      const nobody = () => ({ kubeConfig: { text: kubeconfig("http://127.0.0.1:1", {}) } });
      await assert.rejects(get(apisOf(nobody)), isUnreachable);
      const slammed = createTcpServer((socket: Socket) => socket.destroy());
      const port = await listen(slammed);
      const slamming = () => ({ kubeConfig: { text: kubeconfig(`http://127.0.0.1:${port}`, {}) } });
      await assert.rejects(get(apisOf(slamming)), isUnreachable);
      slammed.close();
    });

    it("keeps nobody waiting longer than they want to", async () => {
      const leaving = new AbortController();
      handle = () => leaving.abort();
      await assert.rejects(
        get(apisOf(), leaving.signal),
        withCode("DEADLINE_EXCEEDED", /get vaultstaticsecrets pay\/db/),
      );
      await assert.rejects(get(apisOf(), AbortSignal.abort()), withCode("DEADLINE_EXCEEDED"));
    });

    it("is asked once more when the connection was closed while idle", async () => {
      const one = apisOf();
      await get(one);
      handle = (request, response) => {
        handle = (_, again) => answer(again, 200, RESOURCE);
        request.socket.destroy();
        response.destroy();
      };
      assert.equal((await get(one))?.uid, "an-uid");
      assert.equal(seen.length, 3);
    });
  });

  describe("that answers nonsense", () => {
    for (const [what, code, body] of [
      ["a page", 200, "<html>Welcome</html>"],
      ["half an object", 200, '{"metadata":'],
      ["an object without uid", 200, {}],
      ["a page instead of not found", 404, "<html>no such page</html>"],
      ["a redirect", 302, ""],
    ] as const) {
      it(`is told that it is no API server: ${what}`, async () => {
        handle = (_, response) => answer(response, code, body);
        await assert.rejects(get(), withCode("KUBE_ANSWER_INVALID"));
      });
    }

    for (const code of [502, 503, 504]) {
      it(`is out of reach behind something that answers ${code}`, async () => {
        handle = (_, response) => answer(response, code, "<html>bad gateway</html>");
        await assert.rejects(get(), isUnreachable);
      });
    }

    it("kubernetes-rules 13: failed when it says so itself", async () => {
      handle = (_, response) => answer(response, 503, status(503, { reason: "ServiceUnavailable" }));
      await assert.rejects(get(), withCode("KUBE_FAILED", /ServiceUnavailable$/));
    });

    it("kubernetes-rules 13: a 500 without a reason was our doing", async () => {
      handle = (_, response) => answer(response, 500, status(500, { message: "can't parse s3cr3t" }));
      await assert.rejects(get(), withCode("KUBE_REJECTED", /^(?!.*s3cr3t)/));
      const secret = { cluster: "sick", namespace: "pay", name: "db" };
      const write = apisOf().secrets.replaceData(secret, "an-uid", new Map(), patient());
      await assert.rejects(write, withCode("REQUEST_MALFORMED", /^(?!.*s3cr3t)/));
    });

    it("tells nothing of a write where a webhook supports no dry runs, and that a webhook denies it", async () => {
      const webhook = 'admission webhook "w.example.com"';
      const says = (message: string): void => {
        handle = (_, response) => answer(response, 400, status(400, { reason: "BadRequest", message }));
      };
      const secret = { cluster: "sick", namespace: "pay", name: "db" };
      const write = { kind: "replace-data", uid: "an-uid", data: new Map() } as const;
      const { secrets } = apisOf();
      says(`${webhook} does not support dry run`);
      await secrets.rehearse(secret, write, patient());
      assert.match(seen.at(-1)?.url ?? "", /dryRun=All/);
      says(`${webhook} denied the request: no`);
      await assert.rejects(secrets.rehearse(secret, write, patient()), withCode("ADMISSION_DENIED", /w\.example\.com/));
    });

    it("may ask for a pause", async () => {
      handle = (_, response) =>
        answer(response, 429, status(429, { reason: "TooManyRequests" }), { "retry-after": "7" });
      await assert.rejects(get(), (error) => {
        assert.ok(error instanceof SyncError);
        assert.deepEqual([error.code, error.retryAfterMs], ["KUBE_THROTTLED", 7_000]);
        return true;
      });
    });
  });

  describe("that lists badly", () => {
    const listAll = async (from: TestApis = apisOf(), options: ListOptions = ALL) => {
      const page = await from.clusters.list("sick", SECRET, options, undefined, patient());
      return page?.items.length;
    };
    const items = (count: number, more: object = {}) =>
      Array.from({ length: count }, (_, at) => ({ ...more, metadata: { ...METADATA, name: `db-${at}` } }));
    const limitOf = (request: IncomingMessage | undefined) =>
      Number(new URL(request?.url ?? "/", "http://x").searchParams.get("limit"));
    const pageOf = (all: readonly object[], metadata: object = { resourceVersion: "9" }) => ({ metadata, items: all });

    for (const [what, metadata] of IMPOSSIBLE) {
      it(`is not believed when an object has ${what}`, async () => {
        handle = (_, response) => answer(response, 200, pageOf([{ metadata: { ...METADATA, ...metadata } }]));
        await assert.rejects(listAll(), withCode("KUBE_ANSWER_INVALID", /Secret came back without/));
      });
    }

    it("is not believed when a list has no version, or goes on from where it is", async () => {
      for (const resourceVersion of [undefined, "", "-1", "1e9", 7]) {
        handle = (_, response) => answer(response, 200, pageOf([], { resourceVersion }));
        await assert.rejects(listAll(), withCode("KUBE_ANSWER_INVALID", /a list of secrets/));
      }
      handle = (_, response) => answer(response, 200, pageOf([], { resourceVersion: "9", continue: "same" }));
      const again = apisOf().clusters.list("sick", SECRET, ALL, "same", patient());
      await assert.rejects(again, withCode("KUBE_ANSWER_INVALID", /continue token/));
    });

    it("is asked for smaller pages where objects are large, and from then on at once", async () => {
      const one = apisOf();
      const spec = { text: "x".repeat(100 * 1024) };
      handle = (request, response) => answer(response, 200, pageOf(items(limitOf(request), { spec })));
      assert.equal(await listAll(one), 20);
      assert.deepEqual(seen.map(limitOf), [500, 100, 20]);
      assert.equal(await listAll(one), 20);
      assert.deepEqual(seen.map(limitOf), [500, 100, 20, 20]);
    });

    it("gets its answers read up to 8 MiB and no further, however much it sends", async () => {
      let sent = 0;
      handle = (_, response) => {
        response.writeHead(200);
        const more = (): void => {
          while (!response.destroyed && sent < 1024 * MIB && response.write("x".repeat(MIB))) sent += MIB;
        };
        response.on("drain", more);
        more();
      };
      const list = listAll(apisOf(), { ...ALL, limit: 1 });
      await assert.rejects(
        list,
        withCode("KUBE_ANSWER_TOO_LARGE", /secrets in cluster sick: an answer is longer than 8 MiB/),
      );
      assert.ok(sent < 64 * MIB, `${sent}`);
    });

    it("is not parsed when it nests too deep or is made of too many values", async () => {
      const one = apisOf();
      handle = (_, response) => answer(response, 200, `{"items":[${"[".repeat(99)}${"]".repeat(99)}]}`);
      await assert.rejects(listAll(one, { ...ALL, limit: 1 }), withCode("KUBE_ANSWER_TOO_LARGE", /deeper than 100/));
      handle = (_, response) => answer(response, 200, `{"items":[${"[],".repeat(2 * MIB)}[]]}`);
      await assert.rejects(listAll(one, { ...ALL, limit: 1 }), withCode("KUBE_ANSWER_TOO_LARGE", /more than 500000/));
    });

    it("has one object of at most 4 MiB", async () => {
      handle = (_, response) => answer(response, 200, { ...RESOURCE, spec: { text: "x".repeat(4 * MIB) } });
      await assert.rejects(get(apisOf()), withCode("KUBE_ANSWER_TOO_LARGE", /longer than 4 MiB/));
    });
  });

  it("may ask for a pause of an hour and no longer", async () => {
    handle = (_, response) => answer(response, 429, status(429, { details: { retryAfterSeconds: 1e300 } }));
    await assert.rejects(get(), (error) => error instanceof SyncError && error.retryAfterMs === HOUR_MS);
  });

  describe("that watches badly", () => {
    const lines =
      (...all: readonly string[]): Handler =>
      (_, response) => {
        response.writeHead(200);
        for (const line of all) response.write(line);
        response.end();
      };
    const added = JSON.stringify({ type: "ADDED", object: RESOURCE });

    it("is understood whatever way its lines are cut", async () => {
      const both = `${added}\n\n${added}`;
      handle = (_, response) => {
        response.writeHead(200);
        void (async () => {
          for (let from = 0; from < both.length; from += 7) {
            response.write(both.slice(from, from + 7));
            await sleep(1);
          }
          response.end();
        })();
      };
      assert.equal((await watchAll()).length, 2);
    });

    it("kubernetes-rules 12: says 410 as an answer or as an event, and both are EXPIRED", async () => {
      handle = (_, response) => answer(response, 410, status(410, { reason: "Expired" }));
      assert.deepEqual(await watchAll(), [{ type: "EXPIRED" }]);
      handle = lines(
        `${JSON.stringify({ type: "ERROR", object: status(410, { reason: "Expired" }) })}\n`,
        `${added}\n`,
      );
      assert.deepEqual(await watchAll(), [{ type: "EXPIRED" }]);
    });

    it("is stopped at a line of more than 4 MiB", async () => {
      handle = lines(`${added}\n`, "x".repeat(4 * MIB + 1), "\n");
      await assert.rejects(watchAll(), withCode("KUBE_ANSWER_TOO_LARGE", /longer than 4 MiB/));
    });

    it("is stopped at a line that nests too deep", async () => {
      handle = lines(`${added}\n`, `${"[".repeat(200)}${"]".repeat(200)}\n`);
      await assert.rejects(watchAll(), withCode("KUBE_ANSWER_TOO_LARGE", /nests deeper than 100 levels/));
    });

    for (const [what, metadata] of IMPOSSIBLE) {
      it(`is not believed when an event has ${what}`, async () => {
        handle = lines(`${JSON.stringify({ type: "MODIFIED", object: { metadata: { ...METADATA, ...metadata } } })}\n`);
        await assert.rejects(watchAll(), withCode("KUBE_ANSWER_INVALID", /Secret came back without/));
      });
    }

    it("is not believed when a bookmark stands nowhere", async () => {
      handle = lines('{"type":"BOOKMARK","object":{"metadata":{"resourceVersion":"not-a-number"}}}\n');
      await assert.rejects(watchAll(), withCode("KUBE_ANSWER_INVALID", /a bookmark/));
    });

    it("is not believed when a line is not JSON or has no known type", async () => {
      handle = lines("oops\n");
      await assert.rejects(watchAll(), withCode("KUBE_ANSWER_INVALID"));
      handle = lines('{"type":"SURPRISE"}\n');
      await assert.rejects(watchAll(), withCode("KUBE_ANSWER_INVALID"));
    });

    it("is out of reach when it breaks off", async () => {
      handle = (request, response) => {
        response.writeHead(200);
        response.write(`${added}\n`, () => setTimeout(() => request.socket.destroy(), 20));
      };
      await assert.rejects(watchAll(), isUnreachable);
    });

    it("may be silent for longer than an answer may take", async (t) => {
      t.mock.timers.enable({ apis: ["setTimeout"] });
      let goOn = () => {};
      handle = (_, response) => {
        response.writeHead(200);
        response.write(`${added}\n`);
        goOn = () => void response.end(`${added}\n`);
      };
      const watch = hasty().clusters.watch("sick", SECRET, ALL, SINCE, patient())[Symbol.asyncIterator]();
      assert.equal((await watch.next()).done, false);
      t.mock.timers.tick(2 * HASTY.timeoutMs);
      goOn();
      assert.equal((await watch.next()).done, false);
      assert.equal((await watch.next()).done, true);
    });
  });

  describe("that wants another login", () => {
    const accepts =
      (token: () => string): Handler =>
      (request, response) => {
        if (request.headers.authorization === `Bearer ${token()}`) answer(response, 200, RESOURCE);
        else answer(response, 401, status(401, { reason: "Unauthorized" }));
      };
    let folder: string;
    before(async () => {
      folder = await mkdtemp(join(tmpdir(), "keyferry-login-"));
    });
    after(() => rm(folder, { recursive: true }));

    it("gets fresh credentials once, then KUBE_LOGIN_REFUSED", async () => {
      let asked = 0;
      // The clock stands: credentials are read again after a while.
      const access = () => ({ kubeConfig: { text: kubeconfig(url, { token: `token-${++asked}` }) } });
      const one = apisOf(access, { clock: () => 0 });
      handle = accepts(() => "token-2");
      assert.equal((await get(one))?.uid, "an-uid");
      assert.equal(asked, 2);
      handle = accepts(() => "none");
      await assert.rejects(get(one), withCode("KUBE_LOGIN_REFUSED", /^(?!.*token-)/));
      assert.equal(asked, 3);
    });

    it("reads a token file again: in time, and when it is refused", async () => {
      const file = join(folder, "token");
      await writeFile(file, "one\n");
      await writeFile(join(folder, "kubeconfig"), kubeconfig(url, { tokenFile: "token" }));
      let now = 0;
      let token = "one";
      const access = () => ({ kubeConfig: { path: join(folder, "kubeconfig") } });
      const one = apisOf(access, { clock: () => now });
      handle = accepts(() => token);
      await get(one);
      token = "two";
      await writeFile(file, token);
      await get(one);
      assert.equal(seen.length, 3);
      now += 31_000;
      await get(one);
      assert.equal(seen.length, 4);
    });

    it("keeps what it has while it can't be read again", async () => {
      let now = 0;
      let works = true;
      const access = () => {
        if (!works) throw new SyncError("REFERENCE_MISSING", "gone");
        return { kubeConfig: { text: kubeconfig(url, { token: "one" }) }, expiresAt: 40_000 };
      };
      const one = apisOf(access, { clock: () => now });
      await get(one);
      works = false;
      now += 31_000;
      await get(one);
      assert.deepEqual(
        one.log.lines.map(({ event }) => event),
        ["cluster-credentials-not-reread"],
      );
    });

    it("runs the plugin that the kubeconfig names, and once more when its token is refused", async () => {
      const plugin = join(folder, "plugin");
      const count = join(folder, "count");
      const script = `#!/bin/sh
echo x >> ${count}
echo "$KUBERNETES_EXEC_INFO" > ${folder}/info
n=$(wc -l < ${count} | tr -d ' ')
echo '{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential","status":{"token":"token-'$n'"}}'
`;
      await writeFile(plugin, script);
      await chmod(plugin, 0o755);
      const exec = { apiVersion: "client.authentication.k8s.io/v1", command: "./plugin" };
      const path = join(folder, "exec-kubeconfig");
      await writeFile(path, kubeconfig(url, { exec }));
      const one = apisOf(() => ({ kubeConfig: { path } }), { clock: () => 0 });
      let token = "token-1";
      handle = accepts(() => token);
      await get(one);
      await get(one);
      token = "token-2";
      await get(one);
      assert.equal(await readFile(count, "utf8"), "x\nx\n");
      assert.equal(JSON.parse(await readFile(join(folder, "info"), "utf8")).kind, "ExecCredential");
    });

    it("does not wait for a plugin that hangs, and tells nothing of what one that fails says", async () => {
      const exec = (script: string) => ({ apiVersion: "v1", command: "sh", args: ["-c", script] });
      const hangs = apisOf(() => ({ kubeConfig: { text: kubeconfig(url, { exec: exec("sleep 3") }) } }), HASTY);
      await assert.rejects(get(hangs), SyncError);
      const fails = apisOf(() => ({
        kubeConfig: { text: kubeconfig(url, { exec: exec("echo s3cr3t >&2; exit 1") }) },
      }));
      await assert.rejects(get(fails), withCode("KUBE_LOGIN_REFUSED", /^(?!.*s3cr3t)/));
    });

    it("runs no program where none may run, and names eks", async () => {
      const exec = {
        apiVersion: "client.authentication.k8s.io/v1",
        command: "sh",
        args: ["-c", `touch ${folder}/ran`],
      };
      const one = apisOf(() => ({ kubeConfig: { text: kubeconfig(url, { exec }) }, mayExec: false }));
      await assert.rejects(get(one), withCode("REFERENCE_INVALID", /exec plugin, .* run no programs: connect by eks/));
      await assert.rejects(readFile(join(folder, "ran")), { code: "ENOENT" });
      const other = { "auth-provider": { name: "gcp", config: { "cmd-path": "sh" } } };
      const two = apisOf(() => ({ kubeConfig: { text: kubeconfig(url, other) }, mayExec: false }));
      await assert.rejects(get(two), withCode("REFERENCE_INVALID", /exec plugin/));
    });

    it("names what is wrong with a kubeconfig and quotes none of it", async () => {
      const token = "s3cr3t";
      for (const [access, message] of [
        [{ kubeConfig: { path: join(folder, "none") } }, /none can't be read \(ENOENT\)/],
        [{ kubeConfig: { text: `users: [{token: ${token}` } }, /not valid/],
        [{ kubeConfig: { text: kubeconfig(url, { token }) }, context: "other" }, /no context "other"/],
        [{ kubeConfig: { text: kubeconfig(url, { token }, {}) } }, /https/],
        [{ kubeConfig: { text: kubeconfig(url, { token }).replace('"users"', '"others"') } }, /lacks the user/],
      ] as const) {
        const error: unknown = await get(apisOf(() => access)).catch((thrown) => thrown);
        assert.ok(withCode("REFERENCE_INVALID", message)(error));
        assert.ok(!String(error).includes(token));
      }
    });

    it("KUBECONFIG and a pod's own account have no say", async () => {
      process.env.KUBECONFIG = join(folder, "kubeconfig");
      try {
        await assert.rejects(get(apisOf(() => ({ kubeConfig: { text: "{}" } }))), withCode("REFERENCE_INVALID"));
      } finally {
        delete process.env.KUBECONFIG;
      }
    });
  });

  describe("that is not who it should be", () => {
    it("is refused by its certificate, whatever the environment says", async () => {
      const [ours, theirs] = [await testCa("ours"), await testCa("theirs")];
      const { cert, key } = await theirs.serverCert("api", ["127.0.0.1"]);
      const impostor = createTlsServer({ cert, key }, (_, response) => answer(response, 200, RESOURCE));
      const address = `https://127.0.0.1:${await listen(impostor)}`;
      const trust = { "certificate-authority-data": Buffer.from(ours.pem).toString("base64") };
      process.env.NODE_TLS_REJECT_UNAUTHORIZED = "0";
      try {
        const one = apisOf(() => ({ kubeConfig: { text: kubeconfig(address, {}, trust) } }), PATIENT);
        await assert.rejects(get(one), withCode("KUBE_TLS_REFUSED"));
      } finally {
        delete process.env.NODE_TLS_REJECT_UNAUTHORIZED;
      }
      const named = {
        "certificate-authority-data": Buffer.from(theirs.pem).toString("base64"),
        "tls-server-name": "other",
      };
      const two = apisOf(() => ({ kubeConfig: { text: kubeconfig(address, {}, named) } }), PATIENT);
      await assert.rejects(get(two), withCode("KUBE_TLS_REFUSED"));
      impostor.close();
      impostor.closeAllConnections();
    });

    it("is reached through the proxy and by the name that the kubeconfig says", async () => {
      const ca = await testCa("ours");
      const { cert, key } = await ca.serverCert("api", ["api.example.com"]);
      const server = createTlsServer({ cert, key }, (_, response) => answer(response, 200, RESOURCE));
      const port = await listen(server);
      const asked: string[] = [];
      const proxy = createServer().on("connect", (request, client, head) => {
        asked.push(request.url ?? "");
        const upstream = connectTcp(port, "127.0.0.1", () => {
          client.write("HTTP/1.1 200 Connection established\r\n\r\n");
          upstream.write(head);
          upstream.pipe(client).pipe(upstream);
        });
        upstream.on("error", () => client.destroy());
        client.on("error", () => upstream.destroy()).on("close", () => upstream.destroy());
      });
      const cluster = {
        "certificate-authority-data": Buffer.from(ca.pem).toString("base64"),
        "tls-server-name": "api.example.com",
        "proxy-url": `http://127.0.0.1:${await listen(proxy)}`,
      };
      const one = apisOf(
        () => ({ kubeConfig: { text: kubeconfig("https://hidden.invalid:6443", {}, cluster) } }),
        PATIENT,
      );
      assert.equal((await get(one))?.uid, "an-uid");
      assert.deepEqual([...new Set(asked)], ["hidden.invalid:6443"]);
      for (const each of [server, proxy]) {
        each.close();
        each.closeAllConnections();
      }
    });

    it("is believed by any certificate of the bundle: its issuer's alone, and whatever stands beside it", async () => {
      const [root, theirs] = [await testCa("root"), await testCa("theirs")];
      const issuer = await root.intermediate("issuer");
      const { cert, key } = await issuer.serverCert("api", ["127.0.0.1"]);
      const server = createTlsServer({ cert, key }, (_, response) => answer(response, 200, RESOURCE));
      const address = `https://127.0.0.1:${await listen(server)}`;
      const trusting = (bundle: string) =>
        apisOf(() => {
          const trust = { "certificate-authority-data": Buffer.from(bundle).toString("base64") };
          return { kubeConfig: { text: kubeconfig(address, {}, trust) } };
        }, PATIENT);
      for (const bundle of [root.pem, issuer.pem, `${theirs.pem}\n${issuer.pem}`]) {
        assert.equal((await get(trusting(bundle)))?.uid, "an-uid");
      }
      await assert.rejects(get(trusting(theirs.pem)), withCode("KUBE_TLS_REFUSED"));
      server.close();
      server.closeAllConnections();
    });

    it("is refused when it speaks no TLS", async () => {
      const plain = () => ({ kubeConfig: { text: kubeconfig(url.replace("http:", "https:"), {}) } });
      await assert.rejects(get(apisOf(plain)), withCode("KUBE_TLS_REFUSED"));
    });
  });

  it("is told who asks, below the path that its address has", async () => {
    const below = () => ({
      kubeConfig: { text: kubeconfig(`${url}/k8s/clusters/c-1/`, { username: "a", password: "b" }) },
    });
    await get(apisOf(below));
    const [request] = seen;
    assert.equal(
      request?.url,
      "/k8s/clusters/c-1/apis/secrets.hashicorp.com/v1beta1/namespaces/pay/vaultstaticsecrets/db",
    );
    assert.match(request?.headers["user-agent"] ?? "", /^keyferry\/\d+\.\d+\.\d+$/);
    assert.equal(request?.headers.authorization, `Basic ${Buffer.from("a:b").toString("base64")}`);
  });
});
