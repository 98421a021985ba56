import { SECOND_MS } from "../clock.ts";
import { SyncError } from "../errors.ts";
import type { ClusterRow, LeaseStore } from "../ports/store.ts";
import type { DiscoveryDeps } from "./deps.ts";

/** After its lease, a watch pass asks again after this time whether it still has the cluster. */
const PROVEN_MS = SECOND_MS;

/**
 * The store, as a watch pass writes to it: once another pass has claimed the cluster, this one stores and removes
 * nothing by what it saw, because the other one may have seen since that it is gone, or that it is back (lease-table
 * 21). A pass that outlasts its lease goes on while no other one begins, so that a long list ends.
 */
export function underPassLease(
  { leases, clock }: Pick<DiscoveryDeps, "leases" | "clock">,
  { name, fence, leaseUntil }: Pick<ClusterRow, "name" | "fence"> & { readonly leaseUntil: number },
): LeaseStore {
  let provenUntil = leaseUntil;
  const mustHold = async (): Promise<void> => {
    // Again after a slow answer, which proves nothing of now.
    while (clock() > provenUntil) {
      const askedAt = clock();
      if ((await leases.cluster(name))?.fence !== fence) {
        throw new SyncError("LEASE_LOST", `another watch pass over cluster ${name} has begun`);
      }
      provenUntil = askedAt + PROVEN_MS;
    }
  };
  return {
    ...leases,
    async declare(declared, now) {
      await mustHold();
      return leases.declare(declared, now);
    },
    async tombstone(key, uid, now) {
      await mustHold();
      return leases.tombstone(key, uid, now);
    },
    async retire(key, until, now, hash) {
      await mustHold();
      return leases.retire(key, until, now, hash);
    },
    async putReference(reference) {
      await mustHold();
      return leases.putReference(reference);
    },
    async removeReference(key) {
      await mustHold();
      return leases.removeReference(key);
    },
    async removeCluster(cluster) {
      await mustHold();
      return leases.removeCluster(cluster);
    },
  };
}
