import { Gauge, type Registry } from "prom-client";
import { partsOf, type SyncKey } from "../keys.ts";
import type { OwedRollout } from "../ports/rows.ts";
import type { LeaseStore } from "../ports/store.ts";

/** Counts owed restarts in memory, because each scrape would otherwise read the whole lease table. */
export interface RolloutsOwed {
  /** Takes the lease table's state at the start. */
  remember(owing: ReadonlyMap<SyncKey, Pick<OwedRollout, "attempts">>): void;
  /** Wraps a store to notice when restarts become owed, are done or are dropped. */
  seeing<S extends LeaseStore>(store: S): S;
}

/** Adds `keyferry_rollouts_owed` to a registry: syncs by cluster whose restarts wait for their time, or failed. */
export function rolloutsOwed(registry: Registry): RolloutsOwed {
  const owing = new Map<SyncKey, "waiting" | "failed">();
  const see = (key: SyncKey, rollout: Pick<OwedRollout, "attempts"> | undefined): void => {
    if (rollout === undefined) owing.delete(key);
    else owing.set(key, rollout.attempts > 0 ? "failed" : "waiting");
  };
  register(registry, owing);
  return {
    remember(known) {
      for (const [key, rollout] of known) see(key, rollout);
    },
    seeing: (store) => ({
      ...store,
      async settle(lease, settlement) {
        const outcome = await store.settle(lease, settlement);
        if (outcome !== "lost") see(lease.key, settlement.state.rollout);
        return outcome;
      },
      tombstone(key, uid, now) {
        see(key, undefined);
        return store.tombstone(key, uid, now);
      },
      release(key, hash) {
        see(key, undefined);
        return store.release(key, hash);
      },
    }),
  };
}

function register(registry: Registry, owing: ReadonlyMap<SyncKey, "waiting" | "failed">): void {
  const gauge: Gauge = new Gauge({
    name: "keyferry_rollouts_owed",
    help: "Syncs whose workloads still run with old data: their restart waits for its time, or failed.",
    labelNames: ["cluster", "state"],
    registers: [registry],
    collect() {
      gauge.reset();
      for (const [key, state] of owing) gauge.inc({ cluster: partsOf(key).cluster, state });
    },
  });
}
