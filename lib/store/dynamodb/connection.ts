import type { Random } from "../../clock.ts";
import type { OnDamage } from "../damage.ts";
import { type Ask, type Asking, type Client, REQUEST_TIMEOUT_MS } from "./asking.ts";
import { dynamoError } from "./errors.ts";
import { type Reads, reads } from "./reads.ts";
import { versionGuard } from "./version.ts";
import { type Writes, writes } from "./writes.ts";

/** One table: typed items, mapped errors, and counts. */
export interface Connection extends Reads, Writes {
  readonly table: string;
  /** Counts one operation of the contract. */
  count(operation: string): void;
  /** Reports an unreadable item. */
  readonly damaged: OnDamage;
  counts(): Readonly<Record<string, number>>;
}

export function connect(
  client: Client,
  table: string,
  random: Random,
  timeoutMs = REQUEST_TIMEOUT_MS,
  asGuest = false,
): Omit<Connection, "damaged"> {
  const counts: Record<string, number> = { writes: 0 };
  const count = (name: string, by: number): void => {
    counts[name] = (counts[name] ?? 0) + by;
  };
  const send: Ask = async (operation, request) => {
    try {
      return await request({ abortSignal: AbortSignal.timeout(timeoutMs) });
    } catch (error) {
      throw dynamoError(error, table, operation);
    }
  };
  const isOurs = versionGuard(client, table, send, asGuest);
  const ask: Ask = async (operation, request) => {
    await isOurs(operation);
    return send(operation, request);
  };
  const asking: Asking = { client, table, ask, random, written: (items, what = "writes") => count(what, items) };
  return {
    ...reads(asking),
    ...writes(asking),
    table,
    count: (operation) => count(operation, 1),
    counts: () => ({ ...counts }),
  };
}
