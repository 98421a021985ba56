import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { frameMeaning } from "../../lib/audit/event-frames.ts";
import { instantUpdates } from "../../lib/inlets/instant-updates.ts";
import { type SyncKey, syncKey } from "../../lib/keys.ts";
import type { CredentialSource } from "../../lib/ports/credentials.ts";
import type { Row } from "../../lib/ports/rows.ts";
import type { VaultIdentity } from "../../lib/ports/vault.ts";
import type { EventStream } from "../../lib/ports/vault-subscriptions.ts";
import { SecretValue } from "../../lib/secret-value.ts";
import { openSocket } from "../../lib/vault/event-socket.ts";
import { type OpenVaultApi, vaultApi } from "../../lib/vault/vault-api.ts";
import type { VaultReach } from "../../lib/vault-reach.ts";
import { startConnectProxy, startVault, testCa, type Vault, waitFor } from "../harness/index.ts";
import type { VaultFlavor } from "../harness/vault/config-file.ts";
import { dataWrite, vaultWithEvents } from "../harness/vault/with-events.ts";
import { recordedDeps, recordingInlet } from "../unit/inlets/recorder.ts";
import { failure, furnish, kv2, quiet } from "./vault-world.ts";

const soon = () => AbortSignal.timeout(20_000);

interface Login {
  readonly identity: VaultIdentity;
  readonly credentials: CredentialSource;
}

async function loginOn(vault: Vault): Promise<Login> {
  await furnish(vault);
  const { roleId, secretId } = await vault.enableAppRole({ role: "app", policies: ["reader"] });
  const credential = { kind: "secret", cluster: "test", namespace: "default", name: "app", key: "id" } as const;
  const target = { address: vault.address, headers: {}, skipTlsVerify: false, timeoutMs: 5_000 };
  const method = { kind: "appRole", roleId, credential } as const;
  const credentials = { credential: async () => ({ value: SecretValue.of(secretId) }) } as unknown as CredentialSource;
  return { identity: { id: "app", target, mount: "approle", headers: {}, method }, credentials };
}

function at({ identity }: Login, address: string, id = "app"): VaultIdentity {
  return { ...identity, id, target: { ...identity.target, address } };
}

function openApi({ credentials }: Login, reach: Partial<VaultReach>): OpenVaultApi & AsyncDisposable {
  const reachOf = () => ({ named: [], onlyNamed: false, ...reach });
  const api = vaultApi({ clock: Date.now, credentials, log: quiet, reachOf, eventPingMs: 50, openSocket });
  return Object.assign(api, { [Symbol.asyncDispose]: () => api.close() });
}

async function streamOf(api: OpenVaultApi, identity: VaultIdentity): Promise<EventStream> {
  const stream = await api.events.open({ identity, types: "kv*" }, soon());
  if ("refused" in stream) assert.fail(stream.message);
  return stream;
}

function rowThat(wants: boolean, key: SyncKey): Row {
  const declared = { key, deleting: false, spec: { syncConfig: { instantUpdates: wants } } };
  return { key, declared } as unknown as Row;
}

for (const flavor of ["vault", "openbao"] as const satisfies readonly VaultFlavor[]) {
  it(`${flavor} of the community has no events, and is told apart from a login without the policy`, {
    timeout: 120_000,
  }, async () => {
    await using vault = await startVault({ flavor });
    const login = await loginOn(vault);
    await using api = openApi(login, { named: [vault.address] });
    const ask = async () => {
      const answer = await api.events.open({ identity: login.identity, types: "kv*" }, soon());
      return "refused" in answer ? answer : assert.fail("it has events");
    };
    const denied = await ask();
    assert.equal(denied.refused, "denied");
    assert.match(denied.message, /not allowed \(403\): its policies must have read on sys\/events\/subscribe\/kv\*/);
    await vault.writePolicy("reader", 'path "sys/events/subscribe/*" { capabilities = ["read"] }');
    const missing = await ask();
    assert.equal(missing.refused, "missing");
    assert.match(missing.message, /found nothing \(404\): Only Vault Enterprise, from 1\.16, has events/);
  });
}

describe("a subscription, by frames from Vault's documentation: no Vault Enterprise was run", {
  timeout: 300_000,
}, () => {
  const servers = new AsyncDisposableStack();
  let vault: Vault;
  let login: Login;
  before(async () => {
    vault = servers.use(await startVault({ flavor: "vault" }));
    login = await loginOn(vault);
  });
  after(() => servers.disposeAsync());

  it("passes frames on with the login of reads, and ends by its signal", async () => {
    await using events = await vaultWithEvents(vault.address);
    await using api = openApi(login, { named: [events.address] });
    const identity = at(login, events.address);
    await api.read(kv2(identity, "app"), soon());
    const stream = await api.events.open({ identity, types: "kv*", namespace: "ns1" }, soon());
    if ("refused" in stream) assert.fail(stream.message);
    const stop = new AbortController();
    const frames: string[] = [];
    const following = stream.follow((text) => frames.push(text), stop.signal);
    events.send(dataWrite("kv", "app", 2));
    await waitFor("the frame", async () => frames.length === 1);
    assert.deepEqual(frameMeaning(frames[0] ?? ""), {
      ...{ kind: "effects", effects: [{ kind: "path", path: "kv/app", version: 2 }] },
      at: Date.parse(JSON.parse(frames[0] ?? "").time),
    });
    stop.abort();
    assert.equal(await following, "stopped");
    await waitFor("the end of the socket", async () => events.open() === 0);
    const [asked] = events.asked;
    assert.deepEqual([asked?.path, asked?.namespace], ["/v1/sys/events/subscribe/kv*?json=true", "ns1"]);
    const logins = (await vault.auditedReads()).get("update auth/approle/login");
    assert.ok(logins === undefined || logins <= 3, "it shares the token of reads");
  });

  it("ends when Vault answers no ping, and when Vault ends it", async () => {
    await using events = await vaultWithEvents(vault.address);
    await using api = openApi(login, { named: [events.address] });
    const identity = at(login, events.address);
    const silent = (await streamOf(api, identity)).follow(() => undefined, soon());
    events.freeze();
    assert.equal(await silent, "silent");
    const closed = (await streamOf(api, identity)).follow(() => undefined, soon());
    events.drop();
    assert.equal(await closed, "closed");
  });

  it("stays open while Vault is silent and answers pings", async () => {
    await using events = await vaultWithEvents(vault.address);
    await using api = openApi(login, { named: [events.address] });
    const stop = new AbortController();
    const frames: string[] = [];
    const following = (await streamOf(api, at(login, events.address))).follow((text) => frames.push(text), stop.signal);
    await waitFor("some pings", async () => events.pings() >= 6);
    events.send("late");
    await waitFor("a late frame", async () => frames.includes("late"));
    stop.abort();
    assert.equal(await following, "stopped");
  });

  it("logs in anew when its token was revoked", async () => {
    await using events = await vaultWithEvents(vault.address);
    await using api = openApi(login, { named: [events.address] });
    const identity = at(login, events.address);
    const first = (await streamOf(api, identity)).follow(() => undefined, soon());
    await vault.write("auth/token/revoke", { token: events.asked[0]?.token ?? "" });
    events.drop();
    assert.equal(await first, "closed");
    const stop = new AbortController();
    const second = (await streamOf(api, identity)).follow(() => undefined, stop.signal);
    stop.abort();
    await second;
    assert.equal(new Set(events.asked.map(({ token }) => token)).size, 2);
  });

  it("is not opened at an address that no resource may name, nor by way of a redirect", async () => {
    await using events = await vaultWithEvents(vault.address);
    await using other = await vaultWithEvents(vault.address);
    const identity = at(login, events.address);
    const open = (api: OpenVaultApi) => api.events.open({ identity, types: "kv*" }, soon());
    await using unnamed = openApi(login, {});
    await failure(open(unnamed), "VAULT_ADDRESS_NOT_ALLOWED");
    assert.equal(events.asked.length, 0);
    events.answer = { status: 307, location: `${other.address}/v1/sys/events/subscribe/kv*?json=true` };
    await using named = openApi(login, { named: [events.address] });
    await failure(open(named), "VAULT_ADDRESS_NOT_ALLOWED");
    assert.equal(other.asked.length, 0);
    await using both = openApi(login, { named: [events.address, other.address] });
    const stop = AbortSignal.abort();
    assert.equal(await (await streamOf(both, identity)).follow(() => undefined, stop), "stopped");
    assert.equal(other.asked.length, 1, "as from a standby to the active node");
    events.answer = { status: 307, location: `${other.address}/v1/sys/raw?json=true` };
    await failure(open(both), "VAULT_ANSWER_INVALID");
  });

  it("trusts what the VaultConnection trusts", async () => {
    const [ca, other] = await Promise.all([testCa("vault-ca"), testCa("other-ca")]);
    const tls = await ca.serverCert("vault", ["127.0.0.1"]);
    await using events = await vaultWithEvents(vault.address, { tls });
    await using api = openApi(login, { named: [events.address] });
    const identity = at(login, events.address);
    const trusting = (caPem: string) => ({ ...identity, target: { ...identity.target, caPem } });
    const stream = await streamOf(api, trusting(ca.pem));
    assert.equal(await stream.follow(() => undefined, AbortSignal.abort()), "stopped");
    // The login is known by now, so that it is the socket which is refused.
    await failure(api.events.open({ identity: trusting(other.pem), types: "kv*" }, soon()), "VAULT_TLS_REFUSED");
    assert.equal(events.asked.length, 1);
  });

  it("goes through the proxy of fleet.yaml", async () => {
    await using events = await vaultWithEvents(vault.address);
    const { host, hostname, port } = new URL(events.address);
    await using proxy = await startConnectProxy({ hosts: { [host]: { host: hostname, port: Number(port) } } });
    await using api = openApi(login, { named: [events.address], proxies: new Map([[events.address, proxy.url]]) });
    const stop = new AbortController();
    const frames: string[] = [];
    const following = (await streamOf(api, at(login, events.address))).follow((text) => frames.push(text), stop.signal);
    events.send("through");
    await waitFor("a frame", async () => frames.length === 1);
    stop.abort();
    await following;
    assert.ok(proxy.tunnels.length > 0 && proxy.tunnels.every((tunnel) => tunnel === host));
  });

  it("takes nothing that is larger than a frame of Vault, and counts what is no text as a bad frame", async () => {
    await using events = await vaultWithEvents(vault.address);
    await using api = openApi(login, { named: [events.address] });
    const frames: string[] = [];
    const following = (await streamOf(api, at(login, events.address))).follow((text) => frames.push(text), soon());
    events.send(Buffer.from([1, 2, 3]));
    await waitFor("the frame", async () => frames.length === 1);
    assert.deepEqual(frameMeaning(frames[0] ?? "?"), { kind: "bad" });
    events.send("x".repeat(1_048_577));
    assert.equal(await following, "closed");
    assert.equal(frames.length, 1);
  });

  it("tells what something else answers: an outage passes, a wrong proxy does not", async () => {
    await using events = await vaultWithEvents(vault.address);
    await using api = openApi(login, { named: [events.address] });
    const open = () => api.events.open({ identity: at(login, events.address), types: "kv*" }, soon());
    events.answer = { status: 503, body: "<html>" };
    await failure(open(), "VAULT_UNAVAILABLE");
    events.answer = { status: 200, body: "<html>" };
    const { message } = await failure(open(), "VAULT_ANSWER_INVALID");
    assert.match(message, /not answered by a WebSocket \(200\): check what is between keyferry and Vault/);
  });

  it("subscribes anew after each end, looks at its own syncs alone then, and nudges them when it opens", async (t) => {
    await using events = await vaultWithEvents(vault.address);
    await using api = openApi(login, { named: [events.address] });
    const key = syncKey({ cluster: "one", kind: "VaultStaticSecret", namespace: "shop", name: "db" });
    const nudges: string[][] = [];
    let wants = true;
    const inlet = recordingInlet();
    const deps = recordedDeps();
    const instant = instantUpdates({
      ...{ ...deps, clock: Date.now, source: api.events, inletOf: () => inlet },
      leases: {
        byCluster: async () => [],
        read: async (keys) => new Map(keys.map((one) => [one, rowThat(wants, one)])),
        async nudgeAll(keys) {
          nudges.push([...keys]);
          return [];
        },
      },
    });
    const stop = new AbortController();
    t.after(() => stop.abort());
    const wanted = { key, identity: at(login, events.address), vault: "main" };
    assert.deepEqual(instant.want(wanted), { kind: "starting" });
    const running = instant.run([], stop.signal);
    instant.want({ ...wanted, key: `${key}-2` as typeof key });
    await waitFor("a subscription", async () => events.open() === 1);
    await waitFor("nudges", async () => nudges.some((keys) => keys.length === 2));
    assert.deepEqual(inlet.reasons, []);
    events.send(dataWrite("kv", "db", 7));
    await waitFor("the frame", async () => inlet.lines.length === 1);
    events.drop();
    await waitFor("a look at its syncs", async () => inlet.reasons.includes("reconnected"));
    assert.deepEqual(inlet.missedOf, [[key, `${key}-2`]]);
    for (let at = 0; at < 20_000; at++) events.send(dataWrite("kv", `burst-${at % 10}`, at));
    await waitFor("the burst", async () => inlet.lines.length === 20_001);
    wants = false;
    await waitFor("no subscription, as no sync wants one", async () => events.open() === 0);
    assert.deepEqual(instant.counts(), []);
    stop.abort();
    await running;
  });
});
