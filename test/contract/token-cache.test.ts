import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { circuitOfVault } from "../../lib/circuits.ts";
import { MINUTE_MS, SECOND_MS } from "../../lib/clock.ts";
import { SyncError } from "../../lib/errors.ts";
import type { Log } from "../../lib/ports/telemetry.ts";
import type { VaultIdentity } from "../../lib/ports/vault.ts";
import { SecretValue } from "../../lib/secret-value.ts";
import { openSqliteStore, type SqliteStore } from "../../lib/store/sqlite/sqlite-store.ts";
import { type ActiveToken, activeToken } from "../../lib/vault/active-token.ts";
import { sealer } from "../../lib/vault/sealer.ts";
import { type TokenCacheOptions, tokenCache } from "../../lib/vault/token-cache.ts";
import { aKey } from "../builders.ts";

const NOW = Date.UTC(2030, 0, 1);
const BY = aKey();
const SCOPE = "cluster:east";
const KEY = Buffer.alloc(32, 7);

function anIdentity(id = "one", overrides: Partial<VaultIdentity["target"]> = {}): VaultIdentity {
  return {
    id,
    target: { address: "https://vault.example", headers: {}, skipTlsVerify: false, timeoutMs: 1_000, ...overrides },
    mount: "approle",
    headers: {},
    method: {
      kind: "appRole",
      roleId: "role",
      credential: { kind: "secret", cluster: "east", namespace: "shop", name: "s", key: "id" },
    },
  };
}

const aToken = (identity = anIdentity(), grant: { ttlSeconds?: number; renewable?: boolean; uses?: number } = {}) =>
  activeToken(
    identity,
    {
      token: SecretValue.of(`of ${identity.id}`),
      ttlSeconds: 3_600,
      renewable: true,
      uses: 0,
      isBatch: false,
      ...grant,
    },
    NOW,
  );

/** Caches of processes that share one store. */
function aWorld(store: SqliteStore) {
  const told: string[] = [];
  const log: Log = { debug() {}, info() {}, warn: (event) => void told.push(event), error() {} };
  let nonces = 0;
  return {
    told,
    cache: (overrides: Partial<TokenCacheOptions> = {}, now = NOW) =>
      tokenCache(
        {
          store: store.tokens(),
          keys: async () => [KEY],
          installation: "ours",
          randomBytes: (count) => Buffer.alloc(count, ++nonces),
          ...overrides,
        },
        { clock: () => now, log },
      ),
  };
}

const textOf = (token: ActiveToken | undefined) => token?.value.reveal().toString("utf8");

describe("a token that processes share", () => {
  it("is kept up to the size that an item of a table has room for", async () => {
    await using store = openSqliteStore({ path: ":memory:" });
    const world = aWorld(store);
    const keep = async (name: string, length: number) => {
      const token = { ...aToken(anIdentity(name)), value: SecretValue.of("x".repeat(length)) };
      const kept = await world.cache().keep(token, BY, undefined);
      return typeof kept === "object" ? Buffer.from(kept.sealed, "base64").length : kept;
    };
    const rest = Number(await keep("one", 999)) - 999;
    const most = (256 * 1024 * 3) / 4;
    assert.equal(await keep("two", most - rest), most);
    assert.equal(await keep("six", most - rest + 1), undefined);
  });

  it("is found by another process as it was kept", async () => {
    await using store = openSqliteStore({ path: ":memory:" });
    const { cache, told } = aWorld(store);
    for (const token of [aToken(), aToken(anIdentity("two"), { renewable: false })]) {
      const { id } = token.identity;
      const kept = await cache().keep(token, BY, undefined);
      assert.ok(kept && kept !== "taken");
      assert.equal(kept.circuit, circuitOfVault("https://vault.example"));
      assert.equal(kept.endsAt, token.endsAt);
      const found = await cache().find({ id, scope: SCOPE });
      const { value: _value, ...rest } = token;
      const { value: _found, ...foundRest } = found?.token ?? {};
      assert.deepEqual(foundRest, rest);
      assert.equal(textOf(found?.token), `of ${id}`);
      assert.deepEqual(found?.stored, kept);
    }
    assert.deepEqual(told, []);
  });

  it("is asked for with the connection as it is declared now", async () => {
    await using store = openSqliteStore({ path: ":memory:" });
    const { cache } = aWorld(store);
    await cache().keep(aToken(), BY, undefined);
    const now = anIdentity("one", { timeoutMs: 5_000 });
    assert.deepEqual((await cache().find({ id: "one", scope: SCOPE }, now))?.token?.identity, now);
  });

  it("is nobody's but its identity's, in its cluster", async () => {
    await using store = openSqliteStore({ path: ":memory:" });
    const { cache } = aWorld(store);
    await cache().keep(aToken(), BY, undefined);
    assert.equal(await cache().find({ id: "other", scope: SCOPE }), undefined);
    assert.equal(await cache().find({ id: "one", scope: "cluster:west" }), undefined);
  });

  it("can't be read under the name of another identity, by another installation, or with another key", async () => {
    await using store = openSqliteStore({ path: ":memory:" });
    const { cache, told } = aWorld(store);
    const kept = await cache().keep(aToken(), BY, undefined);
    assert.ok(kept && kept !== "taken");
    const moved = { ...kept, id: "other" };
    assert.equal(await store.tokens().putToken(moved, undefined), true);
    assert.deepEqual(await cache().find({ id: "other", scope: SCOPE }), { stored: moved });
    assert.deepEqual(told, ["vault-tokens-unreadable"]);
    const strangers = [cache({ installation: "theirs" }), cache({ keys: async () => [Buffer.alloc(32, 8)] })];
    for (const stranger of strangers) {
      assert.deepEqual(await stranger.find({ id: "one", scope: SCOPE }), { stored: kept });
      assert.deepEqual(await stranger.all(), [{ stored: kept }, { stored: moved }]);
    }
    assert.equal(told.length, 3, "each process tells it once");
  });

  it("does not stand in the store as it is", async () => {
    await using store = openSqliteStore({ path: ":memory:" });
    await aWorld(store).cache().keep(aToken(), BY, undefined);
    const stored = await store.tokens().token("cluster:east", "one");
    assert.doesNotMatch(Buffer.from(stored?.sealed ?? "", "base64").toString("latin1"), /of one|vault\.example/);
  });

  it("is sealed as a token of this installation and identity, so that nothing else under that key passes for one", async () => {
    await using store = openSqliteStore({ path: ":memory:" });
    const kept = await aWorld(store).cache().keep(aToken(), BY, undefined);
    assert.ok(kept && kept !== "taken");
    const box = sealer([KEY], (count) => Buffer.alloc(count));
    assert.ok(await box.open(kept.sealed, JSON.stringify(["vault-token", "ours", "one"])));
  });

  it("is of who logged in first, and is replaced by who knows it", async () => {
    await using store = openSqliteStore({ path: ":memory:" });
    const { cache } = aWorld(store);
    const first = await cache().keep(aToken(), BY, undefined);
    assert.ok(first && first !== "taken");
    assert.equal(await cache().keep(aToken(), BY, undefined), "taken");
    const second = await cache().keep(aToken(), BY, first.serial);
    assert.ok(second && second !== "taken");
    assert.notEqual(second.serial, first.serial);
    assert.equal((await cache().find({ id: "one", scope: SCOPE }))?.stored.serial, second.serial);
  });

  it("is not kept when it has no end, has few uses, or is about to end", async () => {
    await using store = openSqliteStore({ path: ":memory:" });
    const { cache } = aWorld(store);
    assert.equal(await cache().keep(aToken(anIdentity(), { ttlSeconds: 0 }), BY, undefined), undefined);
    assert.equal(await cache().keep(aToken(anIdentity(), { uses: 2 }), BY, undefined), undefined);
    const stale = aToken(anIdentity(), { ttlSeconds: 60 });
    assert.equal(await cache({}, stale.staleAt).keep(stale, BY, undefined), undefined);
    assert.equal(stale.staleAt, NOW + MINUTE_MS - 6 * SECOND_MS);
    assert.deepEqual(await store.tokens().tokens(), []);
    const inTime = await cache({}, stale.staleAt - 1).keep(stale, BY, undefined);
    assert.ok(inTime);
  });

  it("is not kept when no store would take it", async () => {
    await using store = openSqliteStore({ path: ":memory:" });
    const { cache } = aWorld(store);
    assert.equal(
      await cache().keep(aToken(anIdentity("one", { caPem: "x".repeat(300_000) })), BY, undefined),
      undefined,
    );
    assert.deepEqual(await store.tokens().tokens(), []);
  });

  it("stands for another sync of its cluster from when the first one has gone, and is removed", async () => {
    await using store = openSqliteStore({ path: ":memory:" });
    const { cache } = aWorld(store);
    const kept = await cache().keep(aToken(), BY, undefined);
    assert.ok(kept && kept !== "taken");
    const next = aKey("web");
    await cache().keepFor(kept, next);
    assert.deepEqual(
      (await cache().all("cluster:east")).map(({ stored }) => stored),
      [{ ...kept, by: next }],
    );
    assert.deepEqual(await cache().all("cluster:west"), []);
    await cache().remove({ ...kept, by: next });
    assert.deepEqual(await cache().all(), []);
  });

  it("is done without when the store does not answer; a bug is none of that", async () => {
    await using store = openSqliteStore({ path: ":memory:" });
    const { cache, told } = aWorld(store);
    const failing = (error: Error) => {
      const fail = () => Promise.reject(error);
      return cache({ store: { token: fail, tokens: fail, putToken: fail, removeToken: fail } });
    };
    const away = failing(new SyncError("STORE_UNAVAILABLE", "the table does not answer"));
    assert.equal(await away.find({ id: "one", scope: SCOPE }), undefined);
    assert.equal(await away.keep(aToken(), BY, undefined), undefined);
    assert.deepEqual(told, ["vault-token-cache-failed", "vault-token-cache-failed"]);
    await assert.rejects(away.all(), { code: "STORE_UNAVAILABLE" });
    await assert.rejects(failing(new TypeError("a bug")).find({ id: "one", scope: SCOPE }), /a bug/);
  });

  it("waits for a key that could not be had, which is asked for once when it is there", async () => {
    await using store = openSqliteStore({ path: ":memory:" });
    let asked = 0;
    const one = aWorld(store).cache({
      keys: async () => {
        asked += 1;
        if (asked === 1) throw new SyncError("STORE_UNAVAILABLE", "the key can't be read");
        return [KEY];
      },
    });
    assert.equal(await one.keep(aToken(), BY, undefined), undefined);
    assert.ok(await one.keep(aToken(), BY, undefined));
    assert.ok((await one.find({ id: "one", scope: SCOPE }))?.token);
    assert.equal(asked, 2);
  });
});
