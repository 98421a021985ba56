import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { StoredToken, TokenStore } from "../../lib/ports/tokens.ts";
import { aKey } from "../builders.ts";

export const aStoredToken = (overrides: Partial<StoredToken> = {}): StoredToken => ({
  id: "identity",
  scope: "cluster:east",
  by: aKey(),
  circuit: "vault:https://vault.example",
  serial: "first",
  sealed: "c2VhbGVk",
  endsAt: Date.UTC(2030, 0, 1),
  ...overrides,
});

/** What every store of tokens owes; `open` answers an empty one. */
export function tokenStoreContract(name: string, open: () => Promise<TokenStore & AsyncDisposable>): void {
  describe(`token store: ${name}`, () => {
    it("answers a token as it was written, by scope and identity", async () => {
      await using store = await open();
      assert.equal(await store.token("cluster:east", "identity"), undefined);
      assert.equal(await store.putToken(aStoredToken(), undefined), true);
      assert.deepEqual(await store.token("cluster:east", "identity"), aStoredToken());
      assert.equal(await store.token("cluster:west", "identity"), undefined);
      assert.equal(await store.token("cluster:east", "other"), undefined);
    });

    it("lists those of one cluster, or all", async () => {
      await using store = await open();
      const east = aStoredToken();
      const other = aStoredToken({ id: "other" });
      const eastern = aStoredToken({ scope: "cluster:eastern", by: aKey("db", "eastern") });
      for (const token of [east, other, eastern]) await store.putToken(token, undefined);
      const byId = (list: readonly StoredToken[]) => list.toSorted((a, b) => (a.id + a.by < b.id + b.by ? -1 : 1));
      assert.deepEqual(byId(await store.tokens("cluster:east")), [east, other]);
      assert.deepEqual(byId(await store.tokens()), byId([east, other, eastern]));
      assert.deepEqual(await store.tokens("cluster:west"), []);
    });

    it("keeps the token of who was first when two log in at once", async () => {
      await using store = await open();
      const second = aStoredToken({ serial: "second" });
      assert.deepEqual(
        [await store.putToken(aStoredToken(), undefined), await store.putToken(second, undefined)],
        [true, false],
      );
      assert.deepEqual(await store.token("cluster:east", "identity"), aStoredToken());
    });

    it("replaces all of a token, and tells the fleet's from those of syncs", async () => {
      await using store = await open();
      const { by: _by, ...fleets } = aStoredToken({ scope: "fleet" });
      await store.putToken(fleets, undefined);
      assert.deepEqual(await store.token("fleet", "identity"), fleets);
      assert.deepEqual(await store.tokens("fleet"), [fleets]);
      await store.putToken(aStoredToken(), undefined);
      const next = aStoredToken({ by: aKey("web"), circuit: "vault:https://other", serial: "second" });
      assert.equal(await store.putToken(next, "first"), true);
      assert.deepEqual(await store.token("cluster:east", "identity"), next);
    });

    it("keeps one token of the fleet: the first writer wins, and only who knows it replaces or removes it", async () => {
      await using store = await open();
      const { by: _by, ...first } = aStoredToken({ scope: "fleet", id: "cluster-token/east" });
      const second = { ...first, serial: "second", sealed: "b3RoZXI=" };
      assert.deepEqual(
        [await store.putToken(first, undefined), await store.putToken(second, undefined)],
        [true, false],
      );
      assert.deepEqual([await store.putToken(second, "third"), await store.putToken(second, "first")], [false, true]);
      assert.deepEqual(await store.tokens("fleet"), [second]);
      assert.deepEqual([await store.removeToken(first), await store.removeToken(second)], [false, true]);
      assert.deepEqual(await store.tokens(), []);
    });

    it("removes no token but that one", async () => {
      await using store = await open();
      const others = [aStoredToken({ id: "other" }), aStoredToken({ scope: "cluster:west" })];
      for (const token of [aStoredToken(), ...others]) await store.putToken(token, undefined);
      assert.equal(await store.removeToken(aStoredToken()), true);
      assert.equal((await store.tokens()).length, 2);
    });

    it("replaces a token only by one that knows it, and takes one where none is left", async () => {
      await using store = await open();
      await store.putToken(aStoredToken(), undefined);
      const second = aStoredToken({ serial: "second", sealed: "b3RoZXI=", endsAt: 5 });
      assert.equal(await store.putToken(second, "first"), true);
      assert.equal(await store.putToken(aStoredToken({ serial: "third" }), "first"), false);
      assert.deepEqual(await store.token("cluster:east", "identity"), second);
      assert.equal(await store.putToken(aStoredToken({ id: "forgotten" }), "first"), true);
    });

    it("removes a token only when it is still that one", async () => {
      await using store = await open();
      await store.putToken(aStoredToken(), undefined);
      assert.equal(await store.removeToken(aStoredToken({ serial: "second" })), false);
      assert.equal(await store.removeToken(aStoredToken()), true);
      assert.equal(await store.removeToken(aStoredToken()), false);
      assert.deepEqual(await store.tokens(), []);
    });
  });
}
