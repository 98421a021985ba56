import { after, before } from "node:test";
import { dynamoLeaseStore } from "../../lib/leases/dynamodb.ts";
import { type Dynalite, startDynalite } from "../harness/dynalite.ts";
import { leaseStoreContract } from "./lease-store.contract.ts";

let dynalite: Dynalite;
before(async () => {
  dynalite = await startDynalite();
});
after(() => dynalite[Symbol.asyncDispose]());

leaseStoreContract(
  "DynamoDB",
  async () => {
    const store = dynamoLeaseStore({ client: dynalite.client, table: await dynalite.createTable() });
    return { ...store, [Symbol.asyncDispose]: async () => {} };
  },
  // The server is a thousand times slower than the real one.
  1_000,
);
