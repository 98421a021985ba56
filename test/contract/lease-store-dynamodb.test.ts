import { after, before } from "node:test";
import { dynamoLeaseStore } from "../../lib/store/dynamodb/dynamodb-store.ts";
import { type Dynalite, startDynalite } from "../harness/dynalite.ts";
import { leaseStoreContract } from "./lease-store.contract.ts";

/** Server and client are one process on a machine that may be busy: a request that is late is not one that failed. */
const PATIENT_MS = 120_000;

let dynalite: Dynalite;
before(async () => {
  dynalite = await startDynalite();
});
after(() => dynalite[Symbol.asyncDispose]());

leaseStoreContract(
  "DynamoDB",
  async () => {
    const table = await dynalite.createTable();
    const store = dynamoLeaseStore({ client: dynalite.client, table, timeoutMs: PATIENT_MS });
    return { ...store, [Symbol.asyncDispose]: async () => {} };
  },
  // The server is a thousand times slower than the real one.
  1_000,
);
