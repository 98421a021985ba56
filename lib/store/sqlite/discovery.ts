import { partsOf, type ReferenceKey } from "../../keys.ts";
import type { Reference } from "../../ports/rows.ts";
import type { ClusterRow, ClusterState, ClusterStore, ReferenceStore } from "../../ports/store.ts";
import type { OnDamage } from "../damage.ts";
import { parsed, soundClusterState, soundReference } from "../stored.ts";
import type { Connection } from "./connection.ts";

/** The objects that syncs refer to (lease-table 23). */
export function referenceStore(connection: Connection): ReferenceStore {
  const body = connection.one<ReferenceRecord>("SELECT key, body FROM reference WHERE key = :key");
  const ofCluster = connection.all<ReferenceRecord>("SELECT key, body FROM reference WHERE cluster = :cluster");
  const referenceOf = ({ key, body }: ReferenceRecord): Reference | undefined => {
    const reference = soundReference(parsed(body));
    if (reference === undefined) connection.damaged(key);
    return reference;
  };
  const put = connection.write(`
    INSERT INTO reference (key, cluster, uid, hash, body) VALUES (:key, :cluster, :uid, :hash, :body)
    ON CONFLICT (key) DO UPDATE SET uid = excluded.uid, hash = excluded.hash, body = excluded.body
    WHERE uid <> excluded.uid OR hash <> excluded.hash OR NOT json_valid(body)`);
  const remove = connection.write("DELETE FROM reference WHERE key = :key");
  return {
    references: (keys) =>
      connection.read("references", () => {
        const found = keys.flatMap((key): [ReferenceKey, Reference][] => {
          const record = body({ key });
          const reference = record && referenceOf(record);
          return reference === undefined ? [] : [[key, reference]];
        });
        return new Map(found);
      }),
    putReference: (reference) =>
      connection.change("putReference", () => {
        const { key, uid, hash } = reference;
        return put({ key, cluster: partsOf(key).cluster, uid, hash, body: JSON.stringify(reference) }) === 1;
      }),
    removeReference: (key) => connection.change("removeReference", () => remove({ key }) === 1),
    referencesOf: (cluster) =>
      connection.read("referencesOf", () => ofCluster({ cluster }).flatMap((record) => referenceOf(record) ?? [])),
  };
}

interface ReferenceRecord {
  readonly key: ReferenceKey;
  readonly body: string;
}

interface ClusterRecord {
  readonly name: string;
  readonly fence: number;
  readonly lease_until: number | null;
  readonly due_at: number;
  readonly state: string;
}

const NEW_CLUSTER: ClusterState = { cursors: {}, attempts: 0 };

/** The state of discovery, and which worker watches a cluster now (lease-table 21). */
export function clusterStore(connection: Connection): ClusterStore {
  const one = connection.one<ClusterRecord>("SELECT * FROM cluster WHERE name = :name");
  const all = connection.all<ClusterRecord>("SELECT * FROM cluster ORDER BY name");
  const claim = connection.writeOne<ClusterRecord>(`
    INSERT INTO cluster (name, fence, lease_until, due_at, state) VALUES (:name, :now, :until, :until, :state)
    ON CONFLICT (name) DO UPDATE SET fence = fence + 1, lease_until = :until, due_at = :until
    WHERE lease_until IS NULL OR lease_until <= :now
    RETURNING *`);
  const save = connection.write(`
    UPDATE cluster SET state = :state, lease_until = :until, due_at = :dueAt WHERE name = :name AND fence = :fence`);
  const remove = connection.write("DELETE FROM cluster WHERE name = :name");
  return {
    cluster: (name) => connection.read("cluster", () => optional(one({ name }), connection.damaged)),
    clusters: () => connection.read("clusters", () => all({}).map((record) => clusterOf(record, connection.damaged))),
    claimCluster: (name, { now, until }) =>
      connection.change("claimCluster", () =>
        optional(claim({ name, now, until, state: JSON.stringify(NEW_CLUSTER) }), connection.damaged),
      ),
    saveCluster: ({ name, fence }, state, then) =>
      connection.change("saveCluster", () => {
        const times = "until" in then ? { until: then.until, dueAt: then.until } : { until: null, dueAt: then.dueAt };
        return save({ name, fence, state: JSON.stringify(state), ...times }) === 1;
      }),
    removeCluster: (name) => connection.change("removeCluster", () => void remove({ name })),
  };
}

function optional(record: ClusterRecord | undefined, damaged: OnDamage): ClusterRow | undefined {
  return record === undefined ? undefined : clusterOf(record, damaged);
}

function clusterOf(record: ClusterRecord, damaged: OnDamage): ClusterRow {
  return {
    name: record.name,
    fence: record.fence,
    ...(record.lease_until === null ? {} : { leaseUntil: record.lease_until }),
    dueAt: record.due_at,
    state: soundClusterState(parsed(record.state), () => damaged(record.name)),
  };
}
