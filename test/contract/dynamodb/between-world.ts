import assert from "node:assert/strict";
import { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { EMPTY_STATE } from "../../../lib/ports/rows.ts";
import type { Lease, LeaseStore, Schedule } from "../../../lib/ports/store.ts";
import { dynamoLeaseStore } from "../../../lib/store/dynamodb/dynamodb-store.ts";
import { aDeclared, aKey } from "../../builders.ts";
import { type Dynalite, TEST_CREDENTIALS } from "../../harness/dynalite.ts";
import { LEASE_MS, SLOT, START } from "../lease-store/scene.ts";
import { meter } from "./meter.ts";

export const WHEEL = { kind: "wheel", slot: SLOT } as const;
export const KEY = aKey();

/** A row, and a store whose next command of some name is preceded by what another worker does. */
export async function betweenWorld(dynalite: Dynalite) {
  const { endpoint } = dynalite;
  const client = new DynamoDBClient({ region: "us-east-1", endpoint, credentials: TEST_CREDENTIALS });
  const table = await dynalite.createTable();
  let next: { readonly command: string; readonly work: () => Promise<unknown> } | undefined;
  const sent: string[] = [];
  client.middlewareStack.add(
    (send, { commandName = "" }) =>
      async (args) => {
        sent.push(commandName);
        const { command, work } = next ?? {};
        if (command === commandName) {
          next = undefined;
          await work?.();
        }
        return send(args);
      },
    { step: "initialize", name: "between" },
  );
  const { spent } = meter(client);
  const store = dynamoLeaseStore({ client, table });
  const other = dynamoLeaseStore({ client: dynalite.client, table });
  const row = async () => (await other.read([KEY], "strong")).get(KEY) ?? assert.fail();
  const claim = async (by: LeaseStore = other, now = START) =>
    (await by.claim(await row(), { now, until: now + LEASE_MS })) ?? assert.fail();
  const settle = (lease: Lease, schedule: Schedule = WHEEL, now = START) =>
    other.settle(lease, { state: EMPTY_STATE, schedule, now });
  const before = (command: string, work: () => Promise<unknown>): void => {
    next = { command, work };
  };
  const asked = (): readonly string[] => sent.splice(0);
  await other.declare(aDeclared(), START);
  return { store, other, row, claim, settle, before, asked, spent, table, [Symbol.dispose]: () => client.destroy() };
}
