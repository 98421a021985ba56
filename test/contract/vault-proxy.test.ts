import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { inspect, promisify } from "node:util";
import { SyncError } from "../../lib/errors.ts";
import type { CredentialSource } from "../../lib/ports/credentials.ts";
import type { VaultIdentity } from "../../lib/ports/vault.ts";
import { SecretValue } from "../../lib/secret-value.ts";
import { type OpenVaultApi, vaultApi } from "../../lib/vault/vault-api.ts";
import type { VaultReach } from "../../lib/vault-reach.ts";
import { testCa } from "../harness/certificates.ts";
import { type ConnectProxy, startConnectProxy, startVault, tempFolder, type Vault } from "../harness/index.ts";
import { failure, furnish, kv2, quiet } from "./vault-world.ts";

/** No name server knows it: only the proxy can. */
const ADDRESS = "https://vault.keyferry.invalid:8200";
const PROBE = fileURLToPath(new URL("./vault-proxy/probe.ts", import.meta.url));
const LOGIN = "ferry:s3cr3t%20";

describe("a Vault behind the proxy of fleet.yaml", () => {
  const servers = new AsyncDisposableStack();
  let world: { readonly vault: Vault; readonly proxy: ConnectProxy; readonly identity: VaultIdentity };
  before(async () => {
    const vault = servers.use(await startVault({ tls: true }));
    await furnish(vault);
    const { roleId, secretId } = await vault.enableAppRole({ role: "app", policies: ["reader"] });
    const { hostname: host, port } = new URL(vault.address);
    const hosts = { "vault.keyferry.invalid:8200": { host, port: Number(port) } };
    const proxy = servers.use(await startConnectProxy({ login: decodeURIComponent(LOGIN), hosts }));
    secret = secretId;
    const credential = { kind: "secret", cluster: "test", namespace: "default", name: "app", key: "id" } as const;
    const target = {
      address: ADDRESS,
      headers: {},
      caPem: vault.caPem ?? "",
      tlsServerName: "localhost",
      skipTlsVerify: false,
      timeoutMs: 5_000,
    };
    const method = { kind: "appRole", roleId, credential } as const;
    world = { vault, proxy, identity: { id: "app", target, mount: "approle", headers: {}, method } };
  });
  after(() => servers.disposeAsync());

  let secret = "";
  const credentials = { credential: async () => ({ value: SecretValue.of(secret) }) } as unknown as CredentialSource;
  const open = (reach: Partial<VaultReach>): OpenVaultApi & AsyncDisposable => {
    const reachOf = () => ({ named: [ADDRESS], onlyNamed: false, ...reach });
    const api = vaultApi({ clock: Date.now, credentials, log: quiet, reachOf });
    return Object.assign(api, { [Symbol.asyncDispose]: () => api.close() });
  };
  const urlWith = (login: string): string => world.proxy.url.replace("//", `//${login}@`);
  const through = (url: string): Partial<VaultReach> => ({ proxies: new Map([[ADDRESS, url]]) });
  const soon = () => AbortSignal.timeout(20_000);

  it("is logged in to, read, probed and revoked at through the proxy, which resolves its name", async () => {
    const { proxy, identity } = world;
    await using api = open(through(urlWith(LOGIN)));
    const { fields } = await api.read(kv2(identity, "app"), soon());
    assert.equal(fields.get("password"), "s3cr3t");
    assert.equal(await api.probe(identity.target, soon()), "unsealed");
    await api.reach(identity.target, soon());
    await api.revokeAll(soon());
    assert.ok(proxy.tunnels.length >= 2, "a pool for requests, and one for probes");
    assert.deepEqual([...new Set(proxy.tunnels)], ["vault.keyferry.invalid:8200"]);
  });

  it("is out of reach without the proxy", async () => {
    await using api = open({});
    await failure(api.read(kv2(world.identity, "app"), soon()), "VAULT_UNAVAILABLE");
  });

  it("is out of reach when the proxy refuses the login, and no message holds that", async () => {
    await using api = open(through(urlWith("ferry:wr0ng")));
    const error = await failure(api.read(kv2(world.identity, "app"), soon()), "VAULT_UNAVAILABLE");
    assert.match(error.message, /its proxy http:\/\/127\.0\.0\.1:\d+ answered CONNECT with 407: check the user/);
    assert.equal(error.outcome, "none");
    assert.doesNotMatch(inspect(error, { depth: 20, showHidden: true }), /wr0ng|ferry:/);
    assert.ok(world.proxy.refusals() > 0);
  });

  it("is out of reach while nothing listens at the proxy's address, or the proxy does not reach Vault", async () => {
    await using gone = open(through("http://user:wr0ng@127.0.0.1:1"));
    const error = await failure(gone.read(kv2(world.identity, "app"), soon()), "VAULT_UNAVAILABLE");
    assert.match(error.message, /its proxy http:\/\/127\.0\.0\.1:1 is out of reach: ECONNREFUSED/);
    assert.doesNotMatch(inspect(error, { depth: 20, showHidden: true }), /wr0ng/);
    await using elsewhere = await startConnectProxy();
    await using api = open(through(elsewhere.url));
    const bad = await failure(api.read(kv2(world.identity, "app"), soon()), "VAULT_UNAVAILABLE");
    assert.match(bad.message, /answered CONNECT with 502/);
  });

  it("leaves every other address alone: the rule for addresses of resources holds beside a proxy", async () => {
    const { identity, proxy, vault } = world;
    const before = proxy.tunnels.length;
    await using api = open({ ...through(urlWith(LOGIN)), named: [ADDRESS] });
    const theirs = { ...identity, id: "theirs", target: { ...identity.target, address: vault.address } };
    const error = await api.read(kv2(theirs, "app"), soon()).catch((reason: unknown) => reason);
    assert.ok(error instanceof SyncError);
    assert.equal(error.code, "VAULT_ADDRESS_NOT_ALLOWED");
    assert.equal(proxy.tunnels.length, before);
  });

  it("is reached through an https:// proxy with a private CA by NODE_EXTRA_CA_CERTS, and not without", async () => {
    const { vault } = world;
    const ca = await testCa("proxy");
    await using folder = await tempFolder("proxy");
    await using proxy = await startConnectProxy({ tls: await ca.serverCert("127.0.0.1", ["127.0.0.1"]) });
    const [proxyCa, vaultCa] = [join(folder.path, "proxy.pem"), join(folder.path, "vault.pem")];
    await writeFile(proxyCa, ca.pem);
    await writeFile(vaultCa, vault.caPem ?? "");
    const probe = async (env: Readonly<Record<string, string>>): Promise<string> => {
      const args = [PROBE, vault.address, proxy.url, vaultCa];
      return (await promisify(execFile)(process.execPath, args, { env })).stdout.trim();
    };
    assert.equal(await probe({ NODE_EXTRA_CA_CERTS: proxyCa }), "unsealed");
    assert.equal(proxy.tunnels.length, 1);
    const refused = await probe({});
    assert.match(
      refused,
      /^VAULT_UNAVAILABLE .*TLS with its proxy https:\S+ was refused \(\w+\): .*NODE_EXTRA_CA_CERTS/,
    );
    assert.equal(proxy.tunnels.length, 1);
  });
});
