import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import { createServer, type Server } from "node:https";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { after, before, it } from "node:test";
import { hub } from "../../lib/connect/hub.ts";
import { hubCopies } from "../../lib/connect/hub-copies.ts";
import { kubeconfigText } from "../../lib/connect/kubeconfig-text.ts";
import type { ConnectDeps, HubObjects } from "../../lib/connect/way.ts";
import { SyncError } from "../../lib/errors.ts";
import type { Hub } from "../../lib/fleet/hub-schema.ts";
import { type HubAccess, leadsTo } from "../../lib/hubs/objects/login.ts";
import { hubObjects } from "../../lib/hubs/reader.ts";
import { VAULT_STATIC_SECRET } from "../../lib/resource-kinds.ts";
import { openSqliteStore } from "../../lib/store/sqlite/sqlite-store.ts";
import { testCa } from "../harness/certificates.ts";
import { tempFolder } from "../harness/process/temp-folder.ts";
import { apisOver, patient, type TestApis } from "./kubernetes-fixtures.ts";
import { quiet } from "./vault-world.ts";

const UID = "uid-of-one";
const INSECURE = { "insecure-skip-tls-verify": true };

let server: Server;
let url = "";
let refusals = 0;
/** The cluster, and below /hub a hub that takes requests and never answers. */
const answer = ({ url: path = "", headers }: IncomingMessage, response: ServerResponse): void => {
  if (path.startsWith("/hub")) return;
  const isRefused = headers.authorization === "Bearer revoked";
  if (isRefused) refusals += 1;
  const found = { metadata: { namespace: "pay", name: "db", uid: UID, resourceVersion: "7" } };
  const refused = { kind: "Status", apiVersion: "v1", code: 401, reason: "Unauthorized" };
  response.writeHead(isRefused ? 401 : 200, { "content-type": "application/json" });
  response.end(JSON.stringify(isRefused ? refused : found));
};
before(async () => {
  server = createServer(await (await testCa("away")).serverCert("away", ["127.0.0.1"]), answer);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  url = `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
after(async () => {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});

/** A process that starts while the hub is away, with the copy that another one kept. */
async function began(token: string, hubsOf: (apis: TestApis) => HubObjects) {
  const folder = await tempFolder("hub-away");
  const store = openSqliteStore({ path: join(folder.path, "table.sqlite") });
  const key = randomBytes(32);
  const sealing = { store: store.tokens(), keys: async () => [key], installation: "one", randomBytes };
  const copies = () => hubCopies(sealing, { clock: Date.now, log: quiet });
  const access: HubAccess = { server: url, cluster: INSECURE, login: { kind: "user", user: { token } } };
  const way = { hub: "main", object: "argocd/one", leadsTo: leadsTo(access), uid: UID };
  const connect = { clock: Date.now } as ConnectDeps;
  const says: HubObjects = { access: async () => access, secretKey: async () => "" };
  await hub(way, { ...connect, hubs: says, copies: copies() }, { cluster: "one", isRefused: false });

  const own = copies();
  const ofHub = { kubeConfig: { text: kubeconfigText({ server: `${url}/hub`, ...INSECURE }, { token: "of-hub" }) } };
  const apis: TestApis = apisOver({
    resolve: (cluster, isRefused) =>
      cluster === "one" ? hub(way, { ...connect, hubs, copies: own }, { cluster, isRefused }) : ofHub,
  });
  const hubs = hubsOf(apis);
  return {
    get: () =>
      apis.resources.get({ cluster: "one", namespace: "pay", name: "db", kind: VAULT_STATIC_SECRET }, patient()),
    async [Symbol.asyncDispose]() {
      apis.clients.close();
      await store[Symbol.asyncDispose]();
      await folder[Symbol.asyncDispose]();
    },
  };
}

it("a copy that the API server refuses is not sent again by a process that began with it", async () => {
  const away = () => Promise.reject(new SyncError("KUBE_FAILED", "the hub's own failure"));
  await using process = await began("revoked", () => ({ access: away, secretKey: away }));
  await assert.rejects(process.get(), { code: "KUBE_LOGIN_REFUSED" });
  assert.equal(refusals, 1);
  await assert.rejects(process.get(), { code: "KUBE_FAILED" });
  await assert.rejects(process.get(), { code: "KUBE_FAILED" });
  assert.equal(refusals, 1);
});

it("a hub that is silent costs the first request to its cluster time, but does not fail it", async () => {
  const main = { name: "main", connect: {}, argocd: { namespace: "argocd" } } as unknown as Hub;
  await using process = await began("good", (apis) => hubObjects({ ...apis, clock: Date.now }, () => main));
  assert.equal((await process.get())?.uid, UID);
});
