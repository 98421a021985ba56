import { existsSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { InputError } from "../errors.ts";
import { isBusy, storeError } from "./sqlite-schema.ts";

/** Who asks whether the lock is held reads the file for a moment; that must not look like a holder. */
const ASKER_MS = 100;

/**
 * Takes a data directory for this process alone (lease-table 25). The lock is a transaction that stays open on a file of
 * its own: the kernel ends it with the process, however that dies, and readers of the state are not locked out.
 */
export function lockDataDir(dir: string): Disposable {
  const path = join(dir, "lock.sqlite");
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
  return {
    [Symbol.dispose]: () => {
      if (lock.isOpen) lock.close();
    },
  };
}

/** Whether a process works with this data directory now. */
export function isDataDirLocked(dir: string): boolean {
  const path = join(dir, "lock.sqlite");
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
