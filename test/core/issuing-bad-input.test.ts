import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { aVaultAuth } from "./world/builders.ts";
import { aDynamicSecret, anIssuingWorld, aPkiSecret, askedOf, DYNAMIC, logsIn, PKI } from "./world/issuing.ts";
import { base64 } from "./world/views.ts";
import type { World } from "./world/world.ts";

/** The settings of the tokens that the cluster's login gives. */
async function tokens(world: World, settings: Readonly<Record<string, unknown>>): Promise<void> {
  await world.vault.write("auth/kubernetes-east/role/app", settings);
}

/** It failed by this code, nothing of it is left in Vault, and no Secret was written. */
function refused(world: World, code: string, { name = "db", kind = DYNAMIC } = {}): string {
  const message = world.condition(name, "Ready", kind);
  assert.ok(message.startsWith(`False: ${code}: `), message);
  assert.equal(world.secret(name), undefined);
  assert.equal(world.vault.liveLeases().length, 0);
  return message;
}

/** What an engine behind this path would answer. */
function answers(world: World, path: string, body: object): void {
  world.vault.meddle((question) =>
    question.path === path ? { instead: { status: 200, text: JSON.stringify(body) } } : undefined,
  );
}

describe("a login that can't keep a credential", () => {
  it("tokens for a few uses: nothing is asked", async () => {
    await using world = await anIssuingWorld();
    await tokens(world, { token_num_uses: 2 });
    const asked = await askedOf(world, async () => {
      await world.given(aDynamicSecret());
      await world.advance("5m");
    });
    assert.match(refused(world, "VAULT_TOKEN_UNUSABLE"), /gives tokens for 2 uses: set token_num_uses/);
    assert.equal(asked["read database/creds/app"], undefined);
    await tokens(world, { token_num_uses: 0 });
    await world.advance("5m");
    assert.equal(await logsIn(world), true);
  });

  it("tokens of less than a minute: nothing is asked, and the token is given back", async () => {
    await using world = await anIssuingWorld();
    await tokens(world, { token_ttl: "59s" });
    await world.given(aDynamicSecret());
    await world.advance("2s");
    assert.match(refused(world, "VAULT_TOKEN_UNUSABLE"), /gives tokens of 59 s.*at least 60 s/);
    assert.equal(world.vault.server.tokens.alive().length, 0);
    await tokens(world, { token_ttl: "60s" });
    await world.advance("5m");
    assert.equal(await logsIn(world), true);
  });

  it("a secret id for one login: the credential stays until it has to be replaced, then the login is refused", async () => {
    await using world = await anIssuingWorld();
    await world.vault.putDatabaseRole("app", { defaultTtl: "60s", maxTtl: "10m" });
    const { roleId } = await world.vault.enableAppRole({ role: "once", policies: ["app"] });
    await world.vault.write("auth/approle/role/once", { secret_id_num_uses: 1, token_ttl: "1h" });
    const once = async () => String((await world.vault.write("auth/approle/role/once/secret-id")).data.secret_id);
    const secretId = await once();
    const credential = (id: string) => ({
      ...{ apiVersion: "v1", kind: "Secret", metadata: { name: "id", namespace: "shop" }, data: { id: base64(id) } },
    });
    const appRole = { roleId, secretRef: "id" };
    await world.given(credential(secretId), aVaultAuth("once", { method: "appRole", mount: "approle", appRole }));
    await world.given(aDynamicSecret("db", { vaultAuthRef: "once" }));
    await world.advance("8m");
    assert.equal(await logsIn(world), true);
    await world.advance("5m");
    const message = world.condition("db", "Ready", DYNAMIC);
    assert.match(message, /^False: VAULT_LOGIN_REFUSED: /);
    assert.match(message, /that was its last use: set secret_id_num_uses/);
    assert.ok(!message.includes(secretId));
    await world.given(credential(await once()));
    await world.advance("5m");
    assert.equal(await logsIn(world), true);
  });

  it("batch tokens work, and people are told that nothing can be revoked", async () => {
    await using world = await anIssuingWorld();
    await tokens(world, { token_type: "batch", token_ttl: "10m" });
    await world.given(aDynamicSecret());
    await world.advance("25m");
    assert.equal(await logsIn(world), true);
    assert.match(world.condition("db", "Ready", DYNAMIC), /^True/);
    assert.match(world.condition("db", "CredentialRevocable", DYNAMIC), /^False: .*batch tokens/);
    assert.ok(world.events("db").some(({ type, reason }) => type === "Warning" && reason === "NotAllowed"));
    assert.ok(world.vault.liveLeases().length <= 2);
    await world.remove(DYNAMIC, "db");
    await world.advance("15m");
    assert.equal(world.vault.liveLeases().length, 0);
    assert.equal(await world.row("db", DYNAMIC), undefined);
  });

  it("token_no_default_policy: it is issued, told, and issued anew when it can't be renewed", async () => {
    await using world = await anIssuingWorld();
    await tokens(world, { token_no_default_policy: true });
    await world.vault.putDatabaseRole("app", { defaultTtl: "30m", maxTtl: "24h" });
    await world.given(aDynamicSecret());
    await world.advance("50m");
    assert.equal(await logsIn(world), true);
    assert.match(world.condition("db", "Ready", DYNAMIC), /^True/);
    assert.match(world.condition("db", "CredentialRenewed", DYNAMIC), /^False: .*auth\/token\/renew-self/);
    assert.ok(world.vault.liveLeases().length <= 4, `${world.vault.liveLeases().length} leases`);
  });

  it("token_no_default_policy with a short lease is parked after six issues, and not before its last one is in use", async () => {
    await using world = await anIssuingWorld();
    await tokens(world, { token_no_default_policy: true });
    await world.given(aDynamicSecret());
    await world.advance("10m");
    const message = world.condition("db", "Ready", DYNAMIC);
    assert.match(message, /^(True|False: ISSUES_)/);
    assert.ok(world.vault.liveLeases().length <= 4, `${world.vault.liveLeases().length} leases`);
  });
});

describe("an answer of no use", () => {
  it("without data is refused, and its token is revoked", async () => {
    await using world = await anIssuingWorld();
    for (const body of [{ data: null }, { request_id: "a" }, { data: null, warnings: ["nothing"] }]) {
      answers(world, "database/creds/app", body);
      await world.given(aDynamicSecret());
      await world.advance("5s");
      assert.match(refused(world, "VAULT_ANSWER_INVALID"), /has no data object: this path issues nothing/);
      await world.remove(DYNAMIC, "db");
      // Something between may have answered, so that Vault may still be at work on it.
      await world.advance("3m");
    }
    assert.equal(world.vault.server.tokens.alive().length, 0);
  });

  it("with a lease id of more than 1 KB is refused; of 1 KB it is kept", async () => {
    await using world = await anIssuingWorld();
    const data = { username: "u", password: "p" };
    const lease = { lease_duration: 600, renewable: true, data };
    answers(world, "database/creds/app", { ...lease, lease_id: "l".repeat(1_025) });
    await world.given(aDynamicSecret());
    await world.advance("5s");
    assert.match(refused(world, "VAULT_ANSWER_INVALID"), /lease id of more than 1024 bytes/);
    answers(world, "database/creds/app", { ...lease, lease_id: "l".repeat(1_024) });
    await world.advance("4m");
    assert.equal(world.secret("db")?.data.username, "u");
  });

  it("with a lease of less than 10 s is revoked at once", async () => {
    await using world = await anIssuingWorld();
    await world.vault.putDatabaseRole("app", { defaultTtl: "9s", maxTtl: "9s" });
    await world.given(aDynamicSecret());
    await world.advance("3s");
    assert.match(refused(world, "VAULT_LEASE_UNUSABLE"), /lasts 9 s.*default_ttl and max_ttl/);
    await world.vault.putDatabaseRole("app", { defaultTtl: "15s", maxTtl: "1h" });
    await world.advance("5m");
    assert.equal(await logsIn(world), true);
  });
});

describe("too many issues", () => {
  it("a fifth that has not ended is not asked for, until one has", async () => {
    await using world = await anIssuingWorld();
    await world.vault.putDatabaseRole("app", { defaultTtl: "1h", maxTtl: "24h" });
    await world.given(aDynamicSecret());
    await world.advance("5s");
    for (let times = 1; times <= 4; times++) {
      await world.edit(DYNAMIC, "db", { metadata: { annotations: { "keyferry.dev/refresh": String(times) } } });
      await world.advance("11m");
    }
    assert.equal(world.vault.liveLeases().length, 4);
    assert.match(world.condition("db", "Ready", DYNAMIC), /^False: ISSUES_UNENDED: 4 credentials.*revoke-self/);
    assert.equal(await logsIn(world), true);
    const [oldest] = world.vault.liveLeases();
    assert.notEqual(oldest, undefined);
    await world.advance("1h");
    assert.match(world.condition("db", "Ready", DYNAMIC), /^True/);
    assert.equal(await logsIn(world), true);
  });

  it("certificates that merely run out do not count", async () => {
    await using world = await anIssuingWorld();
    await world.given(aPkiSecret("web", { revoke: true }));
    await world.advance("5s");
    for (let times = 1; times <= 6; times++) {
      await world.edit(PKI, "web", { metadata: { annotations: { "keyferry.dev/refresh": String(times) } } });
      await world.advance("3m");
    }
    assert.match(world.condition("web", "Ready", PKI), /^True/);
  });

  it("more than six within ten minutes are parked, and a new wish begins anew after them", async () => {
    await using world = await anIssuingWorld();
    await world.given(aDynamicSecret("db", { annotations: { "keyferry.dev/revoke-replaced": "0s" } }));
    await world.advance("5s");
    for (let times = 1; times <= 7; times++) {
      await world.edit("Secret", "db", { data: { password: base64("x") } });
      await world.advance("10s");
    }
    assert.match(world.condition("db", "Ready", DYNAMIC), /^False: ISSUES_TOO_FREQUENT: Vault issued 6/);
    assert.match(world.condition("db", "Stalled", DYNAMIC), /^True/);
    await world.advance("20m");
    assert.match(world.condition("db", "Ready", DYNAMIC), /^False/);
    await world.edit(DYNAMIC, "db", { metadata: { annotations: { "keyferry.dev/refresh": "1" } } });
    await world.advance("5s");
    assert.equal(await logsIn(world), true);
  });
});

describe("a certificate of no use", () => {
  it("whose CA ends before it is refused", async () => {
    await using world = await anIssuingWorld();
    await world.vault.putPkiRole("long", { ttl: "2h" });
    await world.vault.write("pki/root/generate/internal", { common_name: "ends", ttl: "1h", issuer_name: "ends" });
    await world.given(aPkiSecret("web", { role: "long", issuerRef: "ends" }));
    await world.advance("5s");
    const refusal = world.condition("web", "Ready", PKI);
    assert.match(refusal, /^False: VAULT_/);
    assert.equal(world.secret("web"), undefined);
  });

  it("with an offset as long as its life is refused, and there is no storm of issues", async () => {
    await using world = await anIssuingWorld();
    await world.vault.putPkiRole("short", { ttl: "10m" });
    const asked = await askedOf(world, async () => {
      await world.given(aPkiSecret("web", { role: "short", expiryOffset: "10m" }));
      await world.advance("1h");
    });
    assert.equal(world.secret("web"), undefined);
    assert.match(world.condition("web", "Ready", PKI), /^False: (VAULT_CERTIFICATE_UNUSABLE|ISSUES_TOO_FREQUENT)/);
    assert.ok((asked["update pki/issue/short"] ?? 0) <= 7, JSON.stringify(asked));
  });

  it("an offset that is no shorter than the declared ttl is refused before anything is asked", async () => {
    await using world = await anIssuingWorld();
    const asked = await askedOf(world, async () => {
      await world.given(aPkiSecret("web", { ttl: "1h", expiryOffset: "60m" }));
      await world.advance("5s");
    });
    assert.match(world.condition("web", "Ready", PKI), /^False: SPEC_INVALID: /);
    assert.deepEqual(Object.keys(asked), ["read sys/seal-status"]);
  });

  it("an answer of no certificate is refused, and says so in the status", async () => {
    await using world = await anIssuingWorld();
    answers(world, "pki/issue/web", { data: { certificate: "none", serial_number: "1" } });
    await world.given(aPkiSecret());
    await world.advance("5s");
    assert.match(refused(world, "VAULT_CERTIFICATE_UNUSABLE", { name: "web", kind: PKI }), /check/);
  });
});

describe("a first failure that has nothing to do with Vault", () => {
  it("does not keep a Secret for TLS from being written afterwards", async () => {
    await using world = await anIssuingWorld();
    await world.given(aPkiSecret("web", { vaultAuthRef: "late" }));
    await world.advance("5s");
    assert.match(world.condition("web", "Ready", PKI), /^False: REFERENCE_MISSING/);
    await world.given(aVaultAuth("late"));
    await world.advance("5s");
    assert.match(world.condition("web", "Ready", PKI), /^True/);
  });
});
