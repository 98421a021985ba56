import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { describe, it } from "node:test";
import { obtainPostgres, POSTGRES_PACKAGES } from "../../harness/obtain/postgres.ts";
import { startPostgres } from "../../harness/postgres.ts";

describe("PostgreSQL", () => {
  it("lets in who has a password, keeps its roles over a stop, and leaves no folder behind", async () => {
    const postgres = await startPostgres();
    const [setting] = await postgres.query<{ data_directory: string }>("SHOW data_directory");
    const folder = setting?.data_directory ?? "";
    try {
      assert.deepEqual(await postgres.roles(), []);
      await postgres.query("CREATE ROLE ann WITH LOGIN PASSWORD 'right'");
      await postgres.query("CREATE ROLE late WITH LOGIN PASSWORD 'right' VALID UNTIL '2020-01-01'");
      await postgres.query("CREATE ROLE shut WITH PASSWORD 'right'");
      await postgres.stop();
      await assert.rejects(postgres.login("ann", "right"), { code: "ECONNREFUSED" });
      await postgres.start();
      assert.equal(await postgres.login("ann", "right"), true);
      assert.equal(await postgres.login("ann", "wrong"), false);
      for (const user of ["late", "shut", "nobody-of-this-name"])
        assert.equal(await postgres.login(user, "right"), false, user);
      assert.deepEqual(await postgres.roles(), ["ann", "late"]);
      assert.ok(existsSync(folder));
    } finally {
      await postgres[Symbol.asyncDispose]();
    }
    assert.equal(postgres.server.pid(), undefined);
    assert.equal(existsSync(folder), false);
  });

  it("is not searched for elsewhere when its variable names a folder without it", async () => {
    const env = { KEYFERRY_POSTGRES: "/nowhere" };
    await assert.rejects(obtainPostgres({ env }), /KEYFERRY_POSTGRES names \/nowhere/);
  });

  it("is pinned by a checksum of full length for every platform", () => {
    const digests = Object.values(POSTGRES_PACKAGES).map(({ digest }) => digest);
    assert.equal(digests.length, 4);
    for (const digest of digests) assert.match(digest, /^sha512:[0-9a-f]{128}$/);
  });
});
