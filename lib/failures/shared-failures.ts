import { type Clock, type EpochMs, MINUTE_MS, SECOND_MS } from "../clock.ts";
import { type ErrorCode, SyncError } from "../errors.ts";
import type { SyncKey } from "../keys.ts";
import type { ReconcileDeps } from "../ports/deps.ts";
import { type Cause, codeOfCause, isAhead, isShared, mendedAhead } from "./causes.ts";
import { waker } from "./wake.ts";

/**
 * Many syncs that fail by one cause cost one probe: who meets a failure first goes on asking, at its own pace; the others
 * know its outcome and wait. What it finds mended wakes them.
 *
 * Nobody is appointed. A known failure is good until shortly after the next run of who met it; when that run does not come
 * (its declaration went, or changed), the next one of the others to be due asks itself. So each of them comes back before
 * five minutes have passed since somebody asked. All of this is in memory and may be lost: then somebody asks once more.
 */
export interface SharedFailures {
  /** Asks for leave to ask Vault and cluster. Waits while another one asks for the same; then its answer may be known. */
  enter(asking: Asking, signal: AbortSignal): Promise<KnownFailure | undefined>;
  /** To be told of each that entered, whatever became of it; `outcome` is missing when nothing was learned. */
  leave(asking: Asking, outcome?: SharedOutcome): Promise<void>;
}

/** One run of a sync. */
export interface Asking {
  readonly key: SyncKey;
  /** Which causes it may meet; computed only when some are known. */
  readonly ahead: () => readonly Cause[];
  /** What it waited for when it was settled last. */
  readonly before: Cause | undefined;
  /** It is due as planned, and nobody asked for it since. */
  readonly isRoutine: boolean;
  /** Answers from then on are as good as its own. */
  readonly since: EpochMs;
  /** Someone waits for it: nothing that is remembered from before will do. */
  readonly isAskedFor: boolean;
  /** Its own longest pause, in ms. */
  readonly longestMs: number;
  readonly at: EpochMs;
}

export interface KnownFailure {
  readonly cause: Cause;
  readonly message: string;
  /** Who asks for all. */
  readonly by: SyncKey;
  /** When who met it asked, and when it asks again. */
  readonly askedAt: EpochMs;
  readonly nextAt: EpochMs;
}

/** How a run ended that was settled. */
export type SharedOutcome =
  | { readonly kind: "well" }
  | Failed
  /** It asked nobody. */
  | { readonly kind: "known"; readonly failure: KnownFailure };

interface Failed {
  readonly kind: "failed";
  readonly error: SyncError;
  readonly cause: Cause | undefined;
  /** Its next run; undefined: none is planned. */
  readonly nextAt: EpochMs | undefined;
}

/** A run that is late by so much does not come. */
const LATE_MS = 15 * SECOND_MS;
/** When those who know of a failure run again themselves, counted from when it was asked about: before five minutes. */
const FOLLOW_MS = { from: 200 * SECOND_MS, to: 290 * SECOND_MS };
/** Who is found well so soon after others were woken need not wake them again. */
const WOKEN_MS = MINUTE_MS;
/** More causes than this are not remembered: those left out cost a probe each time. */
const MAX_CAUSES = 10_000;
/** Who waited so often for the outcome of another one asks itself. */
const MAX_WAITS = 2;

/** When a sync that knows of a failure looks again; undefined: as if it had met it itself. */
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

/** Someone asks again as soon as this sync would. */
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

  /** Ends the wait of those who wait for this one. */
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
        // They come back by themselves.
        deps.log.warn("not-woken", { key: asking.key, code: error.code });
      }
    },
  };
}

/** What follows from how a run ended. */
interface Noted {
  /** What it met, or knew of, was found mended meanwhile: nobody would wake it any more. */
  readonly again: boolean;
  /** Causes that it found mended, and that others may wait for. */
  readonly mended: readonly Cause[];
}

const NOTHING: Noted = { again: false, mended: [] };

function mayMeet({ before, ahead }: Asking): readonly Cause[] {
  return before === undefined || isAhead(before) ? ahead() : [...ahead(), before];
}

/** It is younger than the question, or nobody asked and someone else goes on asking soon enough. */
function isGoodFor(asking: Asking, failure: KnownFailure, now: EpochMs): boolean {
  if (failure.askedAt >= asking.since) return true;
  const isOthers = failure.cause === asking.before && failure.by !== asking.key;
  return asking.isRoutine && isOthers && isInTime(failure, asking, now);
}

/** The failures that are known, and what was found mended a moment ago. */
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
    /** What this sync would meet, if that is known well enough. */
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

/** The failure as this sync would have met it; its own words where the other one's name another object. */
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
