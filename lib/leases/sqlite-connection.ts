import type { SQLInputValue } from "node:sqlite";
import { openDatabase, storeError } from "./sqlite-schema.ts";

export type Params = Readonly<Record<string, SQLInputValue>>;

/** One open database: typed statements, atomic steps, and what it was asked. */
export interface Connection extends Disposable {
  /** Reads. The type is believed: the schema is ours. */
  one<T>(sql: string): (params: Params) => T | undefined;
  all<T>(sql: string): (params: Params) => T[];
  /** Answers how many rows were written. */
  write(sql: string): (params: Params) => number;
  /** A write of at most one row with RETURNING. */
  writeOne<T>(sql: string): (params: Params) => T | undefined;
  /** One counted operation of one statement. Errors get their names here. */
  step<T>(operation: string, work: () => T): Promise<T>;
  /** One counted operation of several statements, all or nothing. */
  atomic<T>(operation: string, work: () => T): Promise<T>;
  counts(): Readonly<Record<string, number>>;
}

export function connect(path: string, readOnly: boolean): Connection {
  const database = openDatabase(path, readOnly);
  const counts: Record<string, number> = { writes: 0 };
  const begin = database.prepare("BEGIN IMMEDIATE");
  const commit = database.prepare("COMMIT");

  const count = (name: string, by: number): void => {
    counts[name] = (counts[name] ?? 0) + by;
  };
  const step = async <T>(operation: string, work: () => T): Promise<T> => {
    count(operation, 1);
    try {
      return work();
    } catch (error) {
      throw storeError(error, path);
    }
  };
  const transact = <T>(work: () => T): T => {
    begin.run();
    try {
      const result = work();
      commit.run();
      return result;
    } catch (error) {
      // A full disk ends the transaction by itself.
      if (database.isTransaction) database.exec("ROLLBACK");
      throw error;
    }
  };

  return {
    one: <T>(sql: string) => {
      const statement = database.prepare(sql);
      return (params: Params) => statement.get(params) as T | undefined;
    },
    all: <T>(sql: string) => {
      const statement = database.prepare(sql);
      return (params: Params) => statement.all(params) as T[];
    },
    write: (sql) => {
      const statement = database.prepare(sql);
      return (params) => {
        const changes = Number(statement.run(params).changes);
        count("writes", changes);
        return changes;
      };
    },
    writeOne: <T>(sql: string) => {
      const statement = database.prepare(sql);
      return (params: Params) => {
        const record = statement.get(params);
        if (record !== undefined) count("writes", 1);
        return record as T | undefined;
      };
    },
    step,
    atomic: (operation, work) => step(operation, () => transact(work)),
    counts: () => ({ ...counts }),
    [Symbol.dispose]: () => {
      if (database.isOpen) database.close();
    },
  };
}
