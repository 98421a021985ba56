import { SyncError } from "../errors.ts";
import { partsOf, type SyncKey } from "../keys.ts";
import type { Declared, Reference } from "../ports/rows.ts";
import type { ClusterState } from "../ports/store.ts";
import type { DiscoveryDeps } from "./deps.ts";

/** Limits for the lease table, per cluster and per namespace: objects, and bytes of their declarations. */
export interface Limits {
  readonly cluster: Size;
  readonly namespace: Size;
}

export interface Size {
  readonly rows: number;
  readonly bytes: number;
}

const MIB = 1_024 * 1_024;

/** A full namespace leaves room for others; docs/fleet.md repeats these numbers. */
export const LIMITS: Limits = {
  cluster: { rows: 50_000, bytes: 128 * MIB },
  namespace: { rows: 10_000, bytes: 32 * MIB },
};

/** The budget of a cluster: known objects may change, new ones need room. */
export interface RowBudget {
  /** Whether this object may be stored. Otherwise `problem` reports it. */
  hasRoom(key: SyncKey, bytes: number): Promise<boolean>;
  /** Call after storing a new or changed object. */
  took(key: SyncKey, bytes: number): void;
  /** An upper bound for the cluster's row, which usually avoids counting. */
  kept(): NonNullable<ClusterState["kept"]>;
  /** Reports what was not stored, if anything. */
  problem(): SyncError | undefined;
}

/** Far from the limits only new objects are counted; near a limit all rows of the cluster are. */
export function rowBudget(
  deps: Pick<DiscoveryDeps, "leases">,
  cluster: string,
  before: ClusterState["kept"],
  limits: Limits = LIMITS,
): RowBudget {
  let estimate: Size = before ?? { rows: 0, bytes: 0 };
  let counting: Promise<Counted> | undefined;
  let counted: Counted | undefined;
  const leftOut = new Map<string, number>();
  const isFar = (): boolean => estimate.rows < limits.namespace.rows / 2 && estimate.bytes < limits.namespace.bytes / 2;
  const count = async (): Promise<Counted> => {
    counting ??= countedRows(deps, cluster);
    counted = await counting;
    estimate = counted.total();
    return counted;
  };
  return {
    async hasRoom(key, bytes) {
      if (isFar()) return true;
      const rows = await count();
      const { namespace } = partsOf(key);
      if (rows.fits(key, namespace, bytes, limits)) return true;
      leftOut.set(namespace, (leftOut.get(namespace) ?? 0) + 1);
      return false;
    },
    took(key, bytes) {
      counted?.put(key, bytes);
      estimate = counted?.total() ?? { rows: estimate.rows + 1, bytes: estimate.bytes + bytes };
    },
    kept: () => estimate,
    problem() {
      if (leftOut.size === 0) return undefined;
      const where = [...leftOut].sort().slice(0, 5);
      const names = where.map(([namespace, objects]) => `${objects} of namespace ${namespace}`).join(", ");
      const { cluster: all, namespace: one } = limits;
      return new SyncError(
        "CLUSTER_TOO_LARGE",
        `cluster ${cluster} declares more than keyferry stores: ${names} are ignored. The limit is ${textOf(one)} for a ` +
          `namespace and ${textOf(all)} for a cluster: remove resources, or spread them over namespaces`,
      );
    },
  };
}

function textOf({ rows, bytes }: Size): string {
  return `${rows} objects and ${bytes / MIB} MiB`;
}

interface Counted {
  fits(key: SyncKey, namespace: string, bytes: number, limits: Limits): boolean;
  put(key: SyncKey, bytes: number): void;
  total(): Size;
}

/** Every row and reference of the cluster; an object that is both counts once. */
async function countedRows({ leases }: Pick<DiscoveryDeps, "leases">, cluster: string): Promise<Counted> {
  const sizes = new Map<string, number>();
  const byNamespace = new Map<string, Size>();
  let total: Size = { rows: 0, bytes: 0 };
  const put = (key: string, namespace: string, bytes: number): void => {
    const old = sizes.get(key);
    const change = { rows: old === undefined ? 1 : 0, bytes: bytes - (old ?? 0) };
    sizes.set(key, bytes);
    total = sum(total, change);
    byNamespace.set(namespace, sum(byNamespace.get(namespace) ?? { rows: 0, bytes: 0 }, change));
  };
  for (const { key, bytes = 0 } of await leases.byCluster(cluster)) put(key, partsOf(key).namespace, bytes);
  for (const reference of await leases.referencesOf(cluster)) {
    put(reference.key, partsOf(reference.key).namespace, bytesOf(reference));
  }
  return {
    put: (key, bytes) => put(key, partsOf(key).namespace, bytes),
    total: () => total,
    fits(key, namespace, bytes, limits) {
      const old = sizes.get(key);
      if (old !== undefined && bytes <= old) return true;
      const change = { rows: old === undefined ? 1 : 0, bytes: bytes - (old ?? 0) };
      const isWithin = (size: Size, limit: Size): boolean => size.rows <= limit.rows && size.bytes <= limit.bytes;
      const there = byNamespace.get(namespace) ?? { rows: 0, bytes: 0 };
      return isWithin(sum(there, change), limits.namespace) && isWithin(sum(total, change), limits.cluster);
    },
  };
}

function sum(a: Size, b: Size): Size {
  return { rows: a.rows + b.rows, bytes: a.bytes + b.bytes };
}

/** The approximate size of a declaration or reference: its text. */
export function bytesOf({
  spec,
  labels,
  annotations,
}: Pick<Declared | Reference, "spec" | "labels" | "annotations">): number {
  return Buffer.byteLength(JSON.stringify([spec, labels, annotations]));
}
