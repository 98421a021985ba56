import { existsSync } from "node:fs";
import { systemClock } from "../lib/clock.ts";
import { InputError } from "../lib/errors.ts";
import type { WorkQueue } from "../lib/ports/queue.ts";
import type { LeaseStore } from "../lib/ports/store.ts";
import { openSqliteStore } from "../lib/store/sqlite/sqlite-store.ts";
import { statePathOf } from "./data-dir.ts";
import { openStack } from "./stack.ts";

/** Selects a lease table: of a data directory, or of a stack on AWS. */
export interface TableFlags {
  readonly dataDir: string;
  readonly stack?: string;
}

/** The lease table of an engine that may be running. */
export interface OpenTable extends AsyncDisposable {
  readonly leases: LeaseStore;
  /** On AWS, the queue for keys that are due. The embedded engine finds them itself within a second. */
  readonly queue?: WorkQueue;
}

/** Opens the selected lease table to read it or to request work. Throws an InputError when it does not exist. */
export async function openTable(flags: TableFlags, how: "read" | "ask"): Promise<OpenTable> {
  if (flags.stack !== undefined) {
    const { leases, queue } = await openStack(flags.stack, systemClock);
    return { leases, queue, [Symbol.asyncDispose]: async () => undefined };
  }
  const path = statePathOf(flags.dataDir);
  if (!existsSync(path)) {
    throw new InputError(flags.dataDir, ["it holds no state: run `keyferry run` first, or name its --data-dir"]);
  }
  const leases = openSqliteStore({ path, readOnly: how === "read", asGuest: true });
  return { leases, [Symbol.asyncDispose]: () => leases[Symbol.asyncDispose]() };
}
