import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { aStaticSecret } from "./world/builders.ts";
import { anIssuingWorld } from "./world/issuing.ts";

describe("a VaultStaticSecret of a path that issues credentials", () => {
  it("is refused after one read, until its declaration changes: no one would end what each refresh issues", async () => {
    await using world = await anIssuingWorld();
    await world.vault.putDatabaseRole("app", { defaultTtl: "24h" });
    await world.given(aStaticSecret("db", { type: "kv-v1", mount: "database", path: "creds/app" }));
    await world.advance("10m");
    assert.equal((await world.row("db"))?.state.error?.code, "UNSUPPORTED");
    assert.equal(world.secret("db"), undefined);
    assert.equal(world.vault.liveLeases("database/creds/app").length, 1);
  });
});
