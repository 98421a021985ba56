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
  const commitAll = committing(database, nameOf);
  let waiting: Change[] = [];

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

function committing(database: DatabaseSync, nameOf: (error: unknown) => unknown) {
  const begin = database.prepare("BEGIN IMMEDIATE");
  const commit = database.prepare("COMMIT");
  /**
   * False: another process keeps the lock, and all these are rejected. Each further attempt would wait for it again, and
   * block this process meanwhile.
   */
  const begins = (changes: readonly Change[]): boolean => {
    try {
      begin.run();
      return true;
    } catch (error) {
      rollBack(database);
      const named = nameOf(error);
      for (const { reject } of changes) reject(named);
      return false;
    }
  };
  /** Runs them in the transaction that has begun, and ends it. */
  const ends = (changes: readonly Change[]): "committed" | { readonly error: unknown } => {
    const results: unknown[] = [];
    try {
      for (const change of changes) results.push(change.run());
      commit.run();
    } catch (error) {
      rollBack(database);
      return { error };
    }
    changes.forEach((change, index) => {
      change.resolve(results[index]);
    });
    return "committed";
  };
  const commitEach = (changes: readonly Change[]): void => {
    for (const [index, change] of changes.entries()) {
      if (!begins(changes.slice(index))) return;
      const end = ends([change]);
      if (end !== "committed") change.reject(nameOf(end.error));
    }
  };
  return (changes: readonly Change[]): void => {
    // One failed change must not affect the others: each runs again by itself.
    if (changes.length === 1 || (begins(changes) && ends(changes) !== "committed")) commitEach(changes);
  };
}

function rollBack(database: DatabaseSync): void {
  try {
    database.exec("ROLLBACK");
  } catch {
    // A full disk has already ended the transaction. The original error is reported; the next BEGIN fails by itself.
  }
}
