import { type Clock, type EpochMs, MINUTE_MS, SECOND_MS } from "../clock.ts";
import { type ErrorCode, SyncError } from "../errors.ts";
import type { SyncKey } from "../keys.ts";
import type { ReconcileDeps } from "../ports/deps.ts";
import { type Cause, codeOfCause, isAhead, isShared, mendedAhead } from "./causes.ts";
import { waker } from "./wake.ts";

/**
 * Many syncs with one cause of failure cost one probe: the first one retries at its own pace, and the others use its
 * result and wait. When it succeeds, it wakes them. A known failure is valid until shortly after the next run of the
 * first sync. If that run does not come (its declaration is gone or changed), the next sync that is due takes over. So
 * each of them runs within five minutes of a retry. All of this is in memory and may be lost: then one sync retries
 * once more.
 */
export interface SharedFailures {
  /**
   * Call before reading Vault and the cluster. Waits while another sync tries the same, and may then return its
   * failure.
   */
  enter(asking: Asking, signal: AbortSignal): Promise<KnownFailure | undefined>;
  /** Call for each sync that entered, in any case; without `outcome` when nothing was learned. */
  leave(asking: Asking, outcome?: SharedOutcome): Promise<void>;
}

/** One run of a sync. */
export interface Asking {
  readonly key: SyncKey;
  /** The causes that it may meet; computed only when some are known. */
  readonly ahead: () => readonly Cause[];
  /** What it waited for at its last settle. */
  readonly before: Cause | undefined;
  /** It is due as planned, and was not requested since. */
  readonly isRoutine: boolean;
  /** Answers from this time on are as good as its own. */
  readonly since: EpochMs;
  /** A user waits for it: remembered failures must not be used. */
  readonly isAskedFor: boolean;
  /** Its own longest pause, in ms. */
  readonly longestMs: number;
  readonly at: EpochMs;
}

export interface KnownFailure {
  readonly cause: Cause;
  readonly message: string;
  /** The sync that retries for all. */
  readonly by: SyncKey;
  /** When that sync tried, and when it tries again. */
  readonly askedAt: EpochMs;
  readonly nextAt: EpochMs;
}

/** The result of a settled run. */
export type SharedOutcome =
  | { readonly kind: "well" }
  | Failed
  /** It sent no request. */
  | { readonly kind: "known"; readonly failure: KnownFailure };

interface Failed {
  readonly kind: "failed";
  readonly error: SyncError;
  readonly cause: Cause | undefined;
  /** Its next run; undefined: none is planned. */
  readonly nextAt: EpochMs | undefined;
}

/** A run that is later than this is not expected any more. */
const LATE_MS = 15 * SECOND_MS;
/** When syncs with a known failure run themselves, after the last try: before five minutes. */
const FOLLOW_MS = { from: 200 * SECOND_MS, to: 290 * SECOND_MS };
/** A success so soon after others were woken need not wake them again. */
const WOKEN_MS = MINUTE_MS;
/** The maximum number of remembered causes; each further one costs a probe per sync. */
const MAX_CAUSES = 10_000;
/** After so many waits for others, a sync tries itself. */
const MAX_WAITS = 2;

/** When a sync with a known failure runs again; undefined: as if it had failed itself. */
export function followAt(
  { askedAt, nextAt }: KnownFailure,
  asking: Pick<Asking, "longestMs">,
  { now, random }: { readonly now: EpochMs; readonly random: () => number },
): EpochMs | undefined {
  if (!isInTime({ nextAt }, asking, now)) return undefined;
  const from = Math.max(nextAt + LATE_MS, askedAt + FOLLOW_MS.from);
  const to = Math.max(from, askedAt + FOLLOW_MS.to);
  return Math.ceil(from + random() * (to - from));
}

/** The retry comes no later than this sync's own would. */
function isInTime(
  { nextAt }: Pick<KnownFailure, "nextAt">,
  { longestMs }: Pick<Asking, "longestMs">,
  now: EpochMs,
): boolean {
  return now < nextAt + LATE_MS && nextAt <= now + longestMs;
}

type Deps = Pick<ReconcileDeps, "leases" | "queue" | "clock" | "log">;

export function sharedFailures(deps: Deps): SharedFailures {
  const failures = knownFailures(deps.clock);
  const asked = new Map<Cause, { readonly by: Asking; readonly done: PromiseWithResolvers<void> }>();
  const wake = waker(deps);

  /** Ends the wait for this sync. */
  const release = (asking: Asking): void => {
    const found = asking.before === undefined ? undefined : asked.get(asking.before);
    if (asking.before === undefined || found?.by !== asking) return;
    asked.delete(asking.before);
    found.done.resolve();
  };

  const publish = async ({ key }: Asking, { again, mended }: Noted = NOTHING): Promise<void> => {
    if (again) await wake.one(key);
    for (const cause of mended) await wake.all(cause, key);
  };

  return {
    async enter(asking, signal) {
      const { before, isRoutine } = asking;
      for (let waits = 0; ; waits++) {
        const failure = failures.find(asking);
        if (failure !== undefined || before === undefined || !isRoutine || !isShared(before)) return failure;
        const other = asked.get(before);
        if (other === undefined || waits === MAX_WAITS || signal.aborted) break;
        await either(other.done.promise, signal);
      }
      if (!asked.has(before)) asked.set(before, { by: asking, done: Promise.withResolvers<void>() });
      return undefined;
    },
    async leave(asking, outcome) {
      const noted = outcome && failures.note(asking, outcome);
      release(asking);
      try {
        await publish(asking, noted);
      } catch (error) {
        if (!(error instanceof SyncError)) throw error;
        // They retry by themselves.
        deps.log.warn("not-woken", { key: asking.key, code: error.code });
      }
    },
  };
}

/** The consequences of a run's result. */
interface Noted {
  /** The cause it met or used was resolved meanwhile, so nothing else would wake it. */
  readonly again: boolean;
  /** Causes that it found resolved, for which others may wait. */
  readonly mended: readonly Cause[];
}

const NOTHING: Noted = { again: false, mended: [] };

function mayMeet({ before, ahead }: Asking): readonly Cause[] {
  return before === undefined || isAhead(before) ? ahead() : [...ahead(), before];
}

/** Whether the failure is newer than the request, or, for a routine run, will be retried soon enough. */
function isGoodFor(asking: Asking, failure: KnownFailure, now: EpochMs): boolean {
  if (failure.askedAt >= asking.since) return true;
  const isOthers = failure.cause === asking.before && failure.by !== asking.key;
  return asking.isRoutine && isOthers && isInTime(failure, asking, now);
}

/** Known failures, and recently resolved causes. */
function knownFailures(clock: Clock) {
  const known = new Map<Cause, KnownFailure>();
  const mended = new Map<Cause, EpochMs>();

  const isMendedSince = (cause: Cause | undefined, askedAt: EpochMs): boolean => {
    const at = cause === undefined ? undefined : mended.get(cause);
    return at !== undefined && at > askedAt;
  };
  const remember = (asking: Asking, { error, cause, nextAt }: Failed): void => {
    if (cause === undefined || nextAt === undefined || !isShared(cause)) return;
    keep(known, cause, { cause, message: error.message, by: asking.key, askedAt: asking.at, nextAt });
    mended.delete(cause);
  };
  const forget = (asking: Asking, code: ErrorCode | undefined): readonly Cause[] => {
    const { before } = asking;
    if (known.size === 0 && before === undefined) return [];
    const gone = [...mendedAhead(code, asking.ahead())];
    if (code === undefined && before !== undefined && !isAhead(before) && isShared(before)) gone.push(before);
    const now = clock();
    return gone.filter((cause) => {
      if (!known.delete(cause) && cause !== before) return false;
      const at = mended.get(cause);
      keep(mended, cause, now);
      return at === undefined || now - at >= WOKEN_MS;
    });
  };

  return {
    /** The failure that this sync would meet, if it is known well enough. */
    find(asking: Asking): KnownFailure | undefined {
      if (known.size === 0) return undefined;
      return mayMeet(asking)
        .map((cause) => known.get(cause))
        .find((failure) => failure !== undefined && isGoodFor(asking, failure, clock()));
    },
    note(asking: Asking, outcome: SharedOutcome): Noted {
      if (outcome.kind === "known") {
        return { ...NOTHING, again: isMendedSince(outcome.failure.cause, outcome.failure.askedAt) };
      }
      if (outcome.kind === "well") return { again: false, mended: forget(asking, undefined) };
      const again = isMendedSince(outcome.cause, asking.at);
      if (!again) remember(asking, outcome);
      return { again, mended: forget(asking, outcome.error.code) };
    },
  };
}

/** The failure as this sync would report it, in its own words if the other's names another object. */
export function asError(
  failure: KnownFailure,
  own: { readonly cause?: string; readonly message: string } | undefined,
): SyncError {
  const { cause, message } = failure;
  const isItsOwn = own?.cause === cause && !isAhead(cause);
  return new SyncError(codeOfCause(cause), isItsOwn ? own.message : message);
}

function keep<T>(map: Map<Cause, T>, cause: Cause, value: T): void {
  map.delete(cause);
  map.set(cause, value);
  for (const oldest of map.keys()) {
    if (map.size <= MAX_CAUSES) return;
    map.delete(oldest);
  }
}

async function either(done: Promise<void>, signal: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const stop = () => resolve();
  signal.addEventListener("abort", stop, { once: true });
  await Promise.race([done, promise]);
  signal.removeEventListener("abort", stop);
}
