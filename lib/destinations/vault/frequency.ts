import { type EpochMs, MINUTE_MS, SECOND_MS } from "../../clock.ts";
import { SyncError } from "../../errors.ts";
import type { Pushed, WriteBurst } from "../../ports/rows.ts";

/** Each write is a version that Vault keeps: a path gets at most one in this time. */
export const BETWEEN_WRITES_MS = 30 * SECOND_MS;

/** More than so many in ten minutes are a loop, or a fight with another program: one each time that it may be. */
const MAX_WRITES = 20;
const WINDOW_MS = 10 * MINUTE_MS + BETWEEN_WRITES_MS;

/**
 * Whether a path was written so often that this declaration writes it no more. Time alone does not end that: what asks
 * for the next write is part of the loop.
 */
export function isTooFrequent({ burst }: Pushed, declaration: string, now: EpochMs): boolean {
  if (burst === undefined) return false;
  if (burst.parked !== undefined) return burst.parked === declaration;
  return burst.count >= MAX_WRITES && isOn(burst, now);
}

/** Not one that began in the future, before the clock was set back: it would last longer by as much. */
function isOn({ since }: WriteBurst, now: EpochMs): boolean {
  return since <= now && now - since < WINDOW_MS;
}

/** The path as recorded from then on. */
export function parkedPath(pushed: Pushed, declaration: string): Pushed {
  const { burst } = pushed;
  return burst === undefined ? pushed : { ...pushed, burst: { ...burst, parked: declaration } };
}

/** The error of a declaration that writes a path no more. */
export function notConverging(path: string): SyncError {
  const message =
    `${path} was written ${MAX_WRITES} times in ten minutes, because another program changes it, or the Secret, again ` +
    "and again: stop that program, then set a new value of the annotation keyferry.dev/refresh";
  return new SyncError("NOT_CONVERGING", message);
}

/** What the row records of the write that comes. */
export function countedWrite({ burst }: Pushed, now: EpochMs): Required<Pick<Pushed, "wroteAt" | "burst">> {
  const goesOn = burst !== undefined && burst.parked === undefined && isOn(burst, now);
  return { wroteAt: now, burst: goesOn ? { ...burst, count: burst.count + 1 } : { since: now, count: 1 } };
}

/** When these paths may be written again; undefined: now. Times ahead were before the clock was set back: none count. */
export function writableAt(paths: readonly Pushed[], now: EpochMs): EpochMs | undefined {
  const last = Math.max(0, ...paths.map(({ wroteAt = 0 }) => (wroteAt > now ? 0 : wroteAt)));
  return last + BETWEEN_WRITES_MS > now ? last + BETWEEN_WRITES_MS : undefined;
}
