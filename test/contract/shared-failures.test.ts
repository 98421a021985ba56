import { randomUUID } from "node:crypto";
import { join } from "node:path";
import { after, before } from "node:test";
import { HOUR_MS, MINUTE_MS } from "../../lib/clock.ts";
import { dynamoLeaseStore } from "../../lib/store/dynamodb/dynamodb-store.ts";
import { openSqliteStore } from "../../lib/store/sqlite/sqlite-store.ts";
import { type Dynalite, startDynalite } from "../harness/dynalite.ts";
import { type TempFolder, tempFolder } from "../harness/process/temp-folder.ts";
import { sharedFailuresContract } from "./shared-failures.contract.ts";

let folder: TempFolder;
let dynalite: Dynalite;
before(async () => {
  folder = await tempFolder("shared-failures");
  dynalite = await startDynalite();
});
after(async () => {
  await dynalite[Symbol.asyncDispose]();
  await folder[Symbol.asyncDispose]();
});

sharedFailuresContract("SQLite", async () => openSqliteStore({ path: join(folder.path, `${randomUUID()}.sqlite`) }), {
  many: 1_000,
  longMs: HOUR_MS,
});

sharedFailuresContract(
  "DynamoDB",
  async () => {
    const table = await dynalite.createTable();
    const store = dynamoLeaseStore({ client: dynalite.client, table, timeoutMs: 2 * MINUTE_MS });
    return { ...store, [Symbol.asyncDispose]: async () => {} };
  },
  // The server is a thousand times slower than the real one.
  { many: 30, longMs: 7 * MINUTE_MS, stepMs: 2_000 },
);
