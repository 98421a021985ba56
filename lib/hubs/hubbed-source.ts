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
  /** Called with each fleet that replaces another one, whoever took it up, before anything works with it. */
  onChange(listener: FleetListener): void;
}

export type FleetListener = (before: ComposedFleet, now: ComposedFleet) => void;

/** Reads the rows of hubs at most every 30 s, and only if fleet.yaml has hubs. */
export function hubbedSource(
  source: FleetSource,
  leases: Pick<HubStore, "hubs" | "hubState">,
  clock: Clock,
): HubbedSource {
  let live: LiveFleet | undefined;
  let own: Fleet | undefined;
  let takenAt: EpochMs = Number.NEGATIVE_INFINITY;
  let told: ComposedFleet | undefined;
  const listeners: FleetListener[] = [];
  const tell = (now: ComposedFleet): void => {
    const before = told;
    told = now;
    if (before !== undefined && before !== now) for (const listener of listeners) listener(before, now);
  };
  const taken = async (now: Fleet): Promise<ComposedFleet> => {
    live ??= liveFleet(now, leases);
    await live.take(now);
    own = now;
    takenAt = clock();
    // Another one may have been taken up meanwhile.
    const fleet = live.current();
    tell(fleet);
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
    onChange: (listener) => void listeners.push(listener),
    live() {
      if (live === undefined) throw new SyncError("REFERENCE_INVALID", "the fleet was not read yet: read it first");
      return live;
    },
  };
}
