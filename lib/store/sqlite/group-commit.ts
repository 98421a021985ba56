import type { DatabaseSync } from "node:sqlite";

/** The maximum number of operations in one commit: more would block the process for too long. */
const MAX_IN_COMMIT = 256;

interface Change {
  readonly run: () => unknown;
  readonly resolve: (result: unknown) => void;
  readonly reject: (error: unknown) => void;
}

/** Operations that share a commit. */
export interface GroupCommit {
  /** Runs after earlier ones, all or nothing; resolves when it is committed. */
  add<T>(run: () => T): Promise<T>;
  /** Commits all operations so far at once. */
  flush(): void;
}

/**
 * Combines concurrent writes into one transaction, in their order: a commit costs several times a claim. No write
 * resolves before it is committed.
 */
export function groupCommit(database: DatabaseSync, nameOf: (error: unknown) => unknown): GroupCommit {
  const begin = database.prepare("BEGIN IMMEDIATE");
  const commit = database.prepare("COMMIT");
  let waiting: Change[] = [];

  const commitAll = (changes: readonly Change[]): void => {
    const results: unknown[] = [];
    try {
      begin.run();
      for (const change of changes) results.push(change.run());
      commit.run();
    } catch (error) {
      rollBack(database);
      // One failed change must not affect the others: each runs again by itself.
      if (changes.length === 1) changes[0]?.reject(nameOf(error));
      else for (const change of changes) commitAll([change]);
      return;
    }
    changes.forEach((change, index) => {
      change.resolve(results[index]);
    });
  };

  const commitSome = (): void => {
    const changes = waiting.slice(0, MAX_IN_COMMIT);
    waiting = waiting.slice(MAX_IN_COMMIT);
    if (waiting.length > 0) setImmediate(commitSome);
    if (changes.length > 0) commitAll(changes);
  };

  return {
    add: <T>(run: () => T) =>
      new Promise<T>((resolve, reject) => {
        waiting.push({ run, resolve: (result) => resolve(result as T), reject });
        if (waiting.length === 1) setImmediate(commitSome);
      }),
    flush: () => {
      while (waiting.length > 0) commitSome();
    },
  };
}

function rollBack(database: DatabaseSync): void {
  try {
    database.exec("ROLLBACK");
  } catch {
    // A full disk has already ended the transaction. The original error is reported; the next BEGIN fails by itself.
  }
}
