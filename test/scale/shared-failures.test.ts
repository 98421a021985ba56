import { randomUUID } from "node:crypto";
import { join } from "node:path";
import { after, before } from "node:test";
import { HOUR_MS } from "../../lib/clock.ts";
import { openSqliteStore } from "../../lib/store/sqlite/sqlite-store.ts";
import { sharedFailuresContract } from "../contract/shared-failures.contract.ts";
import { type TempFolder, tempFolder } from "../harness/process/temp-folder.ts";

let folder: TempFolder;
before(async () => {
  folder = await tempFolder("shared-failures");
});
after(() => folder[Symbol.asyncDispose]());

// As many as share a failure in a large fleet; test/contract has a tenth of them.
sharedFailuresContract("SQLite", async () => openSqliteStore({ path: join(folder.path, `${randomUUID()}.sqlite`) }), {
  many: 10_000,
  longMs: HOUR_MS,
});
