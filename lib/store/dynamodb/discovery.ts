import type { EpochMs } from "../../clock.ts";
import type { ReferenceKey } from "../../keys.ts";
import type { Reference } from "../../ports/rows.ts";
import type { ClusterRow, ClusterState, ClusterStore, ReferenceStore } from "../../ports/store.ts";
import type { OnDamage } from "../damage.ts";
import { parsed, soundClusterState, soundReference } from "../stored.ts";
import {
  all,
  either,
  fenceIsStill,
  itemExists,
  itemIsAbsent,
  itsLeaseRanOut,
  nobodyHoldsIt,
  versionDiffers,
} from "./conditions.ts";
import type { Connection } from "./connection.ts";
import { CLUSTERS, type ItemKey, referenceAt, referencesOfCluster } from "./table.ts";

interface ReferenceItem {
  readonly sk: string;
  readonly uid: string;
  readonly declaredHash: string;
  /** JSON: Reference. */
  readonly reference: string;
}

function referenceOf({ sk, reference }: ReferenceItem, damaged: OnDamage): readonly Reference[] {
  const sound = soundReference(parsed(reference));
  if (sound === undefined) damaged(sk);
  return sound === undefined ? [] : [sound];
}

/** The objects that syncs refer to: one partition per cluster, so that a list needs no index (lease-table 23). */
export function referenceStore(connection: Connection): ReferenceStore {
  return {
    references: async (keys, consistency) => {
      connection.count("references");
      const found = await connection.getAll<ReferenceItem>(keys.map(referenceAt), consistency);
      const sound = found.flatMap((item) => referenceOf(item, connection.damaged));
      return new Map(sound.map((reference): [ReferenceKey, Reference] => [reference.key, reference]));
    },
    putReference: async (reference) => {
      connection.count("putReference");
      const { key, uid, hash } = reference;
      const at = referenceAt(key);
      const old = await connection.get<ReferenceItem>(at, "eventual");
      const isKnown = old?.uid === uid && old.declaredHash === hash;
      if (isKnown && soundReference(parsed(old.reference)) !== undefined) return false;
      const item = { ...at, uid, declaredHash: hash, reference: JSON.stringify(reference) };
      // An unreadable reference is written again, whatever its version.
      return connection.put(item, isKnown ? undefined : either(itemIsAbsent, versionDiffers(uid, hash)));
    },
    removeReference: async (key) => {
      connection.count("removeReference");
      const removed = await connection.remove<ReferenceItem>(referenceAt(key));
      return removed.item !== undefined;
    },
    referencesOf: async (cluster) => {
      connection.count("referencesOf");
      const found = await connection.query<ReferenceItem>({ partition: ["pk", referencesOfCluster(cluster)] });
      return found.flatMap((item) => referenceOf(item, connection.damaged));
    },
  };
}

interface ClusterItem {
  readonly sk: string;
  readonly fence: number;
  readonly leaseUntil?: EpochMs;
  readonly dueAt: EpochMs;
  /** JSON: ClusterState. */
  readonly state: string;
}

const NEW_CLUSTER: ClusterState = { cursors: {}, attempts: 0 };

function clusterAt(name: string): ItemKey {
  return { pk: CLUSTERS, sk: name };
}

function clusterOf({ sk: name, fence, leaseUntil, dueAt, state }: ClusterItem, damaged: OnDamage): ClusterRow {
  const claimed = leaseUntil === undefined ? {} : { leaseUntil };
  return { name, fence, ...claimed, dueAt, state: soundClusterState(parsed(state), () => damaged(name)) };
}

/** The state of discovery, and which worker watches a cluster now (lease-table 21). */
export function clusterStore(connection: Connection): ClusterStore {
  return {
    cluster: async (name) => {
      connection.count("cluster");
      const item = await connection.get<ClusterItem>(clusterAt(name), "strong");
      return item && clusterOf(item, connection.damaged);
    },
    clusters: async () => {
      connection.count("clusters");
      const found = await connection.query<ClusterItem>({ partition: ["pk", CLUSTERS] });
      return found.map((item) => clusterOf(item, connection.damaged));
    },
    claimCluster: async (name, { now, until }) => {
      connection.count("claimCluster");
      const change = { set: { leaseUntil: until, dueAt: until }, add: { fence: 1 } };
      const itIsFree = all(itemExists, either(nobodyHoldsIt, itsLeaseRanOut(now)));
      const claimed = await connection.update<ClusterItem>(clusterAt(name), change, itIsFree);
      if (claimed.holds) return clusterOf(claimed.item, connection.damaged);
      if (claimed.item !== undefined) return undefined;
      // The cluster's first watch pass.
      const row = { fence: now, leaseUntil: until, dueAt: until };
      const item = { ...clusterAt(name), ...row, state: JSON.stringify(NEW_CLUSTER) };
      return (await connection.put(item, itemIsAbsent)) ? { name, ...row, state: NEW_CLUSTER } : undefined;
    },
    saveCluster: async ({ name, fence }, state, then) => {
      connection.count("saveCluster");
      const times =
        "until" in then ? { leaseUntil: then.until, dueAt: then.until } : { leaseUntil: undefined, dueAt: then.dueAt };
      const change = { set: { state: JSON.stringify(state), ...times } };
      return (await connection.update(clusterAt(name), change, all(itemExists, fenceIsStill(fence)))).holds;
    },
    removeCluster: async (name) => {
      connection.count("removeCluster");
      await connection.remove(clusterAt(name));
    },
  };
}
