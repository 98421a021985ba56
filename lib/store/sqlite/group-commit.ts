import type { DatabaseSync } from "node:sqlite";

/** Operations in one commit: more would hold up everything else in the process. */
const MAX_IN_COMMIT = 256;

interface Change {
  readonly run: () => unknown;
  readonly resolve: (result: unknown) => void;
  readonly reject: (error: unknown) => void;
}

/** Operations that wait for one commit together. */
export interface GroupCommit {
  /** Runs after those added before it, all of it or nothing; resolves when it is committed. */
  add<T>(run: () => T): Promise<T>;
  /** Commits at once what was added so far. */
  flush(): void;
}

/**
 * Puts the writes that are asked for at the same time into one transaction, in their order: a commit costs several
 * times what a claim does. Nobody is told of a write before it is committed.
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
      // One bad change must not spoil the others: each once more, by itself.
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
    // A full disk has ended the transaction by itself.
    if (database.isOpen && database.isTransaction) database.exec("ROLLBACK");
  } catch {
    // The error that led here is the one to tell of; the next BEGIN fails by itself.
  }
}
