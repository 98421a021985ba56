import type { EpochMs } from "../clock.ts";
import { cleanupKey, isCleanupKey, type SyncKey } from "../keys.ts";
import type { Issue } from "../ports/issues.ts";
import { EMPTY_STATE, type OwnedSecret, ownsNothing, type Pushed, pushPlace, type RowState } from "../ports/rows.ts";
import type { Lease } from "../ports/store.ts";

/** Merges by name; later entries add to earlier ones. */
export function mergeOwned(before: readonly OwnedSecret[], later: readonly OwnedSecret[]): readonly OwnedSecret[] {
  return merged(before, later, ({ name }) => name);
}

/** Merges by serial, and loses none (lease-table 28). */
export function mergeIssues(before: readonly Issue[] = [], later: readonly Issue[] = []): readonly Issue[] {
  return merged(before, later, ({ serial }) => serial);
}

export function mergePushed(before: readonly Pushed[] = [], later: readonly Pushed[] = []): readonly Pushed[] {
  return merged(before, later, (pushed) => JSON.stringify([pushed.vault, pushPlace(pushed).path]));
}

function merged<T>(before: readonly T[], later: readonly T[], idOf: (item: T) => string): readonly T[] {
  const items = new Map(before.map((item) => [idOf(item), item]));
  for (const item of later) items.set(idOf(item), { ...items.get(idOf(item)), ...item });
  return [...items.values()];
}

/** The lease under which a worker may still run on the row. */
export type Held = { readonly leaseUntil: EpochMs; readonly fence: number } | undefined;

/** Converts a row's state for its clean-up, merged with an earlier clean-up of the same declaration (lease-table 8). */
export function tombstonedState(state: RowState, held: Held, before?: RowState): RowState {
  const { place: _place, awaits: _awaits, bridgeUntil: _bridge, error: _error, ...kept } = state;
  return merge({ ...kept, refs: [], attempts: 0, ...busy(held) }, before);
}

/**
 * Converts a released row's state while it has Vault leases: keeps those, and the data of its kind (lease-table 28).
 */
export function retiredState(
  { own, issues = [], digest, unsent, retainUntil }: RowState,
  until: EpochMs | undefined,
  held: Held,
  before?: RowState,
): RowState {
  const ends = until ?? retainUntil;
  const kept: RowState = {
    ...{ refs: [], owned: [], attempts: 0, issues },
    ...(ends === undefined ? {} : { retainUntil: ends }),
    ...(own === undefined ? {} : { own }),
    ...(digest === undefined ? {} : { digest }),
    ...(unsent === undefined ? {} : { unsent }),
    ...busy(held),
  };
  return merge(kept, before);
}

/** When a retired row has to be looked at: at the end of the retention, or when something of it is to be ended before. */
export function retiredDueAt({ issues = [] }: RowState, until: EpochMs): EpochMs {
  const ends = issues.filter(({ state }) => state === "asking" || state === "ending").map(({ endAt = until }) => endAt);
  return Math.min(until, ...ends);
}

/**
 * The state of a declaration that came back (the same object) before its clean-up: it has its paths in Vault again, with
 * the events that were not sent yet, and the clean-up ends. Undefined: the clean-up goes on, because it has more to do,
 * or a worker may be at it.
 */
export function cameBackState(left: RowState, isClaimed: boolean, now: EpochMs): RowState | undefined {
  const { pushed = [], busyUntil = 0, unsent, ...rest } = left;
  if (pushed.length === 0 || !ownsNothing(rest)) return undefined;
  if (isClaimed || busyUntil > now) return undefined;
  return { ...EMPTY_STATE, pushed, ...(unsent === undefined ? {} : { unsent }) };
}

type Busy = Pick<RowState, "busyUntil" | "busyFence">;

function busy(held: Held): Busy {
  return held === undefined ? {} : { busyUntil: held.leaseUntil, busyFence: held.fence };
}

/** After two runs the end of one is not the end of both: then only time ends the wait. */
function busyAfter(before: Busy, later: Busy): Busy {
  if (before.busyUntil === undefined) return {};
  if (later.busyUntil !== undefined) return { busyUntil: Math.max(before.busyUntil, later.busyUntil) };
  return { busyUntil: before.busyUntil, ...(before.busyFence === undefined ? {} : { busyFence: before.busyFence }) };
}

/** The key of the row that may wait for the run of a lease: the clean-up of its declaration. */
export function awaitingKey({ key, uid }: Pick<Lease, "key" | "uid">): SyncKey {
  return isCleanupKey(key) ? key : cleanupKey(key, uid);
}

/** The state without the wait for this lease's run; undefined: it does not wait for it. */
export function endedState(state: RowState, { fence }: Pick<Lease, "fence">): RowState | undefined {
  return state.busyUntil !== undefined && state.busyFence === fence ? withoutBusy(state) : undefined;
}

/** The state that a clean-up settles: it may have read its row before the end of the run that it waits for. */
export function settledState(state: RowState, stored: () => RowState): RowState {
  return state.busyUntil === undefined || stored().busyUntil !== undefined ? state : withoutBusy(state);
}

function withoutBusy({ busyUntil: _until, busyFence: _fence, ...rest }: RowState): RowState {
  return rest;
}

function merge(state: RowState, before: RowState | undefined): RowState {
  if (before === undefined) return state;
  const issues = mergeIssues(before.issues, state.issues);
  const pushed = mergePushed(before.pushed, state.pushed);
  const unsent = [...(before.unsent ?? []), ...(state.unsent ?? [])];
  const retained = [before.retainUntil, state.retainUntil].filter((until) => until !== undefined);
  return {
    ...(before.busyUntil === undefined ? state : withoutBusy(state)),
    ...busyAfter(before, state),
    owned: mergeOwned(before.owned, state.owned),
    ...(issues.length > 0 ? { issues } : {}),
    ...(pushed.length > 0 ? { pushed } : {}),
    ...(unsent.length > 0 ? { unsent } : {}),
    ...(retained.length > 0 ? { retainUntil: Math.max(...retained) } : {}),
  };
}

/** Adds what is about to be written to a state; recorded paths stay. Returns the same object when nothing changes. */
export function claimedState(
  state: RowState,
  owned: readonly OwnedSecret[] | undefined,
  pushed: readonly Pushed[],
): RowState {
  if (owned === undefined && pushed.length === 0) return state;
  return {
    ...state,
    ...(owned === undefined ? {} : { owned: mergeOwned(state.owned, owned) }),
    ...(pushed.length === 0 ? {} : { pushed: mergePushed(pushed, state.pushed) }),
  };
}

/** The state that a record stores: only settle changes what indexes contain. */
export function recordedState({ state: claimed }: Lease, state: RowState): RowState {
  const { awaits: _awaits, place: _place, unsent: _unsent, ...rest } = state;
  const { refs, awaits, place, unsent } = claimed;
  return {
    ...rest,
    refs,
    ...(awaits === undefined ? {} : { awaits }),
    ...(place === undefined ? {} : { place }),
    ...(unsent === undefined ? {} : { unsent }),
  };
}

/** A settle that would lose a Vault lease is a bug (lease-table 28). */
export function demandNoIssues(key: string, { issues = [] }: Pick<RowState, "issues">): void {
  if (issues.length > 0)
    throw new Error(`${key} has ${issues.length} issues: it can't be forgotten before they have ended`);
}
