import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { createServer, type Server } from "node:https";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { after, before, it } from "node:test";
import { hub } from "../../lib/connect/hub.ts";
import { hubCopies } from "../../lib/connect/hub-copies.ts";
import type { ConnectDeps, HubObjects } from "../../lib/connect/way.ts";
import { SyncError } from "../../lib/errors.ts";
import { type HubAccess, leadsTo } from "../../lib/hubs/objects/login.ts";
import { VAULT_STATIC_SECRET } from "../../lib/resource-kinds.ts";
import { openSqliteStore } from "../../lib/store/sqlite/sqlite-store.ts";
import { testCa } from "../harness/certificates.ts";
import { tempFolder } from "../harness/process/temp-folder.ts";
import { apisOver, patient } from "./kubernetes-fixtures.ts";
import { quiet } from "./vault-world.ts";

let server: Server;
let asked = 0;
before(async () => {
  server = createServer(await (await testCa("refusing")).serverCert("refusing", ["127.0.0.1"]), (_, response) => {
    asked += 1;
    response.writeHead(401, { "content-type": "application/json" });
    response.end(JSON.stringify({ kind: "Status", apiVersion: "v1", code: 401, reason: "Unauthorized" }));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
});
after(async () => {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});

it("a copy that the API server refuses is not sent again by a process that began with it", async () => {
  await using folder = await tempFolder("hub-copy-refused");
  await using store = openSqliteStore({ path: join(folder.path, "table.sqlite") });
  const key = randomBytes(32);
  const sealing = { store: store.tokens(), keys: async () => [key], installation: "one", randomBytes };
  const copies = () => hubCopies(sealing, { clock: Date.now, log: quiet });
  const said: HubAccess = {
    server: `https://127.0.0.1:${(server.address() as AddressInfo).port}`,
    cluster: { "insecure-skip-tls-verify": true },
    login: { kind: "user", user: { token: "revoked" } },
  };
  const way = { hub: "main", object: "argocd/one", leadsTo: leadsTo(said), uid: "uid-of-one" };
  const says: HubObjects = { access: async () => said, secretKey: async () => "" };
  const away = () => Promise.reject(new SyncError("KUBE_FAILED", "the hub's own failure"));
  const deps = { clock: Date.now } as ConnectDeps;
  await hub(way, { ...deps, hubs: says, copies: copies() }, { cluster: "one", isRefused: false });

  const began = { ...deps, hubs: { access: away, secretKey: away }, copies: copies() };
  const { clients, resources } = apisOver({
    resolve: (cluster, isRefused) => hub(way, began, { cluster, isRefused }),
    timeoutMs: 8_000,
  });
  const get = () =>
    resources.get({ cluster: "one", namespace: "pay", name: "db", kind: VAULT_STATIC_SECRET }, patient());
  try {
    await assert.rejects(get(), { code: "KUBE_LOGIN_REFUSED" });
    assert.equal(asked, 1);
    await assert.rejects(get(), { code: "KUBE_FAILED" });
    await assert.rejects(get(), { code: "KUBE_FAILED" });
    assert.equal(asked, 1);
  } finally {
    clients.close();
  }
});
