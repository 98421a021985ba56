import { type EpochMs, SECOND_MS } from "../clock.ts";
import { type ErrorCode, SyncError, unlessTooLarge } from "../errors.ts";
import { freedBy, PathAwaited, wakeForPaths } from "../failures/path-wake.ts";
import { partsOf } from "../keys.ts";
import { CACHE_MS } from "../outage/close-circuit.ts";
import type { Claim } from "../ports/claim.ts";
import { CALL_TIMEOUT_MS, LEASE_MS, type ReconcileDeps } from "../ports/deps.ts";
import type { OwnedSecret, Pushed, Row, RowState } from "../ports/rows.ts";
import type { Claimed, ClaimOptions, Lease, PathTaken, Settlement } from "../ports/store.ts";
import { sendDue, sendNow } from "../schedule/messages.ts";
import {
  takenUnderOtherName,
  toClaim,
  unclaimed,
  underClaimedNames,
  underPresentNames,
  type Vaults,
  withNamesOf,
} from "./present-names.ts";
import { settleFailed } from "./settle.ts";

type Deps = Pick<ReconcileDeps, "leases" | "queue" | "clock" | "random" | "log">;

/** A claim that can include paths in a Vault. */
export interface RunClaim extends Claim {
  /** Paths that the run may write to, to be taken together with the lease (lease-table 31). */
  claimPaths(paths: readonly Pushed[]): void;
}

/**
 * The claim on a row that was just read. `owned`: destinations to record with the claim, because a write is recorded
 * before it happens (lease-table 8); without it nothing will be written, and the row stays as claimed. `vaults`: those of
 * fleet.yaml, for a row that may push.
 */
export function claimOf(deps: Deps, read: Row, owned?: readonly OwnedSecret[], vaults?: Vaults): RunClaim {
  const toStore = (state: RowState): RowState => underClaimedNames(state, claimedState, vaults);
  let row = underPresentNames(read, vaults);
  let lease: Lease | undefined;
  /** As the table has it since the claim, or the last record; and as the claim left it. */
  let stored: RowState = read.state;
  let claimedState: RowState = read.state;
  /** The row is no longer this run's: nothing is written any more. */
  let isOver = false;
  let paths: readonly Pushed[] = [];
  let refusal: SyncError | undefined;

  const take = async (): Promise<Lease | undefined> => {
    if (lease) return lease;
    const now = deps.clock();
    const options = { now, until: now + LEASE_MS, ...(owned && { owned }) };
    const { claimed, refused } = await claimNow(deps, { row, read, paths, vaults }, options);
    // A path that was refused once stays so for this run.
    refusal ??= refused;
    if (!claimed) return undefined;
    if (claimed.row.declared.hash !== row.declared.hash) {
      await leaveDue(deps, claimed, now);
      return undefined;
    }
    lease = claimed.lease;
    stored = claimed.row.state;
    claimedState = stored;
    row = underPresentNames(owned === undefined ? claimed.row : withRecorded(row, claimed.row), vaults);
    return lease;
  };

  const takeToWrite = async (to?: "status"): Promise<Lease> => {
    const held = await take();
    if (!held || isOver) throw await lost(deps, row);
    if (refusal !== undefined && to !== "status") throw refusal;
    // The API server checks no fence, so no write may end after the lease (lease-table 6).
    if (deps.clock() > held.until - CALL_TIMEOUT_MS) {
      const because = `the lease on ${held.key} ends too soon to write under it`;
      // A run that has only its status left to write is settled, and comes again as that says.
      throw to === "status" ? new SyncError("LEASE_LOST", because) : await lost(deps, row, because);
    }
    return held;
  };

  return {
    get row() {
      return row;
    },
    get isTaken() {
      return lease !== undefined;
    },
    isAfterCut: read.leaseUntil !== undefined,
    claimPaths(next) {
      paths = next;
    },
    take: async () => (await take()) !== undefined,
    takeToWrite,
    async record(learned) {
      const held = await takeToWrite();
      const [now, before] = [deps.clock(), row];
      row = { ...row, state: { ...row.state, ...learned } };
      const state = toStore({ ...row.state, owned: withNames(row.state.owned, owned ?? []) });
      // What can't be recorded can't be settled either.
      const outcome = await unlessTooLarge(deps.leases.record(held, state, now), async (error) => {
        row = before;
        throw error;
      });
      stored = state;
      if (outcome === "recorded") return;
      isOver = true;
      await endRun(deps, held);
      throw await lost(deps, row);
    },
    note(learned) {
      row = { ...row, state: { ...row.state, ...learned } };
    },
    async settle(settlement, how) {
      const named = { ...settlement, state: toStore(settlement.state) };
      const whole = how === "verified" ? named : leftOver(row, named);
      if (lease) await settleOrFail(deps, { row, lease, stored }, whole);
    },
  };
}

interface Claiming {
  /** With its paths under the present names of their Vaults. */
  readonly row: Row;
  readonly read: Row;
  readonly paths: readonly Pushed[];
  readonly vaults: Vaults;
}

/**
 * Takes the lease, and with it what the run would write. A path of another row, or a row that would become too large
 * (`refused`), leaves the lease alone: the run is settled, but writes nothing.
 */
async function claimNow(
  { leases }: Deps,
  { row: known, read, paths, vaults }: Claiming,
  options: ClaimOptions,
): Promise<{ readonly claimed: Claimed | undefined; readonly refused?: SyncError }> {
  const row = withNamesOf(known, read, vaults);
  const news = toClaim(known, row, paths);
  const refusing = async (taken: PathTaken) => ({
    claimed: await leases.claim(row, options),
    refused: pathTaken(taken),
  });
  const whole = async () => {
    if (news.length === 0) return { claimed: await leases.claim(row, options) };
    const elsewhere = await takenUnderOtherName(leases, row.key, unclaimed(known, paths), vaults);
    if (elsewhere !== undefined) return refusing(elsewhere);
    const claimed = await leases.claimPush(row, { ...options, pushed: news });
    return claimed === undefined || !("taken" in claimed) ? { claimed } : refusing(claimed);
  };
  return unlessTooLarge(whole(), async (error) => {
    const { owned: _names, ...alone } = options;
    return { claimed: await leases.claim(row, alone), refused: error };
  });
}

/** Settles the row; where the table can't hold that, as it is stored, with the error: it tries again by its back-off. */
function settleOrFail(
  deps: Deps,
  { row, lease, stored }: { readonly row: Row; readonly lease: Lease; readonly stored: RowState },
  settlement: Settlement,
): Promise<void> {
  return unlessTooLarge(settleRow(deps, row, lease, settlement), async (error) => {
    deps.log.warn("row-too-large", { key: row.key, message: error.message });
    const timing = { now: deps.clock(), random: deps.random, dispatchedUntil: undefined };
    await settleRow(deps, row, lease, leftOver(row, settleFailed(stored, error, timing)));
  });
}

/** The declaration changed between read and claim: the row is due again at once. */
async function leaveDue({ leases, queue }: Deps, { lease, row }: Claimed, now: EpochMs): Promise<void> {
  await leases.settle(lease, { state: row.state, schedule: { kind: "due", at: now }, now });
  await sendNow(queue, { key: row.key, at: now }, now);
}

/** The refusal of a path that another row pushes to. */
export function pathTaken({ taken, by }: PathTaken): SyncError {
  const { cluster, kind, namespace, name } = partsOf(by);
  const other = `${kind} ${namespace}/${name} of cluster ${cluster}`;
  return new PathAwaited(taken, `${taken.path} belongs to ${other}, which pushed there first: name another path`);
}

/** Adds what was recorded during the earlier lease; the names that this claim adds come with the writes. */
function withRecorded(read: Row, { state }: Row): Row {
  const known = new Set(read.state.owned.map(({ name }) => name));
  const owned = state.owned.filter(({ name, uid }) => uid !== undefined || known.has(name));
  return { ...read, state: { ...state, owned } };
}

/** The recorded Secrets, and the names that the claim added. */
function withNames(recorded: readonly OwnedSecret[], claimed: readonly OwnedSecret[]): readonly OwnedSecret[] {
  return [...recorded, ...claimed.filter(({ name }) => !recorded.some((entry) => entry.name === name))];
}

/**
 * Another worker has the row, or this one's lease is nearly over. This one saw a difference, so it requests another run
 * (lease-table 1).
 */
async function lost(deps: Deps, { key }: Row, because = `another worker holds ${key}`): Promise<SyncError> {
  const due = await deps.leases.nudge(key, { now: deps.clock(), verify: false });
  if (due) await sendDue(deps.queue, [due], deps.clock());
  return new SyncError("LEASE_LOST", because);
}

/** The settlement of a run that did not look at the destination. */
function leftOver({ verify }: Row, settlement: Settlement): Settlement {
  return verify ? { ...settlement, state: { ...settlement.state, isUnverified: true } } : settlement;
}

async function settleRow(deps: Deps, { key }: Row, lease: Lease, settlement: Settlement): Promise<void> {
  const outcome = await deps.leases.settle(lease, settlement);
  if (outcome === "lost") {
    deps.log.info("lease-lost", { key });
    if (!mayStillWrite(settlement)) await endRun(deps, lease);
    return;
  }
  await wakeForPaths(deps, freedBy(lease.state, settlement));
  const at = outcome === "nudged" ? deps.clock() : await soon(deps, settlement);
  if (at === undefined) return;
  await sendNow(deps.queue, { key, at }, deps.clock());
}

/** The clean-up of a declaration that went during the run need not wait for the end of its lease (lease-table 8). */
async function endRun(deps: Deps, lease: Lease): Promise<void> {
  const due = await deps.leases.endRun(lease, deps.clock());
  if (due) await sendDue(deps.queue, [due], deps.clock());
}

/** An API server may carry out a request after keyferry stopped waiting for its answer. */
const UNANSWERED: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  "KUBE_UNREACHABLE",
  "KUBE_NO_ANSWER",
  "KUBE_FAILED",
  "KUBE_ANSWER_INVALID",
  "DEADLINE_EXCEEDED",
]);

function mayStillWrite({ state: { error } }: Settlement): boolean {
  return error !== undefined && UNANSWERED.has(error.code);
}

/** How far ahead ticks dispatch at most (lease-table 13). */
const DISPATCHED_AHEAD_MS = 120 * SECOND_MS;

/** A `dueAt` that ticks may already have passed needs a message as well; the index is the fallback (lease-table 14). */
async function soon(deps: Deps, { schedule, now, circuit }: Settlement): Promise<EpochMs | undefined> {
  const at = schedule.kind === "due" ? schedule.at : schedule.kind === "wheel" ? schedule.dueAt : undefined;
  if (isTicks(now, at)) return undefined;
  if (circuit === undefined || (at ?? now) > now) return at;
  // Closing the circuit wakes rows that wait for it, but found this one claimed if it closed before this settle.
  const open = await deps.leases.circuits();
  return open.some(({ id }) => id === circuit) ? undefined : deps.clock() + CACHE_MS;
}

/** Whether a tick comes by in time: so it does for what is never due. */
function isTicks(now: EpochMs, at: EpochMs = Number.POSITIVE_INFINITY): boolean {
  return at > now + DISPATCHED_AHEAD_MS;
}
