import type { Clock } from "../../clock.ts";
import { HOUR_MS, SECOND_MS } from "../../clock.ts";
import type { OwnCallNotes } from "../../ports/own-calls.ts";
import type { Connection } from "./connection.ts";
import type { ItemKey } from "./table.ts";

/** As long as an event may wait for the function that asks. */
const KEPT_MS = 6 * HOUR_MS;

function callAt(id: string): ItemKey {
  return { pk: `call:${id}`, sk: "call" };
}

/** Revocations of our own, for the process that reads the audit lines. DynamoDB deletes them after some hours. */
export function ownCallNotes(connection: Connection, clock: Clock): OwnCallNotes {
  return {
    note: async (id) => {
      connection.count("noteCall");
      await connection.put({ ...callAt(id), expiresAt: Math.ceil((clock() + KEPT_MS) / SECOND_MS) });
    },
    isNoted: async (id) => {
      connection.count("isNotedCall");
      return (await connection.get<object>(callAt(id), "strong")) !== undefined;
    },
  };
}
