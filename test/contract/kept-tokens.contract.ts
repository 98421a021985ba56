import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { after, before, describe, it } from "node:test";
import type { StoredToken, TokenStore } from "../../lib/ports/tokens.ts";
import type { VaultIdentity, VaultRead } from "../../lib/ports/vault.ts";
import { openSqliteStore, type SqliteStore } from "../../lib/store/sqlite/sqlite-store.ts";
import type { TokenCacheOptions } from "../../lib/vault/token-cache.ts";
import { aKey } from "../builders.ts";
import type { ContractVault } from "../core/world/vault.ts";
import {
  appRole,
  audited,
  failure,
  kv2,
  type LoginCluster,
  quiet,
  steadyVaultApi,
  type TestVaultApi,
  times,
} from "./vault-world.ts";

const LOGIN = "update auth/approle/login";
const RENEWAL = "update auth/token/renew-self";
const REVOCATION = "update auth/token/revoke-self";
const KEY = randomBytes(32);
const forever = new AbortController().signal;

/** What Vault ends owe to each other of the tokens that they keep. */
export function keptTokensContract(
  name: string,
  servers: () => { readonly vault: ContractVault; readonly cluster: LoginCluster },
): void {
  describe(`the tokens that Vault ends keep on ${name}`, () => {
    let vault: ContractVault;
    let cluster: LoginCluster;
    let sqlite: SqliteStore;
    let store: TokenStore;

    before(() => {
      ({ vault, cluster } = servers());
      sqlite = openSqliteStore({ path: ":memory:" });
      store = sqlite.tokens();
    });
    after(() => sqlite[Symbol.asyncDispose]());

    const cacheOf = (rest: Partial<TokenCacheOptions> = {}): TokenCacheOptions => ({
      store,
      keys: async () => [KEY],
      installation: "one",
      randomBytes,
      ...rest,
    });
    /** A process of its own. */
    const aProcess = (cache: TokenCacheOptions = cacheOf()): TestVaultApi => steadyVaultApi(cluster, { cache });
    const reader = (role: Record<string, unknown> = {}) => aRole({ vault, cluster }, role);
    const app = (identity: VaultIdentity, path = "app"): VaultRead => ({ ...kv2(identity, path), by: aKey() });
    const kept = async ({ id }: VaultIdentity): Promise<StoredToken | undefined> => store.token("cluster:east", id);
    const isAlive = async (accessor: string): Promise<boolean> =>
      (await vault.request("POST", "auth/token/lookup-accessor", { accessor })).status === 200;
    const alive = (role: string): Promise<string[]> => accessorsOf(vault, role);

    it("are used by the next process, without a login, and can't be read where they are kept", async () => {
      const identity = await reader();
      await using first = aProcess();
      assert.equal((await audited(vault, () => first.read(app(identity), forever)))(LOGIN), 1);
      await first.close();
      await using next = aProcess();
      const counted = await audited(vault, () => times(20, () => next.read(app(identity), forever)));
      assert.deepEqual([counted(LOGIN), counted("read kv/data/app")], [0, 20]);
      const stored = (await kept(identity)) ?? assert.fail();
      for (const text of [JSON.stringify(stored), Buffer.from(stored.sealed, "base64").toString("latin1")]) {
        assert.doesNotMatch(text, /hv[sb]\.|\b[sb]\.[A-Za-z0-9]{20}|127\.0\.0\.1.*auth/);
      }
      const { ttl } = await lookup(vault, (await alive(identity.role))[0]);
      assert.ok(Number(ttl) > 3_500 && Number(ttl) <= 3_600, String(ttl));
      assert.equal(stored.endsAt, first.now() + 3_600_000, "kept until Vault ends it");
    });

    it("are read once by a process, and not at all while it holds one", async () => {
      const identity = await reader();
      await using first = aProcess();
      await first.read(app(identity), forever);
      const before = sqlite.counts();
      await using next = aProcess();
      await times(20, () => next.read(app(identity), forever));
      for (const _ of [1, 2, 3]) await next.read(app(identity), forever);
      const { token, putToken } = sqlite.counts();
      assert.deepEqual([(token ?? 0) - (before.token ?? 0), putToken], [1, before.putToken]);
    });

    it("are not used when too little of their life is left", async () => {
      const identity = await reader({ token_ttl: "300s" });
      await using first = aProcess();
      await first.read(app(identity), forever);
      const { serial } = (await kept(identity)) ?? assert.fail();
      await using next = aProcess();
      next.pass(280_000);
      assert.equal((await audited(vault, () => next.read(app(identity), forever)))(LOGIN), 1);
      assert.notEqual((await kept(identity))?.serial, serial);
    });

    it("are prolonged by one process for all", async () => {
      const identity = await reader({ token_ttl: "300s" });
      await using first = aProcess();
      await using second = aProcess();
      for (const end of [first, second]) await end.read(app(identity), forever);
      const { serial } = (await kept(identity)) ?? assert.fail();
      for (const end of [first, second]) end.pass(210_000);
      const counted = await audited(vault, async () => {
        await first.read(app(identity), forever);
        await cluster.waitFor("the renewal", async () => (await kept(identity))?.serial !== serial);
        const asked = sqlite.counts().token ?? 0;
        await second.read(app(identity), forever);
        await cluster.waitFor("a watch pass over it", async () => (sqlite.counts().token ?? 0) > asked);
        second.pass(80_000);
        await second.read(app(identity), forever);
      });
      assert.deepEqual([counted(RENEWAL), counted(LOGIN)], [1, 0]);
    });

    it("stay those of who was first when two processes log in at once; the other revokes its token", async () => {
      const identity = await reader();
      const looked = Promise.withResolvers<void>();
      let looks = 0;
      const token: TokenStore["token"] = async (...at) => {
        if (++looks > 2) return store.token(...at);
        if (looks === 2) looked.resolve();
        await looked.promise;
        return undefined;
      };
      await using first = aProcess(cacheOf({ store: { ...store, token } }));
      await using second = aProcess(cacheOf({ store: { ...store, token } }));
      const apis = [first, second];
      const counted = await audited(vault, () => Promise.all(apis.map((end) => end.read(app(identity), forever))));
      assert.deepEqual([counted(LOGIN), counted(REVOCATION)], [2, 1]);
      const again = await audited(vault, () => Promise.all(apis.map((end) => end.read(app(identity), forever))));
      assert.equal(again(LOGIN), 0);
      assert.equal((await alive(identity.role)).length, 1);
    });

    it("make way for one new login when Vault refuses them, so that other policies count at once", async () => {
      const identity = await reader();
      await using first = aProcess();
      await first.read(app(identity), forever);
      const [old = assert.fail()] = await alive(identity.role);
      await vault.writePolicy("open", 'path "kv/data/closed/*" { capabilities = ["read"] }');
      await vault.write(`auth/approle/role/${identity.role}`, { token_policies: ["reader", "open"] });
      await vault.write(`auth/approle/role/${identity.role}`, { token_policies: "open" });
      await using next = aProcess();
      for (const end of [first, next]) end.pass(60_000);
      const counted = await audited(vault, () => times(10, () => next.read(app(identity, "closed/app"), forever)));
      assert.equal(counted(LOGIN), 1);
      assert.equal(await isAlive(old), false, "the refused token is ended");
      const others = await audited(vault, () => first.read(app(identity, "closed/app"), forever));
      assert.equal(others(LOGIN), 0, "who held it as well takes the new one");
    });

    it("are replaced by a login before an error is told, also when another process has replaced them already", async () => {
      const identity = await reader();
      await using first = aProcess();
      await using second = aProcess();
      await first.read(app(identity), forever);
      await second.read(app(identity), forever);
      for (const end of [first, second]) end.pass(60_000);
      await failure(second.read(app(identity, "closed/app"), forever), "VAULT_DENIED");
      for (const end of [first, second]) end.pass(60_000);
      await vault.writePolicy("open", 'path "kv/data/closed/*" { capabilities = ["read"] }');
      await vault.write(`auth/approle/role/${identity.role}`, { token_policies: "open" });
      const counted = await audited(vault, () => first.read(app(identity, "closed/app"), forever));
      assert.equal(counted(LOGIN), 1);
      assert.equal((await alive(identity.role)).length, 1);
    });

    it("are replaced once when they were revoked behind our back", async () => {
      const identity = await reader();
      await using first = aProcess();
      await first.read(app(identity), forever);
      await vault.write("auth/token/revoke-accessor", { accessor: (await alive(identity.role))[0] });
      await using next = aProcess();
      next.pass(60_000);
      assert.equal((await audited(vault, () => times(20, () => next.read(app(identity), forever))))(LOGIN), 1);
      await using last = aProcess();
      assert.equal((await audited(vault, () => last.read(app(identity), forever)))(LOGIN), 0);
    });

    it("are dropped, and that is said once, when their key is another one", async () => {
      const identities = [await reader(), await reader()];
      await using first = aProcess();
      for (const identity of identities) await first.read(app(identity), forever);
      const told: string[] = [];
      const log = { ...quiet, warn: (event: string) => void told.push(event) };
      const cache = cacheOf({ keys: async () => [randomBytes(32)] });
      await using next = steadyVaultApi(cluster, { cache, log });
      const counted = await audited(vault, async () => {
        for (const identity of identities) await next.read(app(identity), forever);
      });
      assert.equal(counted(LOGIN), 2);
      assert.deepEqual(told, ["vault-tokens-unreadable"]);
      const another = cacheOf({ installation: "two" });
      await using stranger = aProcess(another);
      assert.equal((await audited(vault, () => stranger.read(app(identities[0] ?? assert.fail()), forever)))(LOGIN), 1);
    });

    it("are no condition of work: without their store or key each process logs in for itself", async () => {
      const identity = await reader();
      await using closed = openSqliteStore({ path: ":memory:" });
      const tokens = closed.tokens();
      await closed[Symbol.asyncDispose]();
      await using end = aProcess(cacheOf({ store: tokens }));
      assert.equal((await end.read(app(identity), forever)).fields.size, 1);
      await end.revokeAll(forever);
      assert.equal((await alive(identity.role)).length, 0);
    });

    it("are not those of few uses, which are counted and replaced by as many logins as it takes", async () => {
      const identity = await reader({ token_num_uses: 3 });
      await using end = aProcess();
      const counted = await audited(vault, () => times(7, () => end.read(app(identity), forever)));
      assert.deepEqual([counted(LOGIN), counted("read kv/data/app")], [3, 7]);
      assert.equal(await kept(identity), undefined);
    });

    it("may be batch tokens, which can be neither prolonged nor ended", async () => {
      const identity = await reader({ token_type: "batch", token_ttl: "300s" });
      await using first = aProcess();
      await first.read(app(identity), forever);
      await using next = aProcess();
      next.pass(210_000);
      const counted = await audited(vault, async () => {
        await next.read(app(identity), forever);
        const [token = assert.fail()] = (await next.tokens.kept()).filter(({ id }) => id === identity.id);
        await next.tokens.end(token, forever);
      });
      assert.deepEqual([counted(LOGIN), counted(RENEWAL), counted(REVOCATION)], [0, 0, 0]);
      assert.equal(await kept(identity), undefined);
    });

    it("are ended at Vault before they are forgotten, by a process that never used them", async () => {
      const identity = await reader();
      await using first = aProcess();
      await first.read(app(identity), forever);
      const [accessor = assert.fail()] = await alive(identity.role);
      await using next = aProcess();
      const [token = assert.fail()] = (await next.tokens.kept("cluster:east")).filter(({ id }) => id === identity.id);
      await failure(next.tokens.end(token, AbortSignal.abort()), "DEADLINE_EXCEEDED");
      assert.notEqual(await kept(identity), undefined, "kept when Vault did not answer");
      await next.tokens.end(token, forever);
      assert.deepEqual([await kept(identity), await isAlive(accessor)], [undefined, false]);
      await first.tokens.end(token, forever);
      assert.equal((await audited(vault, () => first.read(app(identity), forever)))(LOGIN), 1);
    });

    it("are forgotten as well when they had ended already, or may not end themselves", async () => {
      const [gone, bound] = [await reader(), await reader({ token_no_default_policy: true })];
      await using end = aProcess();
      for (const identity of [gone, bound]) await end.read(app(identity), forever);
      await vault.write("auth/token/revoke-accessor", { accessor: (await alive(gone.role))[0] });
      for (const { id } of [gone, bound]) {
        const [token = assert.fail()] = (await end.tokens.kept("cluster:east")).filter((one) => one.id === id);
        await end.tokens.end(token, forever);
      }
      assert.deepEqual([await kept(gone), await kept(bound)], [undefined, undefined]);
    });

    it("are ended with a clean stop, those of a process that crashed included", async () => {
      const [left, held] = [await reader(), await reader()];
      await using crashed = aProcess();
      await crashed.read(app(left), forever);
      await using next = aProcess();
      await next.read(app(held), forever);
      await next.revokeAll(forever);
      for (const { role } of [left, held]) assert.deepEqual(await alive(role), []);
      assert.deepEqual(await store.tokens(), []);
    });

    it("are never those of a wrapped login", async () => {
      const identity = { ...(await reader()), headers: { "X-Vault-Wrap-TTL": "60s" } };
      await using end = aProcess();
      const error = await failure(end.read(app(identity), forever), "VAULT_ANSWER_INVALID");
      assert.match(error.message, /is wrapped: remove X-Vault-Wrap-TTL/);
    });
  });
}

async function aRole(
  place: { readonly vault: ContractVault; readonly cluster: LoginCluster },
  settings: Record<string, unknown>,
) {
  const identity = await appRole(place, { policies: ["reader"] });
  await place.vault.write(`auth/approle/role/${identity.role}`, { token_ttl: "1h", ...settings });
  return identity;
}

/** Accessors of this role's tokens that live. */
async function accessorsOf(vault: ContractVault, role: string): Promise<string[]> {
  const { data } = (await vault.request("LIST", "auth/token/accessors")).body;
  const all = Array.isArray(data.keys) ? data.keys.map(String) : [];
  const found = await Promise.all(all.map(async (accessor) => [accessor, await lookup(vault, accessor)] as const));
  return found
    .filter(([, { meta }]) => (meta as { role_name?: string } | null | undefined)?.role_name === role)
    .map(([accessor]) => accessor);
}

async function lookup(vault: ContractVault, accessor: string | undefined): Promise<Readonly<Record<string, unknown>>> {
  return (await vault.request("POST", "auth/token/lookup-accessor", { accessor })).body?.data ?? {};
}
