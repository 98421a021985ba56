import { join } from "node:path";
import { after, before } from "node:test";
import { openSqliteStore } from "../../lib/store/sqlite/sqlite-store.ts";
import { scaleContract } from "../contract/lease-store/scale.ts";
import { type TempFolder, tempFolder } from "../harness/process/temp-folder.ts";

let folder: TempFolder;
before(async () => {
  folder = await tempFolder("lease-store");
});
after(() => folder[Symbol.asyncDispose]());

scaleContract(async () => openSqliteStore({ path: join(folder.path, "state.sqlite") }), 100_000);
