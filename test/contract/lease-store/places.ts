import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { PlaceQuery } from "../../../lib/ports/store.ts";
import { pagesOf } from "../../../lib/references/referring.ts";
import { aKey, aPlace, aPushed } from "../../builders.ts";
import { aScene, type OpenStore, type Scene, SLOT } from "./scene.ts";

const WHEEL = { kind: "wheel", slot: SLOT } as const;

async function reading(scene: Scene, paths: readonly string[], vault = "main"): Promise<void> {
  for (const [n, path] of paths.entries()) {
    await scene.settled(WHEEL, { key: aKey(`${vault}-${n}`) }, { place: { vault, path, role: "read" } });
  }
}

async function found(scene: Scene, query: PlaceQuery, vault = "main"): Promise<readonly string[]> {
  const paths: string[] = [];
  for await (const page of pagesOf((options) => scene.store.byPlace(vault, query, options))) {
    for (const { path } of page) paths.push(path);
  }
  return paths.toSorted();
}

export function placesContract(open: OpenStore): void {
  describe("places", () => {
    it("finds a path, or what lies below one: `a/b` is no prefix of `a/bc`", async () => {
      await using scene = await aScene(open);
      await reading(scene, ["a/b", "a/b/c", "a/b/c/d", "a/bc", "a/b-c", "a/b.c", "a", "b/a/b"]);
      assert.deepEqual(await found(scene, { path: "a/b" }), ["a/b"]);
      assert.deepEqual(await found(scene, { prefix: "a/b" }), ["a/b", "a/b/c", "a/b/c/d"]);
      assert.deepEqual(await found(scene, { prefix: "a/bc" }), ["a/bc"]);
      assert.deepEqual(await found(scene, { prefix: "a" }), ["a", "a/b", "a/b-c", "a/b.c", "a/b/c", "a/b/c/d", "a/bc"]);
      assert.deepEqual(await found(scene, { path: "a/" }), []);
      assert.equal((await found(scene, { prefix: "" })).length, 8);
      assert.deepEqual(await found(scene, { prefix: "" }, "other"), []);
    });

    it("takes paths as they are: Unicode, percent signs, spaces, and 1 KB", async () => {
      await using scene = await aScene(open);
      const long = `kv/${"x".repeat(1_021)}`;
      const longest = `kv/${"ä".repeat(2_000)}/end`;
      const paths = [
        "kv/größe",
        "kv/größe/é",
        "kv/50%",
        "kv/50%25",
        "kv/a b",
        "kv/\u{1f511}/k",
        "kv/_%",
        long,
        longest,
      ];
      await reading(scene, paths);
      for (const path of paths) {
        assert.deepEqual((await scene.store.byPlace("main", { path })).items.length, 1, path.slice(0, 20));
      }
      assert.deepEqual(await found(scene, { prefix: "kv/größe" }), ["kv/größe", "kv/größe/é"]);
      assert.deepEqual(await found(scene, { prefix: "kv/50%" }), ["kv/50%"]);
      assert.deepEqual(await found(scene, { prefix: "kv/\u{1f511}" }), ["kv/\u{1f511}/k"]);
      assert.deepEqual(await found(scene, { path: "kv/__" }), []);
    });

    it("is paged: each row comes once, whatever the size of the page", async () => {
      await using scene = await aScene(open);
      await reading(
        scene,
        Array.from({ length: 23 }, (_, n) => `kv/${n % 5}/${n % 3}`),
      );
      for (const limit of [1, 4, 23, 100]) {
        const keys: string[] = [];
        let after: string | undefined;
        do {
          const page = await scene.store.byPlace("main", { prefix: "kv" }, { limit, ...(after && { after }) });
          assert.ok(page.items.length <= limit);
          for (const { key } of page.items) keys.push(key);
          after = page.next;
        } while (after !== undefined);
        assert.equal(keys.length, 23, `pages of ${limit}`);
        assert.equal(new Set(keys).size, 23);
      }
    });

    it("lease-table 31: a push claims its path with the row, and another row is refused it", async () => {
      await using scene = await aScene(open);
      const first = await scene.declare({ key: aKey("first") });
      const second = await scene.declare({ key: aKey("second", "west") });
      const claimed = await scene.claimPush(first, [aPushed()]);
      assert.ok(claimed && "lease" in claimed);
      assert.deepEqual(claimed.row.state.pushed, [aPushed()]);
      assert.deepEqual(await scene.row(first.key), claimed.row);
      const before = await scene.row(second.key);
      scene.writes();
      assert.deepEqual(await scene.claimPush(second, [aPushed("free"), aPushed()]), {
        taken: { vault: "main", path: "kv/db", role: "push" },
        by: first.key,
      });
      assert.equal(scene.writes(), 0);
      assert.deepEqual(await scene.row(second.key), before);
      assert.deepEqual(await scene.readers("kv/free"), []);
      const [entry] = (await scene.store.byPlace("main", { path: "kv/db" })).items;
      assert.deepEqual(entry, { key: first.key, path: "kv/db", role: "push" });
    });

    it("lease-table 31: of two rows that claim one path at once one gets it", async () => {
      await using scene = await aScene(open);
      const rows = [await scene.declare({ key: aKey("one") }), await scene.declare({ key: aKey("two") })];
      const claims = await Promise.all(rows.map((row) => scene.claimPush(row, [aPushed()])));
      assert.equal(claims.filter((claim) => claim !== undefined && "lease" in claim).length, 1);
    });

    it("lease-table 31: what is recorded of a path stays when it is claimed again", async () => {
      await using scene = await aScene(open);
      const row = await scene.declare();
      const claimed = await scene.claimPush(row, [aPushed()]);
      assert.ok(claimed && "lease" in claimed);
      await scene.settle(claimed.lease, WHEEL, { pushed: [aPushed("db", { version: 3 })] });
      const again = await scene.claimPush(await scene.row(row.key), [aPushed(), aPushed("more")]);
      assert.ok(again && "lease" in again);
      assert.deepEqual(
        again.row.state.pushed?.map(({ path, version }) => [path, version]),
        [
          ["db", 3],
          ["more", undefined],
        ],
      );
    });

    it("lease-table 31: a path stays claimed by whoever left it, and is free once its row lets go of it or ends", async () => {
      await using scene = await aScene(open);
      const row = await scene.declare({ key: aKey("first") });
      const other = await scene.declare({ key: aKey("second") });
      const claimed = await scene.claimPush(row, [aPushed(), aPushed("former")]);
      assert.ok(claimed && "lease" in claimed);
      await scene.settle(claimed.lease, WHEEL, { pushed: [aPushed()] });
      assert.deepEqual(await scene.readers("kv/former"), []);
      await scene.store.tombstone(row.key, row.declared.uid, scene.clock());
      const taken = await scene.claimPush(other, [aPushed()]);
      assert.ok(taken && "taken" in taken && taken.by.startsWith(row.key));
      const cleanup = await scene.claim(await scene.row(taken.by));
      await scene.settle(cleanup, { kind: "gone" });
      assert.ok("lease" in ((await scene.claimPush(other, [aPushed()])) ?? {}));
    });

    it("lease-table 31: a path of one Vault is let go of, and the same path of another Vault is kept", async () => {
      await using scene = await aScene(open);
      const elsewhere = aPushed("db", { vault: "other" });
      const row = await scene.settled(WHEEL, {}, { pushed: [aPushed(), aPushed("more"), elsewhere] });
      await scene.settle(await scene.claim(row), WHEEL, { pushed: [elsewhere] });
      assert.deepEqual(await found(scene, { prefix: "" }), []);
      assert.deepEqual(await found(scene, { prefix: "" }, "other"), ["kv/db"]);
    });

    it("lease-table 31: a path that its row claims under another name of its Vault is held under both until the settle", async () => {
      await using scene = await aScene(open);
      const former = aPushed("db", { vault: "https://vault.test", version: 3 });
      const read = await scene.settled(WHEEL, {}, { pushed: [former] });
      const other = await scene.declare({ key: aKey("other") });
      const claimed = await scene.claimPush(read, [aPushed()]);
      assert.ok(claimed && "lease" in claimed);
      assert.deepEqual(claimed.row.state.pushed, [aPushed(), former]);
      for (const path of [aPushed(), former]) assert.ok("taken" in ((await scene.claimPush(other, [path])) ?? {}));
      await scene.settle(claimed.lease, WHEEL, { pushed: [aPushed("db", { version: 3 })] });
      assert.deepEqual(await found(scene, { prefix: "" }, former.vault), []);
      assert.deepEqual(await found(scene, { prefix: "" }), ["kv/db"]);
      assert.ok("taken" in ((await scene.claimPush(other, [aPushed()])) ?? {}));
    });

    it("lease-table 31: a claim that another worker won takes no path", async () => {
      await using scene = await aScene(open);
      const row = await scene.declare();
      await scene.claim(row);
      assert.equal(await scene.claimPush(row, [aPushed()]), undefined);
      assert.deepEqual(await scene.readers(), []);
    });

    it("tells readers and pushers of one path apart", async () => {
      await using scene = await aScene(open);
      await scene.settled(WHEEL, { key: aKey("reader") }, { place: aPlace() });
      const pusher = await scene.declare({ key: aKey("pusher") });
      await scene.claimPush(pusher, [aPushed()]);
      const { items } = await scene.store.byPlace("main", { path: "kv/db" });
      assert.deepEqual(items.map(({ key, role }) => `${key} ${role}`).toSorted(), [
        `${aKey("pusher")} push`,
        `${aKey("reader")} read`,
      ]);
    });
  });
}
