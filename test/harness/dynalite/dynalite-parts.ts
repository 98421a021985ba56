import type { RequestListener, Server } from "node:http";
import { createRequire } from "node:module";
import { type IndexDefinition, type Item, indexUnits } from "./index-units.ts";

/** What we use of dynalite's inside; it is plain JavaScript. */
export interface Db {
  create(options: object): Store;
  checkConditional(data: ItemRequest, item: Item | undefined): ApiError | null | undefined;
  addConsumedCapacity(data: ItemRequest, isRead: boolean, before?: Item, after?: Item): Consumed | undefined;
  updateIndexes(store: Store, table: Table, before: Item | undefined, after: Item | null, done: Done): void;
  createKey(item: Item, table: Table): string;
}

export type Done = (error?: unknown) => void;

export interface Table {
  readonly GlobalSecondaryIndexes?: readonly IndexDefinition[];
}

export interface Store {
  getTable(name: string, done: (error: unknown, table: Table) => void): void;
  getItemDb(name: string): ItemDb;
}

export interface ItemDb {
  get(key: string, done: (error: unknown, item?: Item) => void): void;
  put(key: string, item: Item, done: Done): void;
  del(key: string, done: Done): void;
  lock(keys: readonly string[], work: (release: (done: Done) => Done) => void): void;
}

export interface ItemRequest {
  readonly TableName: string;
  readonly ReturnConsumedCapacity?: string;
  readonly ReturnValuesOnConditionCheckFailure?: string;
}

export interface ApiError extends Error {
  readonly statusCode: number;
  readonly body: Record<string, unknown>;
}

export interface Consumed {
  CapacityUnits: number;
  GlobalSecondaryIndexes?: Record<string, { readonly CapacityUnits: number }>;
}

/** How dynalite checks one kind of request. */
export interface Validation {
  readonly types: Record<string, unknown>;
  readonly custom: (data: ItemRequest, store: Store) => string | undefined;
}

const load = createRequire(import.meta.url);
const dynalite = load("dynalite") as (options: object) => Server;

export const db = load("dynalite/db") as Db;
export const validations = load("dynalite/validations") as {
  checkTypes(data: object, types: Validation["types"]): ItemRequest;
  checkValidations(data: ItemRequest, types: Validation["types"], custom: Validation["custom"], store: Store): void;
};

export function validationOf(action: "putItem" | "updateItem" | "deleteItem"): Validation {
  return load(`dynalite/validations/${action}`) as Validation;
}

/** At dynalite itself, which a process has once, however often this module is loaded in it. */
const IS_EXTENDED = Symbol.for("keyferry.dynalite.extended");

/** Dynalite's request handler and the store behind it. */
export function openDynalite(indexes: readonly IndexDefinition[]): {
  readonly handler: RequestListener;
  readonly store: Store;
} {
  if (!Reflect.has(db, IS_EXTENDED)) extend(indexes);
  Reflect.set(db, IS_EXTENDED, true);
  let store: Store | undefined;
  const { create } = db;
  db.create = (options) => {
    store = create(options);
    return store;
  };
  try {
    const [handler] = dynalite({ createTableMs: 0, deleteTableMs: 0 }).listeners("request");
    if (store === undefined || handler === undefined) throw new Error("dynalite's inside is not as it was");
    return { handler: handler as RequestListener, store };
  } finally {
    db.create = create;
  }
}

/** Adds to every write what dynalite leaves out: the item that a lost condition met, and the units of indexes. */
function extend(indexes: readonly IndexDefinition[]): void {
  for (const action of ["putItem", "updateItem", "deleteItem"] as const) {
    validationOf(action).types.ReturnValuesOnConditionCheckFailure = { type: "String", enum: ["ALL_OLD", "NONE"] };
  }
  const { checkConditional, addConsumedCapacity } = db;
  db.checkConditional = (data, item) => {
    const lost = checkConditional(data, item);
    if (lost && item && data.ReturnValuesOnConditionCheckFailure === "ALL_OLD") lost.body.Item = item;
    return lost;
  };
  db.addConsumedCapacity = (data, isRead, before, after) => {
    const consumed = addConsumedCapacity(data, isRead, before, after);
    if (consumed === undefined || isRead || data.ReturnConsumedCapacity !== "INDEXES") return consumed;
    const units = indexUnits(indexes, before, after);
    const total = Object.values(units).reduce((sum, { CapacityUnits }) => sum + CapacityUnits, consumed.CapacityUnits);
    return { ...consumed, CapacityUnits: total, GlobalSecondaryIndexes: units };
  };
}
