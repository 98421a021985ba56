import { type EpochMs, SECOND_MS } from "../clock.ts";
import { SyncError } from "../errors.ts";
import { wakeRefused } from "../failures/release-wake.ts";
import type { SeenResource } from "../ports/resources.ts";
import type { Row } from "../ports/rows.ts";
import type { DiscoveryDeps } from "./deps.ts";
import { recognised } from "./recognise.ts";

/** A Secret as it was seen, or as it was before it went. */
export interface SecretSeen {
  readonly secret: SeenResource;
  readonly isDeleted: boolean;
}

/** What takes a pass through all rows of a cluster: gathered, so that many Secrets cost one pass. */
export interface SecretSearch {
  /** No row knows it by owner reference. */
  unknown(seen: SecretSeen): void;
  /** It is gone, and someone may wait for that. */
  released(secret: Pick<SeenResource, "namespace" | "name">): void;
  /** Does nothing when nothing waits, or when the last pass was a moment ago, unless this one is the `last`. */
  run(last: boolean): Promise<void>;
  isPending(): boolean;
}

/** All rows of a cluster are looked through at most so often, and for a tenth of the time. */
const PAUSE_MS = 300;
const SHARE = 10;
const MAX_PAUSE_MS = 10 * SECOND_MS;
/** So many Secrets may wait for that; of more, those that come last are seen with the next list. */
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
      // Seen once more meanwhile: then the later one is still to be checked.
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
