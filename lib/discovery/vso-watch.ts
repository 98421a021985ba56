import { type EpochMs, SECOND_MS } from "../clock.ts";
import { SyncError } from "../errors.ts";
import { isHandedOver } from "../handed-over.ts";
import type { CircuitOpener } from "../reconcile/circuit.ts";
import type { ClusterSettings, Row, SeenResource, VsoSeen } from "../reconcile/ports.ts";
import { standsBack, vsoMustBeGone, worksBesideVso, writeOfVso } from "../reconcile/vso.ts";
import type { DiscoveryDeps } from "./deps.ts";

/** A busy operator writes many statuses in a second: they are told of so often. */
const TELL_AGAIN_MS = 10 * SECOND_MS;

/** Sees another controller at work in what is followed anyway (kubernetes-rules 24). */
export interface VsoWatch {
  /** A declaration whose status may have been written by someone else, and what we know of it. */
  see(row: Row | undefined, object: SeenResource): Promise<void>;
  latest(): VsoSeen | undefined;
}

export interface VsoWatchContext {
  readonly settings: ClusterSettings;
  readonly circuits: CircuitOpener;
  /** What was seen by former looks. */
  readonly before: VsoSeen | undefined;
  /** Stores what was seen, so that whoever asks whether VSO is gone knows it. */
  readonly save: (seen: VsoSeen) => Promise<void>;
}

export function vsoWatch(deps: Pick<DiscoveryDeps, "clock">, context: VsoWatchContext): VsoWatch {
  const { settings, circuits } = context;
  let latest = context.before;
  let toldAt: EpochMs | undefined;
  return {
    latest: () => latest,
    async see(row, object) {
      if (worksBesideVso(settings, object.namespace) || isHandedOver(object.annotations)) return;
      const now = deps.clock();
      const seen = writeOfVso(row, object, now);
      if (seen === undefined) return;
      if (latest === undefined || seen.until > latest.until) latest = seen;
      if (toldAt !== undefined && now - toldAt < TELL_AGAIN_MS) return;
      toldAt = now;
      // Stored before it is told: the first probe asks for it a second later.
      await context.save(latest);
      await circuits.open(standsBack(settings.name, seen.what));
    },
  };
}

/** Before anything is taken in: a VSO that holds its lease is at work, whatever it has written. */
export async function noticeVso(
  deps: Pick<DiscoveryDeps, "clusters" | "leases" | "clock">,
  circuits: CircuitOpener,
  settings: ClusterSettings,
  signal: AbortSignal,
): Promise<void> {
  try {
    await vsoMustBeGone(deps, settings, signal);
  } catch (error) {
    if (!(error instanceof SyncError) || error.code !== "OTHER_CONTROLLER") throw error;
    await circuits.open(error);
  }
}
