import { existsSync, statSync, utimesSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { type Clock, type EpochMs, SECOND_MS } from "../../clock.ts";
import { InputError } from "../../errors.ts";
import { isBusy, storeError } from "./schema.ts";

/** A check of the lock reads the file for a moment, and must not look like a holder. */
const ASKER_MS = 100;

/**
 * Locks a data directory for this process (lease-table 25). The lock is an open transaction on a separate file: the
 * kernel ends it with the process in any case, and readers of the state are not blocked. The file's time shows when the
 * lock was last taken or released.
 */
export function lockDataDir(dir: string, clock: Clock): Disposable {
  const path = lockPath(dir);
  let database: DatabaseSync | undefined;
  try {
    database = new DatabaseSync(path, { timeout: ASKER_MS });
    database.exec("BEGIN EXCLUSIVE");
  } catch (error) {
    database?.close();
    if (isBusy(error)) throw new InputError(dir, ["another keyferry process works with this data directory"]);
    throw storeError(error, path);
  }
  const lock = database;
  mark(path, clock());
  return {
    [Symbol.dispose]: () => {
      if (!lock.isOpen) return;
      mark(path, clock());
      lock.close();
    },
  };
}

function lockPath(dir: string): string {
  return join(dir, "lock.sqlite");
}

/** Only for people: a disk that refuses this must not stop an engine. */
function mark(path: string, at: EpochMs): void {
  try {
    utimesSync(path, at / SECOND_MS, at / SECOND_MS);
  } catch {
    // The last tick is nearly as accurate.
  }
}

/** When a process last took or released this data directory; a killed one worked for longer. Undefined: never. */
export function dataDirMarkedAt(dir: string): EpochMs | undefined {
  return statSync(lockPath(dir), { throwIfNoEntry: false })?.mtimeMs;
}

/** Whether a process works with this data directory now. */
export function isDataDirLocked(dir: string): boolean {
  const path = lockPath(dir);
  if (!existsSync(path)) return false;
  try {
    using database = new DatabaseSync(path, { readOnly: true, timeout: 0 });
    database.prepare("SELECT count(*) FROM sqlite_schema").get();
    return false;
  } catch (error) {
    if (isBusy(error)) return true;
    throw storeError(error, path);
  }
}
