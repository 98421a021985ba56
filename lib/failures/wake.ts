import { type EpochMs, SECOND_MS } from "../clock.ts";
import type { SyncKey } from "../keys.ts";
import type { ReconcileDeps } from "../ports/deps.ts";
import type { Place } from "../ports/rows.ts";
import type { Due } from "../ports/store.ts";
import { sendDue } from "../schedule/messages.ts";
import type { Cause } from "./causes.ts";

type Deps = Pick<ReconcileDeps, "leases" | "queue" | "clock" | "log">;

/** What was mended, and where those who waited for it are found. */
export interface Mended {
  readonly cause: Cause;
  readonly cluster: string;
  /** Where they read, when that is what they wait for. */
  readonly place?: Place;
}

interface Sought {
  readonly causes: Set<Cause>;
  readonly but: Set<SyncKey>;
}

export interface Waker {
  /** Everyone who waits for this, but for who found it mended; without a source, with the next search. */
  all(mended: Mended, but: SyncKey): Promise<void>;
  /** Searches the cluster for those who are to be woken, if there are such and the last search is long enough ago. */
  search(cluster: string): Promise<void>;
  one(key: SyncKey): Promise<void>;
}

/** Rows that are read or nudged at once. */
const AT_ONCE = 100;
/** From one search of a cluster to the next, and how many times as long as it took: whoever breaks and mends things all day costs others little. */
const SHORTEST_REST_MS = SECOND_MS;
const REST_FACTOR = 10;

/** Finds those who wait for a cause: by what they read, else among all rows of the cluster, together with what else was mended there. */
export function waker(deps: Deps): Waker {
  const sought = new Map<string, Sought>();
  const searching = new Set<string>();
  const restUntil = new Map<string, EpochMs>();

  const search = async (cluster: string): Promise<void> => {
    const wanted = sought.get(cluster);
    if (wanted === undefined || searching.has(cluster)) return;
    const from = deps.clock();
    if (from < (restUntil.get(cluster) ?? 0)) return;
    const { causes, but } = wanted;
    sought.delete(cluster);
    searching.add(cluster);
    try {
      const rows = await deps.leases.byCluster(cluster);
      const found = rows.filter(({ key, error }) => error?.cause && causes.has(error.cause) && !but.has(key));
      const keys = found.map(({ key }) => key);
      await nudgeAll(deps, keys, causes);
    } finally {
      searching.delete(cluster);
      const now = deps.clock();
      restUntil.set(cluster, now + Math.max(SHORTEST_REST_MS, REST_FACTOR * (now - from)));
    }
  };
  const seek = (cause: Cause, cluster: string, but: SyncKey): void => {
    const wanted = sought.get(cluster) ?? { causes: new Set(), but: new Set() };
    wanted.causes.add(cause);
    wanted.but.add(but);
    sought.set(cluster, wanted);
  };

  return {
    async all({ cause, cluster, place }, but) {
      if (place === undefined) return seek(cause, cluster, but);
      const sharers = (await deps.leases.bySource(`${place.vault}\n${place.path}`)).filter((key) => key !== but);
      const found: SyncKey[] = [];
      for (const keys of slices(sharers)) {
        const rows = await deps.leases.read(keys, "strong");
        for (const { key, state } of rows.values()) if (state.error?.cause === cause) found.push(key);
      }
      await nudgeAll(deps, found, new Set([cause]));
    },
    search,
    one: (key) => nudgeAll(deps, [key], new Set()),
  };
}

async function nudgeAll(deps: Deps, keys: readonly SyncKey[], causes: ReadonlySet<Cause>): Promise<void> {
  if (keys.length === 0) return;
  const dues: Due[] = [];
  for (const some of slices(keys)) {
    const now = deps.clock();
    const nudged = await Promise.all(some.map((key) => deps.leases.nudge(key, { now, verify: false })));
    for (const due of nudged) if (due !== undefined) dues.push(due);
  }
  await sendDue(deps.queue, dues, deps.clock());
  if (causes.size > 0) deps.log.info("waiting-syncs-woken", { causes: [...causes].slice(0, 5), syncs: dues.length });
}

function slices(keys: readonly SyncKey[]): readonly (readonly SyncKey[])[] {
  return Array.from({ length: Math.ceil(keys.length / AT_ONCE) }, (_, at) =>
    keys.slice(at * AT_ONCE, (at + 1) * AT_ONCE),
  );
}
