import { type EpochMs, SECOND_MS } from "../clock.ts";
import { SyncError } from "../errors.ts";
import { wakeRefused } from "../failures/release-wake.ts";
import type { SeenResource } from "../ports/resources.ts";
import type { Row } from "../ports/rows.ts";
import type { DiscoveryDeps } from "./deps.ts";
import { recognised } from "./recognise.ts";

/** A Secret as last seen, before or at its deletion. */
export interface SecretSeen {
  readonly secret: SeenResource;
  readonly isDeleted: boolean;
  /** The revision of the list that has it; missing for an event. */
  readonly listedAt?: string | undefined;
}

/** Collects work that needs all rows of a cluster, so that many Secrets cost one read of the rows. */
export interface SecretSearch {
  /** No row matches its owner references. */
  unknown(seen: SecretSeen): void;
  /** The Secret is gone, and a sync may wait for that. */
  released(secret: Pick<SeenResource, "namespace" | "name">): void;
  /** Does nothing without work, or shortly after the last run unless this is the `last`. */
  run(last: boolean): Promise<void>;
  isPending(): boolean;
}

/** The minimum pause between reads of all rows, which limits them to a tenth of the time. */
const PAUSE_MS = 300;
const SHARE = 10;
const MAX_PAUSE_MS = 10 * SECOND_MS;
/** The maximum number of waiting Secrets; further ones are handled with the next list. */
const MAX_WAITING = 10_000;

export function secretSearch(
  deps: DiscoveryDeps,
  cluster: string,
  found: (row: Row, seen: SecretSeen, last: boolean) => Promise<void>,
): SecretSearch {
  const unknown = new Map<string, SecretSeen>();
  const released = new Set<string>();
  let againAt: EpochMs = 0;
  const search = async (last: boolean): Promise<void> => {
    for (const place of [...released]) {
      await wakeRefused(deps, cluster, place);
      released.delete(place);
    }
    if (unknown.size === 0) return;
    const places = new Map(unknown);
    const rows = await deps.leases.byCluster(cluster);
    const secrets = [...places.values()].map(({ secret }) => secret);
    const owners = await recognised(deps.leases, rows, secrets);
    for (const [place, seen] of places) {
      // Seen again meanwhile: the newer state still needs a check.
      if (unknown.get(place) === seen) unknown.delete(place);
      for (const row of owners.get(seen.secret) ?? []) await found(row, seen, last);
    }
  };
  const isPending = (): boolean => unknown.size > 0 || released.size > 0;
  return {
    isPending,
    unknown(seen) {
      if (unknown.size < MAX_WAITING) unknown.set(namespacedName(seen.secret), seen);
    },
    released(secret) {
      if (released.size < MAX_WAITING) released.add(namespacedName(secret));
    },
    async run(last) {
      const startedAt = deps.clock();
      if (!isPending() || (startedAt < againAt && !last)) return;
      try {
        await search(last);
      } catch (error) {
        if (!(error instanceof SyncError) || last) throw error;
        deps.log.warn("search-failed", { cluster, code: error.code, message: error.message });
      }
      const now = deps.clock();
      againAt = now + Math.min(Math.max(PAUSE_MS, (now - startedAt) * SHARE), MAX_PAUSE_MS);
    },
  };
}

export function namespacedName({ namespace, name }: Pick<SeenResource, "namespace" | "name">): string {
  return `${namespace}/${name}`;
}
