import { fingerprint } from "../digest.ts";
import { SyncError } from "../errors.ts";
import type { ReconcileDeps } from "../ports/deps.ts";
import type { WaitKey } from "../ports/refs.ts";
import { type Place, type Pushed, pushPlace, type RowState } from "../ports/rows.ts";
import type { Settlement } from "../ports/store.ts";
import { nudgeReferring } from "../references/referring.ts";

type PathWait = Extract<WaitKey, `path:${string}`>;

/** Another row pushes to the path, and this one waits until it is free. */
export class PathAwaited extends SyncError {
  readonly awaits: PathWait;

  constructor(taken: Place, message: string) {
    super("PATH_TAKEN", message);
    this.awaits = pathWait(taken);
  }
}

/** What rows wait for that could not get this path. A fingerprint, because paths may be too long for an index. */
export function pathWait({ vault, path }: Pick<Place, "vault" | "path">): PathWait {
  return `path:${fingerprint(vault, path)}`;
}

/** The paths that a row had, and has not any more after this settle. */
export function freedBy({ pushed = [] }: Pick<RowState, "pushed">, settlement: Settlement): readonly Pushed[] {
  if (pushed.length === 0) return [];
  const { schedule, state } = settlement;
  const kept = new Set(schedule.kind === "gone" ? [] : (state.pushed ?? []).map(waitOf));
  return pushed.filter((path) => !kept.has(waitOf(path)));
}

function waitOf(pushed: Pushed): PathWait {
  return pathWait(pushPlace(pushed));
}

type WakeDeps = Pick<ReconcileDeps, "leases" | "queue" | "clock" | "log">;

/** Nudges the rows that wait for these paths. One that is refused at this moment looks again shortly afterwards. */
export async function wakeForPaths(deps: WakeDeps, freed: readonly Pushed[]): Promise<void> {
  try {
    for (const pushed of freed) {
      const syncs = await nudgeReferring(deps, waitOf(pushed), { verify: false, atOnce: true });
      if (syncs > 0) deps.log.info("path-released", { vault: pushed.vault, path: pushPlace(pushed).path, syncs });
    }
  } catch (error) {
    if (!(error instanceof SyncError)) throw error;
    // They retry by themselves, only later.
    deps.log.warn("wake-failed", { code: error.code, message: error.message });
  }
}
