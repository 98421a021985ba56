import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { annotations, aPushingWorld, aSecret } from "../world/pushing.ts";
import { base64 } from "../world/views.ts";

const RULES = ["old/*", "kv/*"]
  .map((path) => `path "${path}" { capabilities = ["create", "read", "update", "patch", "delete"] }`)
  .join(" ");

describe("a mount that gets another version of kv", () => {
  for (const [mount, version, at] of [
    ["old", 2, "old/data/apps/shop/db"],
    ["kv", 1, "kv/apps/shop/db"],
  ] as const) {
    it(`is noticed at the next write: kv-v${version}`, async () => {
      await using world = await aPushingWorld();
      await world.vault.writePolicy("push", RULES);
      await world.given(aSecret("db", { a: "1" }, { annotations: annotations({ path: `${mount}/apps/shop/db` }) }));
      await world.advance("1m");
      await world.vault.enableKv(mount, version);
      await world.edit("Secret", "db", { data: { a: base64("2") } });
      await world.advance("30m");
      const { data } = (await world.vault.request<{ data?: Record<string, unknown> }>("GET", at)).body;
      assert.deepEqual(version === 2 ? data?.data : data, { a: "2" });
      if (version === 2) return;
      assert.equal((await world.vault.request("GET", "kv/data/apps/shop/db")).status, 404, "below data/");
    });
  }
});
