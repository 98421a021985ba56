import { mkdir } from "node:fs/promises";
import { dirname } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { setTimeout as sleep } from "node:timers/promises";

/**
 * Does the work while no other process does work under the same file. An exclusive SQLite transaction is the lock: the
 * system frees it when its holder dies, so there is no stale lock file to guess about.
 */
export async function withLock<T>(
  file: string,
  work: () => Promise<T>,
  onWait: () => void = () => undefined,
): Promise<T> {
  await mkdir(dirname(file), { recursive: true });
  const db = new DatabaseSync(file);
  try {
    for (let tries = 0; !locked(db); tries++) {
      if (tries === 0) onWait();
      await sleep(200);
    }
    return await work();
  } finally {
    db.close();
  }
}

function locked(db: DatabaseSync): boolean {
  try {
    db.exec("BEGIN EXCLUSIVE");
    return true;
  } catch (error) {
    if (error instanceof Error && /locked|busy/i.test(error.message)) return false;
    throw error;
  }
}
