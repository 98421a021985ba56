import { Gauge, type Registry } from "prom-client";
import { partsOf, type SyncKey } from "../keys.ts";
import type { Issue } from "../ports/issues.ts";
import type { Due, LeaseStore } from "../ports/store.ts";

/** Counts issues in memory, because each scrape would otherwise read every row that has some. */
export interface IssuesHeld {
  /** Takes a row's state at the start. */
  remember(key: SyncKey, issues: readonly Issue[]): void;
  /** Wraps a store to notice what becomes of issues. */
  seeing<S extends LeaseStore>(store: S): S;
}

type Held = Issue["state"] | "at-risk";

/** Adds `keyferry_issues` to a registry: issued credentials and certificates by cluster and state. */
export function issuesHeld(registry: Registry): IssuesHeld {
  const held = new Map<SyncKey, readonly Held[]>();
  const see = (key: SyncKey, issues: readonly Issue[] = []): void => {
    if (issues.length === 0) held.delete(key);
    else held.set(key, issues.map(heldAs));
  };
  /** A clean-up takes over what the row had. */
  const moved = (key: SyncKey, due: Due | undefined): Due | undefined => {
    const had = held.get(key);
    if (due === undefined || due.key === key || had === undefined) return due;
    held.delete(key);
    held.set(due.key, [...(held.get(due.key) ?? []), ...had]);
    return due;
  };
  register(registry, held);
  return {
    remember: see,
    seeing: (store) => ({
      ...store,
      async record(lease, state, now) {
        const outcome = await store.record(lease, state, now);
        if (outcome === "recorded") see(lease.key, state.issues);
        return outcome;
      },
      async settle(lease, settlement) {
        const outcome = await store.settle(lease, settlement);
        if (outcome !== "lost") see(lease.key, settlement.schedule.kind === "gone" ? [] : settlement.state.issues);
        return outcome;
      },
      tombstone: async (key, uid, now) => moved(key, await store.tombstone(key, uid, now)),
      retire: async (key, until, now, hash) => moved(key, await store.retire(key, until, now, hash)),
      release(key, hash) {
        see(key);
        return store.release(key, hash);
      },
    }),
  };
}

function heldAs({ state, atRisk }: Issue): Held {
  return state === "live" && atRisk !== undefined ? "at-risk" : state;
}

function register(registry: Registry, held: ReadonlyMap<SyncKey, readonly Held[]>): void {
  const gauge: Gauge = new Gauge({
    name: "keyferry_issues",
    help: "What Vault issued and has not ended, by state; at-risk: in use, and its renewals are not answered.",
    labelNames: ["cluster", "state"],
    registers: [registry],
    collect() {
      gauge.reset();
      for (const [key, states] of held) for (const state of states) gauge.inc({ cluster: partsOf(key).cluster, state });
    },
  });
}
