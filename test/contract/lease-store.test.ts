import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openSqliteStore } from "../../lib/store/sqlite/sqlite-store.ts";
import { leaseStoreContract } from "./lease-store.contract.ts";

leaseStoreContract(
  "SQLite",
  async () => {
    const dir = mkdtempSync(join(tmpdir(), "keyferry-store-"));
    const store = openSqliteStore({ path: join(dir, "state.sqlite") });
    return {
      ...store,
      [Symbol.asyncDispose]: async () => {
        await store[Symbol.asyncDispose]();
        rmSync(dir, { recursive: true });
      },
    };
  },
  10_000,
);
