import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import type { Metrics } from "../../lib/ports/telemetry.ts";
import type { ContractVault } from "../core/world/vault.ts";
import {
  account,
  appRole,
  audited,
  failure,
  identityOn,
  JWT_ROLE,
  kv2,
  type LoginCluster,
  putSecret,
  secretKey,
  steadyVaultApi,
  type TestVaultApi,
  times,
} from "./vault-world.ts";

const LOGIN = "update auth/approle/login";
const RENEWAL = "update auth/token/renew-self";
const forever = new AbortController().signal;

async function accessors(vault: ContractVault): Promise<unknown[]> {
  const { data } = (await vault.request("LIST", "auth/token/accessors")).body;
  return Array.isArray(data.keys) ? data.keys : [];
}

/** What a Vault end owes of its logins and tokens, counted in Vault's own audit log. */
export function vaultTokensContract(
  name: string,
  servers: () => { readonly vault: ContractVault; readonly cluster: LoginCluster },
): void {
  describe(`the tokens of a Vault end on ${name}`, () => {
    let vault: ContractVault;
    let cluster: LoginCluster;
    let end: TestVaultApi;

    before(() => {
      ({ vault, cluster } = servers());
      end = steadyVaultApi(cluster);
    });
    after(() => end[Symbol.asyncDispose]());

    const fresh = (ttl?: string) => appRole({ vault, cluster }, { policies: ["reader"], ...(ttl && { ttl }) });

    describe("logs in", () => {
      it("with a service account's token at the Kubernetes login", async () => {
        const role = {
          bound_service_account_names: "default",
          bound_service_account_namespaces: "default",
          token_policies: "reader",
        };
        await vault.write("auth/kubernetes/role/app", role);
        const method = { kind: "kubernetes", role: "app", credential: account() } as const;
        const identity = identityOn(vault, { mount: "kubernetes", method });
        assert.equal((await end.read(kv2(identity, "app"), forever)).fields.get("password"), "s3cr3t");
        const other = identityOn(vault, { mount: "kubernetes", method: { ...method, role: "none" } });
        await failure(end.read(kv2(other, "app"), forever), "VAULT_LOGIN_REFUSED");
      });

      it("with a JWT of a service account or of a Secret", async () => {
        await vault.write("auth/jwt/role/app", JWT_ROLE);
        const jwt = await cluster.tokenFor({ namespace: "default", name: "default", audiences: ["vault"] });
        await putSecret(cluster, `${vault.flavor}-jwt`, { jwt });
        for (const credential of [account("vault"), secretKey(`${vault.flavor}-jwt`, "jwt")]) {
          const identity = identityOn(vault, { mount: "jwt", method: { kind: "jwt", role: "app", credential } });
          assert.equal((await end.read(kv2(identity, "app"), forever)).fields.get("password"), "s3cr3t");
        }
        const method = { kind: "jwt", role: "app", credential: account("others") } as const;
        const error = await failure(
          end.read(kv2(identityOn(vault, { mount: "jwt", method }), "app"), forever),
          "VAULT_LOGIN_REFUSED",
        );
        assert.match(error.message, /audience/);
      });

      it("not with a wrong secret id", async () => {
        const identity = await appRole({ vault, cluster }, { policies: ["reader"], secretId: "s3cr3t" });
        const error = await failure(end.read(kv2(identity, "app"), forever), "VAULT_LOGIN_REFUSED");
        assert.match(error.message, /POST auth\/approle\/login.*secret id is not valid/);
      });

      it("nowhere when the auth mount is missing", async () => {
        await failure(end.read(kv2({ ...(await fresh()), mount: "nope" }, "app"), forever), "VAULT_LOGIN_REFUSED");
      });

      it("once for 50 reads at once, and not again for as long as the token lasts", async () => {
        const identity = await fresh("1h");
        const first = await audited(vault, () => times(50, () => end.read(kv2(identity, "app"), forever)));
        assert.equal(first(LOGIN), 1);
        assert.equal(first("read kv/data/app"), 50);
        const second = await audited(vault, () => times(50, () => end.read(kv2(identity, "app"), forever)));
        assert.equal(second(LOGIN), 0);
      });

      it("once for all that are refused at once, and for those right after", async () => {
        const identity = await fresh();
        await vault.remove(`auth/approle/role/${identity.role}`);
        const refused = () => failure(end.read(kv2(identity, "app"), forever), "VAULT_LOGIN_REFUSED");
        const counted = await audited(vault, async () => {
          await times(20, refused);
          await refused();
        });
        assert.equal(counted(LOGIN), 1);
      });

      it("anew for who asks since, once for all of them", async () => {
        await using own = steadyVaultApi(cluster);
        const identity = await appRole({ vault, cluster }, { policies: ["reader"], secretId: "wrong" });
        const read = (since?: number) => own.read({ ...kv2(identity, "app"), ...(since && { since }) }, forever);
        await failure(read(), "VAULT_LOGIN_REFUSED");
        own.pass(1_000);
        const since = own.now();
        const counted = await audited(vault, async () => {
          await failure(read(), "VAULT_LOGIN_REFUSED");
          await times(20, () => failure(read(since), "VAULT_LOGIN_REFUSED"));
          await failure(read(since), "VAULT_LOGIN_REFUSED");
        });
        assert.equal(counted(LOGIN), 1);
        const made = await vault.write(`auth/approle/role/${identity.role}/secret-id`);
        await putSecret(cluster, `${vault.flavor}-${identity.role}`, { id: String(made.data.secret_id) });
        await failure(read(since), "VAULT_LOGIN_REFUSED");
        own.pass(1_000);
        assert.equal((await read(own.now())).fields.get("password"), "s3cr3t");
      });

      it("for those who still wait when one of them gives up", async () => {
        const identity = await fresh();
        const leaving = new AbortController();
        const left = end.read(kv2(identity, "app"), leaving.signal);
        const stayed = end.read(kv2(identity, "app"), forever);
        leaving.abort();
        await failure(left, "DEADLINE_EXCEEDED");
        assert.equal((await stayed).fields.size, 1);
      });
    });

    describe("renews its tokens", () => {
      it("after two thirds of their life, once, beside the read", async () => {
        let renewals = 0;
        const count: Metrics["count"] = (_name, { operation }) => {
          if (operation === "renew") renewals += 1;
        };
        const metrics = { count, observe: () => undefined };
        await using own = steadyVaultApi(cluster, { metrics });
        const identity = await fresh("300s");
        await own.read(kv2(identity, "app"), forever);
        own.pass(210_000);
        const counted = await audited(vault, async () => {
          await times(20, () => own.read(kv2(identity, "app"), forever));
          // Vault's audit log has an answer before we do.
          await cluster.waitFor("the renewal's answer", async () => renewals > 0);
          await own.read(kv2(identity, "app"), forever);
        });
        assert.equal(counted(LOGIN), 0);
        assert.equal(counted(RENEWAL), 1);
        own.pass(100_000);
        const later = await audited(vault, () => own.read(kv2(identity, "app"), forever));
        assert.equal(later(LOGIN), 0);
      });

      it("or revokes them when nobody uses them for an hour", async () => {
        await using own = steadyVaultApi(cluster);
        const before = await accessors(vault);
        await own.read(kv2(await fresh(), "app"), forever);
        const [unused] = (await accessors(vault)).filter((one) => !before.includes(one));
        assert.ok(unused);
        own.pass(3_700_000);
        await own.read(kv2(await fresh(), "app"), forever);
        await cluster.waitFor("the revocation", async () => !(await accessors(vault)).includes(unused));
      });

      it("or logs in again before they end", async () => {
        await using own = steadyVaultApi(cluster);
        const identity = await fresh("100s");
        await own.read(kv2(identity, "app"), forever);
        own.pass(91_000);
        const counted = await audited(vault, () => times(20, () => own.read(kv2(identity, "app"), forever)));
        assert.equal(counted(LOGIN), 1);
      });
    });

    describe("is denied", () => {
      it("without a second login when the token is new", async () => {
        const identity = await fresh();
        const counted = await audited(vault, () =>
          times(10, () => failure(end.read(kv2(identity, "closed/app"), forever), "VAULT_DENIED")),
        );
        assert.equal(counted(LOGIN), 1);
      });

      it("with one login more when the token is older, since its role may have got other policies", async () => {
        await using own = steadyVaultApi(cluster);
        const identity = await fresh();
        await own.read(kv2(identity, "app"), forever);
        own.pass(60_000);
        const denied = await audited(vault, () =>
          times(25, () => failure(own.read(kv2(identity, "closed/app"), forever), "VAULT_DENIED")),
        );
        assert.equal(denied(LOGIN), 1);
        await vault.writePolicy("open", 'path "kv/data/closed/*" { capabilities = ["read"] }');
        await vault.write(`auth/approle/role/${identity.role}`, { token_policies: "open" });
        own.pass(60_000);
        const allowed = await audited(vault, () => times(25, () => own.read(kv2(identity, "closed/app"), forever)));
        assert.equal(allowed(LOGIN), 1);
      });

      it("with another login for who asks after the role got other policies, however new the token is", async () => {
        await using own = steadyVaultApi(cluster);
        const identity = await fresh();
        const closed = kv2(identity, "closed/app");
        await failure(own.read(closed, forever), "VAULT_DENIED");
        await vault.writePolicy("open", 'path "kv/data/closed/*" { capabilities = ["read"] }');
        await vault.write(`auth/approle/role/${identity.role}`, { token_policies: "open" });
        own.pass(1_000);
        await failure(own.read(closed, forever), "VAULT_DENIED");
        assert.equal((await own.read({ ...closed, since: own.now() }, forever)).fields.size, 1);
      });

      it("no more than once by a token that was revoked behind its back", async () => {
        await using own = steadyVaultApi(cluster);
        const identity = await fresh();
        const others = await accessors(vault);
        await own.read(kv2(identity, "app"), forever);
        own.pass(60_000);
        const [accessor] = (await accessors(vault)).filter((one) => !others.includes(one));
        await vault.write("auth/token/revoke-accessor", { accessor });
        const counted = await audited(vault, () => times(50, () => own.read(kv2(identity, "app"), forever)));
        assert.equal(counted(LOGIN), 1);
      });
    });

    describe("is denied by a young token", () => {
      it("that was revoked: with a new login at once, as often as that happens", async () => {
        await using own = steadyVaultApi(cluster);
        const identity = await fresh();
        const others = await accessors(vault);
        await own.read(kv2(identity, "app"), forever);
        for (const round of [1, 2, 3]) {
          const [accessor, ...more] = (await accessors(vault)).filter((one) => !others.includes(one));
          assert.deepEqual(more, []);
          await vault.write("auth/token/revoke-accessor", { accessor });
          const counted = await audited(vault, () => times(20, () => own.read(kv2(identity, "app"), forever)));
          assert.equal(counted(LOGIN), 1, `round ${round}`);
          own.pass(100);
        }
      });

      it("whose policies refuse: with none", async () => {
        await using own = steadyVaultApi(cluster);
        const identity = await fresh();
        await own.read(kv2(identity, "app"), forever);
        const counted = await audited(vault, () =>
          times(20, () => failure(own.read(kv2(identity, "closed/app"), forever), "VAULT_DENIED")),
        );
        assert.equal(counted(LOGIN), 0);
        assert.equal((await own.read(kv2(identity, "app"), forever)).fields.size, 1);
      });

      it("that may not look itself up: with one, and no more for a while", async () => {
        await using own = steadyVaultApi(cluster);
        const identity = await fresh();
        await vault.write(`auth/approle/role/${identity.role}`, { token_no_default_policy: true });
        await own.read(kv2(identity, "app"), forever);
        const refused = () => failure(own.read(kv2(identity, "closed/app"), forever), "VAULT_DENIED");
        const first = await audited(vault, refused);
        assert.equal(first(LOGIN), 1);
        const later = await audited(vault, () => times(20, refused));
        assert.equal(later(LOGIN), 0);
        assert.equal(later("read auth/token/lookup-self"), 0);
      });
    });

    it("ends its tokens when it stops", async () => {
      await using own = steadyVaultApi(cluster);
      const identities = [await fresh(), await fresh()];
      for (const identity of identities) await own.read(kv2(identity, "app"), forever);
      const counted = await audited(vault, () => own.revokeAll(forever));
      assert.equal(counted("update auth/token/revoke-self"), 2);
      const [again] = identities;
      assert.ok(again);
      const later = await audited(vault, () => own.read(kv2(again, "app"), forever));
      assert.equal(later(LOGIN), 1);
    });
  });
}
