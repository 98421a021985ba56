import type { EpochMs } from "../../clock.ts";
import { parseKey, partsOf, type SyncKey } from "../../keys.ts";
import type { Declared, DomainEvent, Lane, OwnedSecret, Place, RefreshSlot, Row, RowState } from "../../ports/rows.ts";
import type { RowSummary, Settlement } from "../../ports/store.ts";
import type { JsonObject } from "../../util/json.ts";
import type { OnDamage } from "../damage.ts";
import { stateOfFirst } from "../first-layout.ts";
import { isShape, isTime, parsed, soundDeclared, soundIssues, soundPushed, soundSlot, soundState } from "../stored.ts";
import { type ItemKey, periodOf, placeKey, SHARDS, shardOf, slotOf, syncAt, TABLE_VERSION } from "./table.ts";

/** `held`: its dueAt is the end of a lease, so that the index alone shows which rows are free (lease-table 3). */
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

/** The item of a sync or its clean-up. */
export interface SyncItem extends SummaryItem {
  readonly grp: string;
  readonly fence: number;
  readonly nudges: number;
  readonly look: boolean;
  /** JSON: the declaration; or the id of the item with a large one (lease-table 25). */
  readonly declared?: string;
  readonly bodyId?: string;
  readonly settledAt?: EpochMs;
  /** Missing: written by the first version, so it can't be found by its references yet. */
  readonly layout?: number;
  readonly lane?: StoredLane;
  readonly cluster?: string;
  /** Counts records, which change neither fence nor lease. */
  readonly records?: number;
  /** By its claim. Without a lease there is none, since an earlier version leaves it as it is when it claims. */
  readonly nudgesSeen?: number;
  /** Those that the last settle knew of. */
  readonly nudgesSettled?: number;
  readonly expectVersion?: number;
  readonly expectAt?: EpochMs;
  readonly renewSlot?: string;
  readonly renewPhase?: number;
  readonly placeOf?: string;
  readonly placePath?: string;
  readonly role?: Place["role"];
  /** JSON: separate lists, so that they survive damage to the rest of the state. Missing: none. */
  readonly issues?: string;
  readonly pushed?: string;
  readonly unsent?: string;
  readonly unsentShard?: number;
  readonly unsentAt?: EpochMs;
  /** JSON: names of the Secrets that we own. */
  readonly owned: string;
  /** JSON: the rest of the state, without index or condition. */
  readonly state: string;
}

/** What the index `due` projects. */
export interface DueItem {
  readonly pk: SyncKey;
  readonly dueAt: EpochMs;
  readonly grp: string;
  readonly lane: StoredLane;
}

/** Attributes to set; undefined removes one. Never includes the key. */
export type Changes = {
  readonly [name in Exclude<keyof SyncItem, "pk">]?: SyncItem[name] | undefined;
};

export function isClaimed(item: Pick<SyncItem, "leaseUntil">, now: EpochMs): boolean {
  return item.leaseUntil !== undefined && item.leaseUntil > now;
}

/** The parts of a declaration that are attributes of the row. */
export function declaredAttributes({ uid, hash, generation, group }: Declared): Changes {
  return { uid, declaredHash: hash, generation, grp: group };
}

/** The rest of a declaration, as text. */
export function declaredText(declared: Declared): string {
  const { key: _key, uid: _uid, hash: _hash, generation: _generation, group: _group, ...rest } = declared;
  return JSON.stringify(rest);
}

/** A clean-up's declaration has the clean-up's key. */
export function declaredOf(item: SyncItem, text: string): Declared | undefined {
  const { pk: key, uid, declaredHash: hash, generation, grp: group } = item;
  const rest = parsed(text);
  return isShape(rest) && isKey(key) ? soundDeclared({ ...rest, key, uid, hash, generation, group }) : undefined;
}

/** Whether we wrote this item: it has a valid key and a fence. */
export function isKey(key: string): boolean {
  return parseKey(key) !== undefined;
}

/** The keys of a sync's item in the table and in the indexes that never change. */
export function keyAttributes(key: SyncKey): ItemKey & { readonly cluster: string; readonly shard: number } {
  return { ...syncAt(key), cluster: partsOf(key).cluster, shard: shardOf(key) };
}

export function slotAttributes(slot: RefreshSlot | undefined): Changes {
  return { slot: slot && slotOf(slot), phase: slot?.phase };
}

export function stateAttributes(state: RowState): Changes {
  const { refs, waitsFor, owned, issues, pushed, unsent, attempts, error, syncedAt, settledAt, ...rest } = state;
  return {
    layout: TABLE_VERSION,
    ...placeAttributes(state),
    ...unsentAttributes(unsent),
    issues: textOf(issues),
    pushed: textOf(pushed),
    refs: JSON.stringify(refs),
    vault: waitsFor,
    owned: JSON.stringify(owned),
    attempts,
    error: error && JSON.stringify(error),
    syncedAt,
    settledAt,
    state: JSON.stringify(withoutPlace(rest)),
  };
}

export function stateOf(item: SyncItem, damaged: OnDamage): RowState {
  const { settledAt } = item;
  const stored = parsed(item.state);
  const rest = isShape(stored) && (item.layout === undefined ? stateOfFirst(stored as JsonObject) : stored);
  const state = rest && {
    ...placeIn(item),
    ...rest,
    ...summaryFields(item),
    owned: parsed(item.owned),
    settledAt,
  };
  const tell = () => damaged(item.pk);
  return {
    ...soundState(withoutUndefined(state), tell),
    ...(item.issues === undefined ? {} : { issues: soundIssues(parsed(item.issues), tell) }),
    ...(item.pushed === undefined ? {} : { pushed: soundPushed(parsed(item.pushed), tell) }),
    ...(item.unsent === undefined ? {} : { unsent: (parsed(item.unsent) ?? []) as readonly DomainEvent[] }),
  };
}

/** JSON of a list, unless it is empty. */
function textOf(list: readonly object[] = []): string | undefined {
  return list.length === 0 ? undefined : JSON.stringify(list);
}

/** The place is stored in attributes, unless it is too long for them. */
function withoutPlace({ place, ...rest }: Partial<RowState>): Partial<RowState> {
  if (place === undefined || isWhole(place)) return rest;
  return { ...rest, place };
}

function isWhole(place: Place): boolean {
  const { placeOf, placePath } = placeKey(place);
  return place.role === "read" && placeOf.startsWith(`${place.vault}#`) && placePath === `${place.path}/`;
}

function placeIn({ placeOf, placePath, role }: SyncItem): Pick<RowState, "place"> {
  if (placeOf === undefined || placePath === undefined || role === undefined) return {};
  return { place: { vault: placeOf.slice(0, placeOf.lastIndexOf("#")), path: placePath.replace(/\/$/, ""), role } };
}

function placeAttributes({ place }: RowState): Changes {
  if (place?.role !== "read") return { placeOf: undefined, placePath: undefined, role: undefined };
  return { ...placeKey(place), role: place.role };
}

export function unsentAttributes(unsent: readonly DomainEvent[] = []): Changes {
  if (unsent.length === 0) return { unsent: undefined, unsentShard: undefined, unsentAt: undefined };
  const unsentAt = Math.min(...unsent.map(({ at }) => at));
  return { unsent: JSON.stringify(unsent), unsentShard: unsentAt % SHARDS, unsentAt };
}

/** The attributes of a record: the state without the parts in index items. */
export function recordAttributes(state: RowState): Changes {
  const all = stateAttributes(state);
  const {
    refs: _refs,
    placeOf: _of,
    placePath: _path,
    role: _role,
    settledAt: _settledAt,
    layout: _layout,
    ...rest
  } = all;
  const { unsent: _unsent, unsentShard: _shard, unsentAt: _unsentAt, ...attributes } = rest;
  return attributes;
}

export function renewAttributes(renew: Settlement["renew"]): Changes {
  if (renew === undefined) return {};
  return renew === "off"
    ? { renewSlot: undefined, renewPhase: undefined }
    : { renewSlot: slotOf(renew), renewPhase: renew.phase };
}

export function expectOf({ expectVersion, expectAt }: SyncItem): Pick<Row, "expect"> {
  return expectVersion === undefined || expectAt === undefined
    ? {}
    : { expect: { version: expectVersion, at: expectAt } };
}

/** The state of the row's index entries: empty for rows that the first version settled. */
export function indexedState(item: SyncItem, state: RowState): RowState {
  if (item.layout !== undefined) return state;
  const { awaits: _awaits, ...rest } = state;
  return { ...rest, refs: [] };
}

/** The state in an item's own attributes, not validated. */
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
  const { pk: key, nudges, look, fence, renewSlot, renewPhase } = item;
  const nudgesSeen = nudgesSeenOf(item);
  const renew = slotFrom(renewSlot, renewPhase);
  return {
    ...{ key, declared, state: stateOf(item, damaged), nudges, verify: look, fence },
    ...(nudgesSeen === undefined ? {} : { nudgesSeen }),
    ...timesOf(item),
    ...(renew && { renew }),
    ...expectOf(item),
  };
}

export function nudgesSeenOf({ leaseUntil, nudgesSeen, nudgesSettled }: SyncItem): number | undefined {
  return leaseUntil === undefined ? nudgesSettled : nudgesSeen;
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
  const wheel = slotFrom(slot, phase);
  return {
    ...(isTime(leaseUntil) ? { leaseUntil } : {}),
    ...(isTime(dueAt) ? { dueAt } : {}),
    ...(wheel && { wheel }),
  };
}

function slotFrom(slot: string | undefined, phase: number | undefined): RefreshSlot | undefined {
  return slot === undefined ? undefined : soundSlot(periodOf(slot), phase);
}
