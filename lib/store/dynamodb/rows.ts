import type { EpochMs } from "../../clock.ts";
import { parseKey, partsOf, type SyncKey } from "../../keys.ts";
import type { Declared, Lane, OwnedSecret, RefreshSlot, Row, RowState } from "../../ports/rows.ts";
import type { RowSummary } from "../../ports/store.ts";
import type { OnDamage } from "../damage.ts";
import { sourceOf } from "../source-index.ts";
import { isRefreshSlot, isShape, isTime, parsed, soundDeclared, soundState } from "../stored.ts";
import { type ItemKey, periodOf, shardOf, slotOf, syncAt } from "./table.ts";

/** `held`: its dueAt is the end of a lease, so that the index alone says who is free (lease-table 3). */
type StoredLane = Lane | "held";

/** What the index `cluster` projects of a sync. */
export interface SummaryItem {
  readonly pk: SyncKey;
  readonly uid: string;
  readonly declaredHash: string;
  readonly generation: number;
  /** JSON: reference keys. */
  readonly refs: string;
  readonly vault?: string;
  /** JSON: RowError. */
  readonly error?: string;
  readonly attempts: number;
  readonly syncedAt?: EpochMs;
  readonly leaseUntil?: EpochMs;
  readonly dueAt?: EpochMs;
  /** On the wheel: period and phase div 300 s. */
  readonly slot?: string;
  readonly phase?: number;
}

/** The item of a sync or of its clean-up. */
export interface SyncItem extends SummaryItem {
  readonly grp: string;
  readonly fence: number;
  readonly nudges: number;
  readonly look: boolean;
  /** JSON: the declaration; or the id of the item that holds it, when it is big (lease-table 25). */
  readonly declared?: string;
  readonly bodyId?: string;
  readonly source?: string;
  readonly settledAt?: EpochMs;
  /** JSON: names of the Secrets that are ours. */
  readonly owned: string;
  /** JSON: the rest of the state, which no index and no condition needs. */
  readonly state: string;
}

/** What the index `due` projects. */
export interface DueItem {
  readonly pk: SyncKey;
  readonly dueAt: EpochMs;
  readonly grp: string;
  readonly lane: StoredLane;
}

/** Attributes to set; undefined removes one. The key is never among them. */
export type Changes = {
  readonly [name in Exclude<keyof SyncItem, "pk"> | "lane"]?: (SyncItem & DueItem)[name] | undefined;
};

export function isClaimed(item: Pick<SyncItem, "leaseUntil">, now: EpochMs): boolean {
  return item.leaseUntil !== undefined && item.leaseUntil > now;
}

/** What of a declaration stands in the row's own attributes, beside its text. */
export function declaredAttributes({ uid, hash, generation, group }: Declared): Changes {
  return { uid, declaredHash: hash, generation, grp: group };
}

/** The rest of a declaration, as text. */
export function declaredText(declared: Declared): string {
  const { key: _key, uid: _uid, hash: _hash, generation: _generation, group: _group, ...rest } = declared;
  return JSON.stringify(rest);
}

/** A clean-up's declaration goes by the clean-up's key. */
export function declaredOf(item: SyncItem, text: string): Declared | undefined {
  const { pk: key, uid, declaredHash: hash, generation, grp: group } = item;
  const rest = parsed(text);
  return isShape(rest) && isKey(key) ? soundDeclared({ ...rest, key, uid, hash, generation, group }) : undefined;
}

/** Of an item: one that leads nowhere, or has no fence, was not written by us. */
export function isKey(key: string): boolean {
  return parseKey(key) !== undefined;
}

/** Where a sync's item stands in the table and in the indexes that don't change while it lives. */
export function keyAttributes(key: SyncKey): ItemKey & { readonly cluster: string; readonly shard: number } {
  return { ...syncAt(key), cluster: partsOf(key).cluster, shard: shardOf(key) };
}

export function slotAttributes(slot: RefreshSlot | undefined): Changes {
  return { slot: slot && slotOf(slot), phase: slot?.phase };
}

export function stateAttributes(state: RowState): Changes {
  const { refs, waitsFor, owned, attempts, error, syncedAt, settledAt, ...rest } = state;
  return {
    refs: JSON.stringify(refs),
    source: sourceOf(state),
    vault: waitsFor,
    owned: JSON.stringify(owned),
    attempts,
    error: error && JSON.stringify(error),
    syncedAt,
    settledAt,
    state: JSON.stringify(rest),
  };
}

export function stateOf(item: SyncItem, damaged: OnDamage): RowState {
  const { settledAt } = item;
  const rest = parsed(item.state);
  const state = isShape(rest) && {
    ...rest,
    ...summaryFields(item),
    owned: parsed(item.owned),
    settledAt,
  };
  return soundState(withoutUndefined(state), () => damaged(item.pk));
}

/** What an item's own attributes say of its state, unjudged. */
function summaryFields({ refs, vault, error, attempts, syncedAt }: SummaryItem) {
  return {
    refs: parsed(refs),
    waitsFor: vault,
    error: error === undefined ? undefined : parsed(error),
    attempts,
    syncedAt,
  };
}

function withoutUndefined(value: object | false): object | undefined {
  if (value === false) return undefined;
  return Object.fromEntries(Object.entries(value).filter(([, member]) => member !== undefined));
}

export function ownedOf(item: SyncItem, damaged: OnDamage): readonly OwnedSecret[] {
  return stateOf(item, damaged).owned;
}

export function rowOf(item: SyncItem, declared: Declared, damaged: OnDamage): Row {
  const { pk: key, nudges, look, fence } = item;
  return { key, declared, state: stateOf(item, damaged), nudges, verify: look, fence, ...timesOf(item) };
}

export function summaryOf(item: SummaryItem, damaged: OnDamage): RowSummary {
  const { pk: key, uid, declaredHash: hash, generation } = item;
  // A list shows no Secrets.
  const { refs, waitsFor, error, attempts, syncedAt } = soundState(
    withoutUndefined({ ...summaryFields(item), owned: [] }),
    () => damaged(key),
  );
  return {
    ...{ key, uid, hash, generation, refs, attempts },
    ...(waitsFor === undefined ? {} : { waitsFor }),
    ...(error === undefined ? {} : { error }),
    ...(syncedAt === undefined ? {} : { syncedAt }),
    ...timesOf(item),
  };
}

function timesOf({ leaseUntil, dueAt, slot, phase }: SummaryItem): Pick<Row, "leaseUntil" | "dueAt" | "wheel"> {
  const period = slot === undefined ? undefined : periodOf(slot);
  return {
    ...(isTime(leaseUntil) ? { leaseUntil } : {}),
    ...(isTime(dueAt) ? { dueAt } : {}),
    ...(period !== undefined && phase !== undefined && isRefreshSlot(period, phase)
      ? { wheel: { period, phase } }
      : {}),
  };
}
