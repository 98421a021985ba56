import type { Clock, EpochMs } from "../clock.ts";
import { SECOND_MS } from "../clock.ts";
import { SyncError } from "../errors.ts";
import type { Fleet } from "../fleet/fleet.ts";
import type { FleetSource } from "../fleet/fleet-source.ts";
import type { HubStore } from "../ports/store.ts";
import type { ComposedFleet } from "./compose.ts";
import { type LiveFleet, liveFleet } from "./live-fleet.ts";

/** How old the known rows of hubs may be. */
const FRESH_MS = 30 * SECOND_MS;

/** A fleet with the clusters of its hubs, for processes that may not read the hubs themselves. */
export interface HubbedSource extends FleetSource {
  current(): Promise<ComposedFleet>;
  /** Composes anew now, after a pass over a hub. */
  renewed(): Promise<ComposedFleet>;
  /** The last fleet; undefined before the first `current`. */
  known(): LiveFleet | undefined;
  /** The same; throws before the first `current`. */
  live(): LiveFleet;
}

/** Reads the rows of hubs at most every 30 s, and only if fleet.yaml has hubs. */
export function hubbedSource(
  source: FleetSource,
  leases: Pick<HubStore, "hubs" | "hubState">,
  clock: Clock,
): HubbedSource {
  let live: LiveFleet | undefined;
  let own: Fleet | undefined;
  let takenAt: EpochMs = Number.NEGATIVE_INFINITY;
  const taken = async (now: Fleet): Promise<ComposedFleet> => {
    live ??= liveFleet(now, leases);
    const fleet = await live.take(now);
    own = now;
    takenAt = clock();
    return fleet;
  };
  return {
    files: source.files,
    async current() {
      const now = await source.current();
      const isFresh = now === own && (now.hubs.length === 0 || clock() - takenAt < FRESH_MS);
      return isFresh && live !== undefined ? live.current() : taken(now);
    },
    async renewed() {
      return taken(await source.current());
    },
    known: () => live,
    live() {
      if (live === undefined) throw new SyncError("REFERENCE_INVALID", "the fleet was not read yet: read it first");
      return live;
    },
  };
}
