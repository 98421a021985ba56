import assert from "node:assert/strict";
import type { IncomingMessage, ServerResponse } from "node:http";
import { createServer, type Server } from "node:https";
import type { AddressInfo } from "node:net";
import { after, before, describe, it } from "node:test";
import { SyncError } from "../../lib/errors.ts";
import { VAULT_STATIC_SECRET } from "../../lib/resource-kinds.ts";
import { testCa } from "../harness/certificates.ts";
import { apisOver, patient, type TestApis } from "./kubernetes-fixtures.ts";

const THROTTLED = { kind: "Status", apiVersion: "v1", code: 429, reason: "TooManyRequests" };
const FOUND = { metadata: { namespace: "pay", name: "db", uid: "an-uid", resourceVersion: "7" } };

describe("an API server that throttles, as API Priority and Fairness does", () => {
  let says: (request: IncomingMessage) => { readonly status: number; readonly headers?: Record<string, string> };
  let body: object = THROTTLED;
  let seen: string[] = [];
  const answer = (request: IncomingMessage, response: ServerResponse): void => {
    seen.push(request.url ?? "");
    const { status, headers = {} } = says(request);
    response.writeHead(status, { "content-type": "application/json", ...headers });
    response.end(JSON.stringify(status === 200 ? FOUND : body));
  };
  let server: Server;
  let url = "";
  const opened: TestApis[] = [];
  before(async () => {
    server = createServer(await (await testCa("throttled")).serverCert("throttled", ["127.0.0.1"]), answer);
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    url = `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  after(async () => {
    for (const { clients } of opened) clients.close();
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });

  /** Two clusters: the requests to `well` begin with /well. */
  function apis(): TestApis {
    seen = [];
    body = THROTTLED;
    const made = apisOver({
      resolve: (cluster) => ({
        kubeConfig: {
          text: JSON.stringify({
            "current-context": "it",
            clusters: [
              {
                name: "it",
                cluster: { server: cluster === "well" ? `${url}/well` : url, "insecure-skip-tls-verify": true },
              },
            ],
            users: [{ name: "it", user: { token: "t" } }],
            contexts: [{ name: "it", context: { cluster: "it", user: "it" } }],
          }),
        },
      }),
      timeoutMs: 8_000,
    });
    opened.push(made);
    return made;
  }
  const get = (from: TestApis, cluster = "sick") =>
    from.resources.get({ cluster, namespace: "pay", name: "db", kind: VAULT_STATIC_SECRET }, patient());
  const isThrottled = (error: unknown): boolean => error instanceof SyncError && error.code === "KUBE_THROTTLED";

  it("gets one request for all that is asked of it during a pause, and other clusters get theirs", async () => {
    const from = apis();
    says = ({ url: path = "" }) =>
      path.startsWith("/well") ? { status: 200 } : { status: 429, headers: { "retry-after": "60" } };
    await assert.rejects(get(from), isThrottled);
    const all = await Promise.allSettled(Array.from({ length: 500 }, () => get(from)));
    assert.ok(all.every((one) => one.status === "rejected" && isThrottled(one.reason)));
    assert.equal(seen.length, 1);
    for (let at = 0; at < 20; at++) await get(from, "well");
    assert.equal(seen.length, 21);
  });

  it("a watch obeys the pause too, and begins one", async () => {
    const from = apis();
    says = () => ({ status: 429, headers: { "retry-after": "60" } });
    const watch = async (): Promise<void> => {
      const since = { resourceVersion: "5", seconds: 1 };
      for await (const _ of from.clusters.watch(
        "sick",
        VAULT_STATIC_SECRET,
        { metadataOnly: false },
        since,
        patient(),
      ));
    };
    await assert.rejects(watch(), isThrottled);
    await assert.rejects(watch(), isThrottled);
    await assert.rejects(get(from), isThrottled);
    assert.equal(seen.length, 1);
  });

  it("a short pause is waited for within the call", async () => {
    const from = apis();
    says = () => (seen.length === 1 ? { status: 429, headers: { "retry-after": "1" } } : { status: 200 });
    await get(from);
    assert.equal(seen.length, 2);
  });

  it("a pause may be a date", async () => {
    const from = apis();
    says = () => {
      const at = (ms: number): string => new Date(Date.parse("2026-10-21T07:28:00Z") + ms).toUTCString();
      return { status: 429, headers: { date: at(0), "retry-after": at(30_000) } };
    };
    await assert.rejects(get(from), (error) => error instanceof SyncError && error.retryAfterMs === 30_000);
  });

  it("a 429 of an admission webhook is no word of the API server, and holds nothing back", async () => {
    const from = apis();
    const message = 'admission webhook "w.example.com" denied the request: no';
    says = () => ({ status: 429, headers: { "retry-after": "60" } });
    body = { ...THROTTLED, status: "Failure", message };
    await assert.rejects(get(from), (error) => error instanceof SyncError && error.code === "ADMISSION_DENIED");
    await assert.rejects(get(from), (error) => error instanceof SyncError && error.code === "ADMISSION_DENIED");
    assert.equal(seen.length, 2);
  });
});
