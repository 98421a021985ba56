import { type EpochMs, MINUTE_MS, SECOND_MS } from "../../clock.ts";
import { SyncError } from "../../errors.ts";
import type { Pushed } from "../../ports/rows.ts";

/** Each write is a version that Vault keeps: a path gets at most one in this time. */
export const BETWEEN_WRITES_MS = 30 * SECOND_MS;

/** More than so many in ten minutes are a loop, or a fight with another program: one each time that it may be. */
const MAX_WRITES = 20;
const WINDOW_MS = 10 * MINUTE_MS + BETWEEN_WRITES_MS;

/** Throws NOT_CONVERGING, until the window is over. */
export function mustBeRare({ burst }: Pushed, path: string, now: EpochMs): void {
  if (burst === undefined || now - burst.since >= WINDOW_MS || burst.count < MAX_WRITES) return;
  const message = `${path} was written ${burst.count} times in ten minutes: another program changes it, or the Secret, again and again`;
  throw new SyncError("NOT_CONVERGING", message, { retryAfterMs: burst.since + WINDOW_MS - now });
}

/** What the row records of the write that comes. */
export function countedWrite({ burst }: Pushed, now: EpochMs): Required<Pick<Pushed, "wroteAt" | "burst">> {
  const isOver = burst === undefined || now - burst.since >= WINDOW_MS;
  return { wroteAt: now, burst: isOver ? { since: now, count: 1 } : { ...burst, count: burst.count + 1 } };
}

/** When these paths may be written again; undefined: now. */
export function writableAt(paths: readonly Pushed[], now: EpochMs): EpochMs | undefined {
  const last = Math.max(0, ...paths.map(({ wroteAt = 0 }) => wroteAt));
  return last + BETWEEN_WRITES_MS > now ? last + BETWEEN_WRITES_MS : undefined;
}
