import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { describe, it } from "node:test";
import type { VaultTarget } from "../../lib/ports/vault.ts";
import { SecretValue } from "../../lib/secret-value.ts";
import type { VaultAnswer } from "../../lib/vault/answer.ts";
import type { VaultQuestion } from "../../lib/vault/vault-client.ts";
import { failure } from "../broken-peer.ts";
import { worldTime } from "./world/time.ts";
import { failed } from "./world/vault/answers.ts";
import { type MemoryVault, memoryVault } from "./world/vault.ts";
import { memoryVaultClient } from "./world/vault-client.ts";

const ADDRESS = "https://vault.test:8200";
const TARGET: VaultTarget = { address: ADDRESS, headers: {}, skipTlsVerify: false, timeoutMs: 30_000 };
const POLICY = 'path "database/*" { capabilities = ["read"] } path "pki/*" { capabilities = ["update"] }';
const forever = new AbortController().signal;

interface Answered {
  readonly lease_id: string;
  readonly lease_duration: number;
  readonly data: Readonly<Record<string, string>>;
  readonly auth: { readonly client_token: string; readonly lease_duration: number };
}

/** What the contract can't show of real servers: time, and what happens to requests on their way. */
async function aScene(role: Readonly<Record<string, unknown>> = {}) {
  const time = worldTime(Date.UTC(2030, 0, 1));
  const vault = memoryVault({ address: ADDRESS, time });
  const client = memoryVaultClient({ time, vaultAt: () => vault });
  await vault.writePolicy("app", POLICY);
  await Promise.all([vault.enableDatabase(), vault.enablePki()]);
  const { roleId, secretId } = await vault.enableAppRole({ role: "app", policies: ["app"] });
  await vault.write("auth/approle/role/app", { token_ttl: "60s", token_max_ttl: "10m", ...role });
  await vault.putDatabaseRole("app", { defaultTtl: "10m", maxTtl: "1h" });
  const parsed = ({ text }: VaultAnswer) => JSON.parse(text) as Answered;
  const send = (path: string, rest: Partial<VaultQuestion> = {}, signal: AbortSignal = forever) =>
    client.ask(TARGET, { purpose: "issue", method: "GET", repeatable: false, path, ...rest }, signal);
  const login = async (): Promise<SecretValue> => {
    const body = { role_id: roleId, secret_id: secretId };
    return SecretValue.of(parsed(await send("auth/approle/login", { method: "POST", body })).auth.client_token);
  };
  const ask = (token: SecretValue, signal?: AbortSignal) => send("database/creds/app", { token }, signal);
  const post = (path: string, token: SecretValue, body = {}) => send(path, { method: "POST", token, body });
  /** An answer that comes when the world's clock has moved. */
  const meanwhile = async <T>(work: Promise<T>, ms: number): Promise<T> => {
    work.catch(() => undefined);
    await time.advance(ms);
    return work;
  };
  return { time, vault, login, ask, post, parsed, meanwhile };
}

const logsIn = (vault: MemoryVault, { data }: Answered) => vault.login(data.username ?? "", data.password ?? "");

describe("a Vault in memory", () => {
  it("ends a credential with its lease, or with the token that asked for it", async () => {
    const { time, vault, login, ask, post, parsed } = await aScene();
    const token = await login();
    const credential = parsed(await ask(token));
    assert.equal(credential.lease_duration, 600);
    assert.equal(await logsIn(vault, credential), true);
    assert.equal(vault.liveLeases("database")[0]?.token?.accessor, vault.server.tokens.alive()[0]?.accessor);
    await time.advance(50_000);
    await post("auth/token/renew-self", token, { increment: 60 });
    await time.advance(59_000);
    assert.equal(await logsIn(vault, credential), true);
    await time.advance(2_000);
    assert.equal(await logsIn(vault, credential), false);
    assert.deepEqual(vault.liveLeases(), []);
  });

  it("takes a revoked token's leases along a moment later", async () => {
    const { time, vault, login, ask, post, parsed } = await aScene();
    const token = await login();
    const credential = parsed(await ask(token));
    assert.equal((await post("auth/token/revoke-self", token)).status, 204);
    assert.equal(await logsIn(vault, credential), true);
    await time.advance(250);
    assert.equal(await logsIn(vault, credential), false);
  });

  it("leaves the lease of a request that outlasted its token", async () => {
    const { time, vault, login, ask, post, parsed } = await aScene();
    vault.meddle(({ path }) => (path === "database/creds/app" ? { workMs: 4_000 } : undefined));
    const token = await login();
    const asked = ask(token);
    await time.advance(1_000);
    assert.equal(vault.isWorking(), true);
    await post("auth/token/revoke-self", token);
    await time.advance(4_000);
    const credential = parsed(await asked);
    assert.equal(vault.liveLeases()[0]?.token, undefined);
    await time.advance(590_000);
    assert.equal(await logsIn(vault, credential), true);
    await time.advance(10_000);
    assert.equal(await logsIn(vault, credential), false);
  });

  it("does nothing for a client that went, or for too long a request, unless something keeps it going", async () => {
    const { vault, login, ask, meanwhile } = await aScene();
    vault.meddle(({ path }) => (path === "database/creds/app" ? { workMs: 40_000 } : undefined));
    const token = await login();
    await failure(meanwhile(ask(token), 60_000), "VAULT_UNAVAILABLE");
    assert.deepEqual([vault.liveLeases().length, vault.isWorking()], [0, false]);
    vault.keepsGoing = true;
    const other = await login();
    await failure(meanwhile(ask(other), 31_000), "VAULT_UNAVAILABLE");
    assert.deepEqual([vault.liveLeases().length, vault.isWorking()], [0, true]);
    await meanwhile(Promise.resolve(), 10_000);
    assert.deepEqual([vault.liveLeases().length, vault.isWorking()], [1, false]);
    vault.server.maxRequestMs = 3_000;
    const answer = await meanwhile(ask(await login()), 4_000);
    assert.deepEqual([answer.status, vault.liveLeases().length], [500, 1]);
  });

  it("loses, cuts or replaces answers as it is told, done or not", async () => {
    const { vault, login, ask, meanwhile } = await aScene();
    const token = await login();
    const count = () => vault.liveLeases().length;
    vault.meddle(() => ({ answer: "swallowed" }));
    const swallowed = await failure(meanwhile(ask(token), 30_000), "VAULT_UNAVAILABLE");
    assert.deepEqual([swallowed.outcome, count()], ["unknown", 1]);
    vault.meddle(() => ({ answer: "cut" }));
    const cut = await failure(ask(token), "VAULT_UNAVAILABLE");
    assert.deepEqual([cut.outcome, count()], ["unknown", 2]);
    vault.meddle(() => ({ answer: failed(502) }));
    assert.deepEqual([(await ask(token)).status, count()], [502, 3]);
    vault.meddle(() => ({ instead: failed(500, "no") }));
    assert.deepEqual([(await ask(token)).status, count()], [500, 3]);
    vault.meddle(undefined);
    assert.deepEqual([(await ask(token)).status, count()], [200, 4]);
  });

  it("cuts a lease to the life of a batch token", async () => {
    const { time, vault, login, ask, parsed } = await aScene({ token_type: "batch" });
    const token = await login();
    await time.advance(20_000);
    const credential = parsed(await ask(token));
    assert.equal(credential.lease_duration, 40);
    await time.advance(41_000);
    assert.equal(await logsIn(vault, credential), false);
  });

  it("issues nothing while its database is down", async () => {
    const { vault, login, ask } = await aScene();
    const database = vault.server.engine("database") ?? assert.fail();
    database.isDown = true;
    assert.equal((await ask(await login())).status, 500);
    assert.deepEqual(vault.liveLeases(), []);
  });

  it("rotates static roles by the clock, up to five seconds late", async () => {
    const { time, vault } = await aScene();
    await vault.putStaticRole("reports", { rotationPeriod: "12s" });
    const read = async () => Object((await vault.read("database/static-creds/reports"))?.data);
    const first = await read();
    assert.deepEqual([first.ttl, first.rotation_period], [12, 12]);
    await time.advance(12_000);
    assert.deepEqual([(await read()).ttl, (await read()).password], [0, first.password]);
    await time.advance(3_000);
    const second = await read();
    assert.notEqual(second.password, first.password);
    assert.notEqual(second.last_vault_rotation, first.last_vault_rotation);
    assert.equal(await vault.login("reports", second.password), true);
    assert.equal(await vault.login("reports", first.password), false);
  });

  it("rotates static roles by a schedule, as late as it is told, and counts to the next time meanwhile", async () => {
    const { time, vault } = await aScene();
    await vault.putStaticRole("reports", { schedule: "*/30 * * * *", late: "60s" });
    const read = async () => Object((await vault.read("database/static-creds/reports"))?.data);
    await time.advance(1_740_000);
    const { ttl, rotation_period: period, rotation_schedule: schedule, ...first } = await read();
    assert.deepEqual([ttl, period, schedule], [60, undefined, "*/30 * * * *"]);
    await time.advance(60_000);
    const { ttl: toNext, rotation_schedule: _schedule, ...late } = await read();
    assert.deepEqual([late, toNext], [first, 1_800]);
    await time.advance(60_000);
    assert.notEqual((await read()).password, first.password);
    assert.equal((await vault.request("POST", "database/static-roles/x", { rotation_schedule: "soon" })).status, 400);
  });

  it("does not rotate a static role that it can't, until it can", async () => {
    const { time, vault } = await aScene();
    await vault.putStaticRole("reports", { rotationPeriod: "12s", fails: true });
    const read = async () => Object((await vault.read("database/static-creds/reports"))?.data);
    const first = await read();
    await time.advance(3_600_000);
    assert.deepEqual(await read(), { ...first, ttl: 0 });
    await vault.putStaticRole("reports", { rotationPeriod: "12s" });
    await time.advance(5_000);
    assert.notEqual((await read()).last_vault_rotation, first.last_vault_rotation);
  });

  it("issues certificates with any kind of name, and never two that are alike", async () => {
    const { vault, login, post, parsed } = await aScene();
    await vault.putPkiRole("web", {});
    const body = { common_name: "a.example.com", alt_names: "b.example.com", ip_sans: "10.0.0.1,fe80::1", ttl: "90s" };
    const token = await login();
    const [one, other] = [
      parsed(await post("pki/issue/web", token, body)),
      parsed(await post("pki/issue/web", token, body)),
    ];
    const certificate = new X509Certificate(one.data.certificate ?? "");
    assert.equal(
      certificate.subjectAltName,
      "DNS:a.example.com, DNS:b.example.com, IP Address:10.0.0.1, IP Address:FE80:0:0:0:0:0:0:1",
    );
    assert.equal(Date.parse(certificate.validTo), Date.UTC(2030, 0, 1, 0, 1, 30));
    assert.notEqual(one.data.serial_number, other.data.serial_number);
    assert.notEqual(one.data.private_key, other.data.private_key);
    assert.deepEqual(
      vault.certificates().map(({ serial }) => serial),
      [one.data.serial_number, other.data.serial_number],
    );
  });
});
