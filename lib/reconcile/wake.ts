import type { Cause } from "../causes.ts";
import type { SyncKey } from "../keys.ts";
import { sendDue } from "../schedule/messages.ts";
import type { ReconcileDeps } from "./deps.ts";
import type { Due } from "./ports.ts";

type Deps = Pick<ReconcileDeps, "leases" | "queue" | "clock" | "log">;

/** What was mended, and where those who waited for it are found. */
export interface Mended {
  readonly cause: Cause;
  readonly cluster: string;
  /** Index value of what they read, when that is what they wait for. */
  readonly source?: string;
}

interface Sought {
  readonly causes: Set<Cause>;
  readonly but: Set<SyncKey>;
}

export interface Waker {
  /** Everyone who waits for this, but for who found it mended. */
  all(mended: Mended, but: SyncKey): Promise<void>;
  one(key: SyncKey): Promise<void>;
}

/** Rows that are read or nudged at once. */
const AT_ONCE = 100;

/** Finds those who wait for a cause: by what they read, else among all rows of the cluster, one search at a time. */
export function waker(deps: Deps): Waker {
  const sought = new Map<string, Sought>();
  const searches = new Map<string, Promise<void>>();

  const search = async (cluster: string): Promise<void> => {
    try {
      for (let wanted = sought.get(cluster); wanted !== undefined; wanted = sought.get(cluster)) {
        const { causes, but } = wanted;
        sought.delete(cluster);
        const rows = await deps.leases.byCluster(cluster);
        const found = rows.filter(({ key, error }) => error?.cause && causes.has(error.cause) && !but.has(key));
        await nudgeAll(
          deps,
          found.map(({ key }) => key),
          causes,
        );
      }
    } finally {
      searches.delete(cluster);
    }
  };
  /** What is asked for during a search is sought in the next one, together. */
  const searchFor = (cause: Cause, cluster: string, but: SyncKey): Promise<void> => {
    const wanted = sought.get(cluster) ?? { causes: new Set(), but: new Set() };
    wanted.causes.add(cause);
    wanted.but.add(but);
    sought.set(cluster, wanted);
    const running = searches.get(cluster);
    if (running !== undefined) return running;
    const started = search(cluster);
    searches.set(cluster, started);
    return started;
  };

  return {
    async all({ cause, cluster, source }, but) {
      if (source === undefined) return searchFor(cause, cluster, but);
      const sharers = (await deps.leases.bySource(source)).filter((key) => key !== but);
      const found: SyncKey[] = [];
      for (const keys of slices(sharers)) {
        const rows = await deps.leases.read(keys, "strong");
        for (const { key, state } of rows.values()) if (state.error?.cause === cause) found.push(key);
      }
      await nudgeAll(deps, found, new Set([cause]));
    },
    one: (key) => nudgeAll(deps, [key], new Set()),
  };
}

async function nudgeAll(deps: Deps, keys: readonly SyncKey[], causes: ReadonlySet<Cause>): Promise<void> {
  if (keys.length === 0) return;
  const dues: Due[] = [];
  for (const some of slices(keys)) {
    const now = deps.clock();
    const nudged = await Promise.all(some.map((key) => deps.leases.nudge(key, { now, look: false })));
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
