import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { HOUR_MS } from "../../lib/clock.ts";
import { hub } from "../../lib/connect/hub.ts";
import { type HubCopies, hubCopies } from "../../lib/connect/hub-copies.ts";
import type { ConnectDeps, HubObjects } from "../../lib/connect/way.ts";
import { type ErrorCode, SyncError } from "../../lib/errors.ts";
import { type HubAccess, leadsTo } from "../../lib/hubs/objects/login.ts";
import { openSqliteStore, type SqliteStore } from "../../lib/store/sqlite/sqlite-store.ts";
import { tempFolder } from "../harness/process/temp-folder.ts";
import { quiet } from "./vault-world.ts";

const START = Date.parse("2026-01-01T00:00:00Z");
const KEY = randomBytes(32);
const TOKEN = "t0ken-of-one";

const access = (token = TOKEN, server = "https://one.example.com"): HubAccess => ({
  ...{ server, cluster: { "tls-server-name": "one" } },
  login: { kind: "user", user: { token } },
});
const WAY = { hub: "main", object: "argocd/one", leadsTo: leadsTo(access()), uid: "uid-of-one" };

describe("what a hub last said", () => {
  let folder: Awaited<ReturnType<typeof tempFolder>>;
  let store: SqliteStore;
  let now = START;
  let files = 0;
  before(async () => {
    folder = await tempFolder("hub-copies");
  });
  after(() => folder?.[Symbol.asyncDispose]());

  /** A lease table of its own, and processes that share it. */
  async function shared() {
    now = START;
    files += 1;
    store = openSqliteStore({ path: join(folder.path, `${files}.sqlite`) });
    const tokens = store.tokens();
    const process = (key = KEY, installation = "one"): HubCopies =>
      hubCopies(
        { store: tokens, keys: async () => [key], installation, randomBytes },
        { clock: () => now, log: quiet },
      );
    return { tokens, process, [Symbol.asyncDispose]: () => store[Symbol.asyncDispose]() };
  }

  const says = (said: HubAccess): HubObjects => ({ access: async () => said, secretKey: async () => TOKEN });
  const fails = (code: ErrorCode): HubObjects => {
    const fail = () => Promise.reject(new SyncError(code, "the hub's own failure"));
    return { access: fail, secretKey: fail };
  };
  const ask = (hubs: HubObjects, copies: HubCopies, way = WAY, isRefused = false) =>
    hub(way, { hubs, copies, clock: () => now } as ConnectDeps, { cluster: "one", isRefused });

  it("reaches its cluster in another process while it is away, with the identity checked", async () => {
    await using world = await shared();
    const first = await ask(says(access()), world.process());
    for (const code of ["KUBE_FAILED", "KUBE_UNREACHABLE", "KUBE_THROTTLED", "DEADLINE_EXCEEDED"] as const) {
      assert.deepEqual(await ask(fails(code), world.process()), first);
    }
    assert.equal(first.identity, WAY.uid);
  });

  it("is kept with the credentials of a Secret beside the object, sealed", async () => {
    await using world = await shared();
    const at = { namespace: "argocd", name: "one", key: "token", holds: "token" } as const;
    const said: HubAccess = { ...access(), login: { kind: "secret", ...at } };
    const way = { ...WAY, leadsTo: leadsTo(said) };
    const first = await ask(says(said), world.process(), way);
    assert.ok("text" in first.kubeConfig && first.kubeConfig.text.includes(TOKEN));
    assert.deepEqual(await ask(fails("KUBE_FAILED"), world.process(), way), first);
    const [kept] = await world.tokens.tokens("fleet");
    assert.doesNotMatch(Buffer.from(kept?.sealed ?? "", "base64").toString("latin1"), /t0ken|example/);
    assert.doesNotMatch(JSON.stringify(kept), /t0ken|example/);
  });

  it("is not used when the hub refuses, when the API server did, or when the way is another one", async () => {
    await using world = await shared();
    await ask(says(access()), world.process());
    const refuses = (code: ErrorCode, way = WAY, isRefused = false) =>
      assert.rejects(ask(fails(code), world.process(), way, isRefused), { code });
    for (const code of ["KUBE_DENIED", "KUBE_LOGIN_REFUSED", "REFERENCE_MISSING", "REFERENCE_INVALID"] as const) {
      await refuses(code);
    }
    await refuses("KUBE_FAILED", WAY, true);
    await refuses("KUBE_FAILED", { ...WAY, uid: "another" });
    await refuses("KUBE_FAILED", { ...WAY, object: "argocd/two" });
    await refuses("KUBE_FAILED", { ...WAY, hub: "other" });
    await refuses("KUBE_FAILED", { ...WAY, leadsTo: leadsTo(access(TOKEN, "https://two.example.com")) });
    await assert.rejects(ask(fails("KUBE_FAILED"), world.process(randomBytes(32))), { code: "KUBE_FAILED" });
  });

  it("is not used again once the API server refused it, until the hub is read again", async () => {
    await using world = await shared();
    await ask(says(access()), world.process());
    const process = world.process();
    await ask(fails("KUBE_FAILED"), process);
    await assert.rejects(ask(fails("KUBE_FAILED"), process, WAY, true), { code: "KUBE_FAILED" });
    await assert.rejects(ask(fails("KUBE_FAILED"), process), { code: "KUBE_FAILED" });
    const next = await ask(says(access("next")), process);
    assert.deepEqual(await ask(fails("KUBE_FAILED"), process), next);
  });

  it("is not kept before the cluster is known, nor when the object leads elsewhere than was checked", async () => {
    await using world = await shared();
    const { uid: _unknown, ...unknown } = WAY;
    await hub(unknown, { hubs: says(access()), copies: world.process(), clock: () => now } as ConnectDeps, {
      ...{ cluster: "one", isRefused: false },
    });
    await ask(says(access(TOKEN, "https://two.example.com")), world.process());
    assert.deepEqual(await world.tokens.tokens("fleet"), []);
  });

  it("ends a day after the hub was read, and is written twice a day at most unless it changed", async () => {
    await using world = await shared();
    const process = world.process();
    const serial = async () => (await world.tokens.tokens("fleet"))[0]?.serial;
    await ask(says(access()), process);
    const first = await serial();
    now += 12 * HOUR_MS - 1;
    await ask(says(access()), process);
    await ask(says(access()), world.process());
    assert.equal(await serial(), first);
    await ask(says(access("next")), process);
    const second = await serial();
    assert.notEqual(second, first);
    now += 12 * HOUR_MS;
    await ask(says(access("next")), process);
    assert.notEqual(await serial(), second);
    now += 24 * HOUR_MS - 1;
    await ask(fails("KUBE_FAILED"), world.process());
    now += 1;
    await assert.rejects(ask(fails("KUBE_FAILED"), world.process()), { code: "KUBE_FAILED" });
  });

  it("can't be made to last longer, nor be given to another cluster or installation, by who writes the table", async () => {
    await using world = await shared();
    await ask(says(access()), world.process());
    const [kept] = await world.tokens.tokens("fleet");
    assert.ok(kept);
    const refuses = (cluster: string, copies: HubCopies) =>
      assert.rejects(
        hub(WAY, { hubs: fails("KUBE_FAILED"), copies, clock: () => now } as ConnectDeps, asked(cluster)),
        {
          code: "KUBE_FAILED",
        },
      );
    const asked = (cluster: string) => ({ cluster, isRefused: false });
    await world.tokens.putToken({ ...kept, id: "hub-copy/two" }, undefined);
    await refuses("two", world.process());
    await refuses("one", world.process(KEY, "two"));
    assert.equal(await world.tokens.putToken({ ...kept, endsAt: kept.endsAt + HOUR_MS }, kept.serial), true);
    await refuses("one", world.process());
    // It is no reason to keep none.
    const next = await ask(says(access()), world.process());
    assert.deepEqual(await ask(fails("KUBE_FAILED"), world.process()), next);
  });

  it("is not kept when it is too large for an item of a table", async () => {
    await using world = await shared();
    const large = access("t".repeat(256 * 1024));
    const process = world.process();
    await ask(says(access()), process);
    const found = await ask(says(large), process);
    assert.ok("text" in found.kubeConfig && found.kubeConfig.text.includes("tttt"));
    assert.deepEqual(await world.tokens.tokens("fleet"), []);
  });

  it("is removed at its end by who asks for it, and by each sweep", async () => {
    await using world = await shared();
    await ask(says(access()), world.process());
    const count = async () => (await world.tokens.tokens("fleet")).length;
    now += 24 * HOUR_MS;
    await assert.rejects(ask(fails("KUBE_FAILED"), world.process()), { code: "KUBE_FAILED" });
    assert.equal(await count(), 0);
    await ask(says(access()), world.process());
    await world.process().sweep({ clusters: [], unread: ["main"] });
    assert.equal(await count(), 1);
    now += 24 * HOUR_MS;
    await world.process().sweep({ clusters: [], unread: ["main"] });
    assert.equal(await count(), 0);
  });

  it("goes with its cluster, but not while a hub is unread", async () => {
    await using world = await shared();
    const process = world.process();
    await ask(says(access()), process);
    const ids = async () => (await world.tokens.tokens("fleet")).map(({ id }) => id);
    await process.sweep({ clusters: [], unread: ["main"] });
    await process.sweep({ clusters: [{ name: "one", connect: { hub: WAY } }] });
    assert.deepEqual(await ids(), ["hub-copy/one"]);
    await process.sweep({ clusters: [{ name: "one", connect: {} }] });
    assert.deepEqual(await ids(), []);
    // It is kept anew when the cluster comes back.
    await ask(says(access()), process);
    assert.deepEqual(await ids(), ["hub-copy/one"]);
  });
});
