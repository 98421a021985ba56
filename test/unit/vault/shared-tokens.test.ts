import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { HOUR_MS, SECOND_MS } from "../../../lib/clock.ts";
import type { VaultIdentity } from "../../../lib/ports/vault.ts";
import { openSqliteStore, type SqliteStore } from "../../../lib/store/sqlite/sqlite-store.ts";
import { type TokenCache, tokenCache } from "../../../lib/vault/token-cache.ts";
import { forever } from "../../broken-peer.ts";
import { aKey } from "../../builders.ts";
import { QUIET } from "../aws/records.ts";
import { anIdentity, aVault, BY, ONE, OTHER, START, settled, textOf } from "./a-login-vault.ts";

describe("tokens of Vault that processes share", () => {
  const cacheOf = (store: SqliteStore, now: () => number): TokenCache => {
    let nonces = 0;
    return tokenCache(
      {
        store: store.tokens(),
        keys: async () => [Buffer.alloc(32, 7)],
        installation: "ours",
        randomBytes: (count) => Buffer.alloc(count, ++nonces),
      },
      { clock: now, log: QUIET },
    );
  };

  it("are used by the next process, by the same identity alone", async () => {
    await using store = openSqliteStore({ path: ":memory:" });
    const { process, world } = aVault();
    const cache = cacheOf(store, () => world.now);
    await process(cache).token({ identity: ONE, by: BY }, forever);
    const next = process(cache);
    assert.equal(textOf(await next.token({ identity: ONE, by: BY }, forever)), "one-1");
    assert.equal(textOf(await next.token({ identity: OTHER, by: BY }, forever)), "other-2");
    assert.equal(textOf(await next.token({ identity: ONE }, forever)), "one-1");
    assert.equal(textOf(await process(cache).token({ identity: ONE }, forever)), "one-3", "for no sync: kept nowhere");
  });

  it("are those of who was first when two log in at once; the other gives its own back", async () => {
    await using store = openSqliteStore({ path: ":memory:" });
    const { process, world, ended } = aVault();
    const cache = cacheOf(store, () => world.now);
    const both = await Promise.all(
      [process(cache), process(cache)].map((one) => one.token({ identity: ONE, by: BY }, forever)),
    );
    const [first, second] = both.map(textOf);
    assert.equal(first, second);
    assert.equal(world.logins, 2);
    assert.deepEqual(
      [...ended],
      ["one-1", "one-2"].filter((token) => token !== first),
    );
  });

  it("are not given back when one process uses them no more, and end with a clean stop", async () => {
    await using store = openSqliteStore({ path: ":memory:" });
    const { process, world, ended } = aVault();
    world.grant.lease_duration = 10 * 3_600;
    const cache = cacheOf(store, () => world.now);
    const one = process(cache);
    await one.token({ identity: ONE, by: BY }, forever);
    world.now = START + HOUR_MS;
    await one.token({ identity: OTHER, by: BY }, forever);
    assert.deepEqual([...ended], []);
    await process(cache).revokeAll(forever);
    assert.deepEqual([...ended].sort(), ["one-1", "other-2"]);
    assert.deepEqual(await cache.all(), []);
  });

  it("are ended as far as Vault answers when it stops; what is left stays stored, and is told by number", async () => {
    await using store = openSqliteStore({ path: ":memory:" });
    const { process, world, ended } = aVault();
    const cache = cacheOf(store, () => world.now);
    const told: unknown[] = [];
    const log = { ...QUIET, info: (event: string, fields?: object) => void told.push([event, fields]) };
    const stops = async (...identities: readonly VaultIdentity[]) => {
      const one = process(cache, log);
      for (const identity of identities) await one.token({ identity, by: BY }, forever);
      await one.token({ identity: anIdentity("own") }, forever);
      await one.revokeAll(forever);
      return told.splice(0);
    };
    world.isSick = true;
    assert.deepEqual(await stops(ONE, OTHER), [["vault-tokens-revoked", { revoked: 0, failed: 3 }]]);
    assert.deepEqual([[...ended], (await cache.all()).length], [[], 2]);
    world.isSick = false;
    assert.deepEqual(await stops(ONE), [["vault-tokens-revoked", { revoked: 3, failed: 0 }]]);
    assert.deepEqual((await cache.all()).length, 0);
  });

  it("are named without the token, moved to another sync, and ended before they are forgotten", async () => {
    await using store = openSqliteStore({ path: ":memory:" });
    const { process, world, ended } = aVault();
    const cache = cacheOf(store, () => world.now);
    const one = process(cache);
    await one.token({ identity: ONE, by: BY }, forever);
    const [kept, ...more] = await one.kept("cluster:east");
    assert.ok(kept);
    assert.deepEqual([kept, more], [{ id: "one", scope: "cluster:east", by: BY, circuit: kept.circuit }, []]);
    assert.deepEqual(await one.kept("cluster:west"), []);
    const next = aKey("web");
    await one.keepFor(kept, next);
    const [moved] = await one.kept();
    assert.deepEqual(moved, { ...kept, by: next });
    await process(cache).end({ ...kept, by: next }, forever);
    assert.deepEqual([...ended], ["one-1"]);
    assert.deepEqual(await process(cache).kept(), []);
  });

  it("are taken from another process that prolonged them, and not prolonged twice", async () => {
    await using store = openSqliteStore({ path: ":memory:" });
    const { process, world } = aVault();
    const cache = cacheOf(store, () => world.now);
    const [one, other] = [process(cache), process(cache)];
    const token = await one.token({ identity: ONE, by: BY }, forever);
    await other.token({ identity: ONE, by: BY }, forever);
    const prolonged = async (by: typeof one) => {
      await by.token({ identity: ONE, by: BY }, forever);
      for (let turn = 0; turn < 5; turn++) await settled();
      return (await by.token({ identity: ONE, by: BY }, forever)).endsAt;
    };
    world.now = token.renewAt;
    const endsAt = await prolonged(one);
    assert.ok(endsAt > token.endsAt);
    world.now += SECOND_MS;
    assert.equal(await prolonged(other), endsAt);
    assert.equal(world.count("renew-self"), 1);
    world.now += HOUR_MS;
    await one.token({ identity: ONE, by: BY }, forever);
    assert.equal(world.logins, 2);
  });

  it("are left to the others when the store did not take one that was prolonged", async () => {
    await using store = openSqliteStore({ path: ":memory:" });
    const { process, world, ended } = aVault();
    world.grant.lease_duration = 10 * 3_600;
    const cache = cacheOf(store, () => world.now);
    const failing = { ...cache };
    const one = process(failing);
    const { renewAt } = await one.token({ identity: ONE, by: BY }, forever);
    failing.keep = async () => undefined;
    world.now = renewAt;
    await one.token({ identity: ONE, by: BY }, forever);
    for (let turn = 0; turn < 5; turn++) await settled();
    assert.equal(world.count("renew-self"), 1);
    world.now += HOUR_MS;
    await one.token({ identity: OTHER }, forever);
    assert.deepEqual([...ended], []);
    assert.equal(textOf(await process(cache).token({ identity: ONE, by: BY }, forever)), "one-1");
  });

  it("are not lost when the store has none: the process names its own, moves them, and ends them", async () => {
    const { process, world, ended } = aVault();
    for (const cache of [undefined, cacheOf(openSqliteStore({ path: ":memory:" }), () => world.now)]) {
      ended.clear();
      const one = process(cache && { ...cache, keep: async () => undefined });
      const held = textOf(await one.token({ identity: ONE, by: BY }, forever));
      await one.token({ identity: OTHER }, forever);
      const [kept, ...more] = await one.kept("cluster:east");
      assert.ok(kept);
      assert.deepEqual(
        [kept, more],
        [{ id: "one", scope: "cluster:east", by: BY, circuit: "vault:https://vault.example" }, []],
        "one for no sync is nobody's",
      );
      assert.deepEqual([await one.kept("cluster:west"), await one.kept()], [[], [kept]]);
      await one.keepFor(kept, aKey("web"));
      assert.equal((await one.kept())[0]?.by, aKey("web"));
      await one.end(kept, forever);
      assert.deepEqual([...ended], [held]);
      assert.deepEqual(await one.kept(), []);
      await one.keepFor(kept, BY);
      await one.end(kept, forever);
      assert.deepEqual(await one.kept(), [], "once more is harmless");
    }
  });

  it("are named once, and ended once, by the process that holds and has stored one", async () => {
    await using store = openSqliteStore({ path: ":memory:" });
    const { process, world, ended } = aVault();
    const cache = cacheOf(store, () => world.now);
    const one = process(cache);
    await one.token({ identity: ONE, by: BY }, forever);
    const [kept, ...more] = await one.kept();
    assert.ok(kept);
    assert.deepEqual(more, []);
    await one.end(kept, forever);
    assert.deepEqual([...ended], ["one-1"]);
    assert.equal(world.count("revoke-self"), 1);
    assert.equal(textOf(await one.token({ identity: ONE, by: BY }, forever)), "one-2", "it is not used any more");
  });

  it("are ended both where the process holds another one than is stored", async () => {
    await using store = openSqliteStore({ path: ":memory:" });
    const { process, world, ended } = aVault();
    const cache = cacheOf(store, () => world.now);
    await process(cache).token({ identity: ONE, by: BY }, forever);
    const other = process({ ...cache, find: async () => undefined, keep: async () => undefined });
    await other.token({ identity: ONE, by: BY }, forever);
    const apart = process(cache);
    const mine = { ...cache };
    const holder = process(mine);
    mine.find = async () => undefined;
    mine.keep = async () => undefined;
    await holder.token({ identity: ONE, by: BY }, forever);
    mine.find = cache.find;
    const [kept] = await apart.kept();
    assert.deepEqual(await holder.kept(), [kept], "the same identity is named once");
    await holder.end(kept ?? assert.fail(), forever);
    assert.deepEqual([...ended].sort(), ["one-1", "one-3"]);
  });
});
