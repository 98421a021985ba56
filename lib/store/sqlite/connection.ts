import type { DatabaseSync, SQLInputValue, StatementSync } from "node:sqlite";
import { codeOf } from "../../util/error-code.ts";
import type { OnDamage } from "../damage.ts";
import { groupCommit } from "./group-commit.ts";
import { type OpenOptions, openDatabase, storeError } from "./schema.ts";

export type Params = Readonly<Record<string, SQLInputValue>>;

/** An open database: typed statements, atomic steps, and counts. */
export interface Connection {
  /** Reads. Types are not validated: the schema is ours. */
  one<T>(sql: string): (params: Params) => T | undefined;
  all<T>(sql: string): (params: Params) => T[];
  /** Returns the number of written rows. */
  write(sql: string): (params: Params) => number;
  /** A further write for the same row, which is not counted again. */
  part(sql: string): (params: Params) => void;
  /** A write of an index table, counted separately. */
  index(sql: string): (params: Params) => void;
  /** A write of at most one row with RETURNING. */
  writeOne<T>(sql: string): (params: Params) => T | undefined;
  /** A counted operation that reads. Maps errors. */
  read<T>(operation: string, work: () => T): Promise<T>;
  /** A counted operation that writes, all or nothing; resolves when it is committed. */
  change<T>(operation: string, work: () => T): Promise<T>;
  counts(): Readonly<Record<string, number>>;
  close(): void;
  /** Reports an unreadable row. */
  readonly damaged: OnDamage;
}

export function connect(path: string, how: OpenOptions, damaged?: OnDamage): Connection {
  return connectionTo(openDatabase(path, how), path, damaged);
}

/** Wraps an open database; `path` is its name in errors. */
export function connectionTo(database: DatabaseSync, path: string, damaged: OnDamage = () => undefined): Connection {
  const counts: Record<string, number> = { writes: 0 };
  const transact = groupCommit(database, (error) => storeError(error, path));

  const count = (name: string, by: number): void => {
    counts[name] = (counts[name] ?? 0) + by;
  };

  return {
    damaged,
    one: <T>(sql: string) => {
      const statement = database.prepare(sql);
      return (params: Params) => withoutOverflow(statement, () => statement.get(params)) as T | undefined;
    },
    all: <T>(sql: string) => {
      const statement = database.prepare(sql);
      return (params: Params) => withoutOverflow(statement, () => statement.all(params)) as T[];
    },
    write: (sql) => {
      const statement = database.prepare(sql);
      return (params) => {
        const changes = Number(statement.run(params).changes);
        count("writes", changes);
        return changes;
      };
    },
    part: (sql) => {
      const statement = database.prepare(sql);
      return (params) => void statement.run(params);
    },
    index: (sql) => {
      const statement = database.prepare(sql);
      return (params) => count("indexWrites", Number(statement.run(params).changes));
    },
    writeOne: <T>(sql: string) => {
      const statement = database.prepare(sql);
      return (params: Params) => {
        const record = withoutOverflow(statement, () => statement.get(params));
        if (record !== undefined) count("writes", 1);
        return record as T | undefined;
      };
    },
    read: async (operation, work) => {
      count(operation, 1);
      try {
        return work();
      } catch (error) {
        throw storeError(error, path);
      }
    },
    change: (operation, work) => {
      count(operation, 1);
      return transact.add(work);
    },
    counts: () => ({ ...counts }),
    close: () => {
      if (!database.isOpen) return;
      transact.flush();
      database.close();
    },
  };
}

/**
 * An integer that JavaScript can't hold fails the whole read; such a row is read again with the nearest possible one.
 */
function withoutOverflow<T>(statement: StatementSync, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (codeOf(error) !== "ERR_OUT_OF_RANGE") throw error;
  }
  statement.setReadBigInts(true);
  try {
    return plainColumns(read()) as T;
  } finally {
    statement.setReadBigInts(false);
  }
}

function plainColumns(value: unknown): unknown {
  if (typeof value === "bigint") {
    const most = BigInt(Number.MAX_SAFE_INTEGER);
    return Number(value > most ? most : value < -most ? -most : value);
  }
  if (Array.isArray(value)) return value.map(plainColumns);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, column]) => [name, plainColumns(column)]));
}
