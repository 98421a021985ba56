import { isDeepStrictEqual } from "node:util";
import type { EpochMs } from "../../../lib/clock.ts";
import { isCleanupKey, type SyncKey, syncKey } from "../../../lib/keys.ts";
import type { Row } from "../../../lib/ports/rows.ts";
import { isReferenceStatus } from "../../../lib/resource-kinds.ts";
import type { Json } from "../world/api/fields.ts";
import type { Stored } from "../world/api/objects.ts";
import { API } from "../world/builders.ts";
import type { MemoryCluster } from "../world/cluster.ts";
import { contentOf, FOREIGN } from "./monitor.ts";
import { type Declaration, SELDOM_SECONDS } from "./plan.ts";
import type { Processes } from "./processes.ts";
import { mayRead, type Setting } from "./setting.ts";

/** How a run should look once it is quiet: what is not so yet, and which syncs have nothing to do any more. */
export interface Convergence {
  readonly problems: readonly string[];
  readonly well: readonly SyncKey[];
}

interface Declared extends Pick<Declaration, "namespace" | "name" | "path" | "secret" | "auth"> {
  readonly key: SyncKey;
  readonly uid: string;
  readonly spec: unknown;
  /** Not refreshed within a run: it may hold an older version. */
  readonly isSeldom: boolean;
  readonly generation: number;
  /** The generation that its status describes. */
  readonly observed: unknown;
}

export async function convergence(setting: Setting, { store }: Processes, now: EpochMs): Promise<Convergence> {
  const open = (await store.circuits()).map(({ id }) => `circuit ${id} is open`);
  const found = await Promise.all(
    [...setting.clusters.values()].map((cluster) => inCluster(setting, cluster, { store, now })),
  );
  return {
    problems: [...open, ...found.flatMap(({ problems }) => problems)],
    well: found.flatMap(({ well }) => well),
  };
}

async function inCluster(
  setting: Setting,
  cluster: MemoryCluster,
  { store, now }: Pick<Processes, "store"> & { readonly now: EpochMs },
): Promise<Convergence> {
  const declared = declaredIn(cluster);
  const rows = await store.byCluster(cluster.name);
  const keys = rows.map(({ key }) => key);
  const states = await store.read(
    declared.map(({ key }) => key),
    "strong",
  );
  const judged = declared.map((one) => {
    const others = declared.filter((other) => other.namespace === one.namespace && other.secret === one.secret);
    const row = states.get(one.key);
    const problem =
      problemOf(setting, cluster, one, others) ??
      rowProblemOf(one, row, now) ??
      errorOf(setting, cluster, { one, others, row });
    return {
      key: one.key,
      problem: problem && `${problem} (${standing(row)})`,
      isWell: row?.state.error === undefined && others.length === 1,
    };
  });
  const wrong = judged.flatMap(({ key, problem }) => (problem === undefined ? [] : [`${key}: ${problem}`]));
  return {
    problems: [...wrong, ...unasked(keys, declared), ...strays(cluster, declared, states)],
    well: judged.filter(({ problem, isWell }) => problem === undefined && isWell).map(({ key }) => key),
  };
}

/** How a row stands in the table. */
function standing(row: Row | undefined): string {
  return JSON.stringify({ dueAt: row?.dueAt, wheel: row?.wheel, nudges: row?.nudges, error: row?.state.error?.code });
}

/** Rows of what is not declared, and clean-ups that are not done. */
function unasked(keys: readonly SyncKey[], declared: readonly Declared[]): readonly string[] {
  return keys.flatMap((key) => {
    if (isCleanupKey(key)) return [`clean-up ${key} is not done`];
    return isReferenceStatus(key) || declared.some((one) => one.key === key)
      ? []
      : [`${key} is not declared and has a row`];
  });
}

function rowProblemOf(
  { uid, spec, generation, observed }: Declared,
  row: Row | undefined,
  now: EpochMs,
): string | undefined {
  if (row === undefined) return "it has no row";
  if (row.declared.uid !== uid || !isDeepStrictEqual(row.declared.spec, spec))
    return "its row is of an older declaration";
  if (row.leaseUntil !== undefined) return "it is claimed";
  if (row.dueAt !== undefined && row.dueAt <= now) return "it is due";
  const isApplied = row.state.error !== undefined || row.state.appliedHash === row.declared.hash;
  if (!isApplied) return "it was not applied as it is declared";
  if (observed !== generation) return `its status is of generation ${observed}, not ${generation}`;
  // Also while it fails: the data was written.
  return row.state.rollout === undefined ? undefined : "a restart is owed";
}

/** An error that nothing explains any more. */
function errorOf(
  setting: Setting,
  cluster: MemoryCluster,
  { one, others, row }: { readonly one: Declared; readonly others: readonly Declared[]; readonly row: Row | undefined },
): string | undefined {
  const { error } = row?.state ?? {};
  return error !== undefined && isWell(setting, cluster, one, others) ? error.code : undefined;
}

function declaredIn(cluster: MemoryCluster): readonly Declared[] {
  const kind = cluster.server.kindOf(API, "VaultStaticSecret");
  return (kind ? cluster.server.objects.list(kind) : []).map(({ metadata, spec, status }) => {
    const { path, vaultAuthRef, destination, refreshAfter } = spec as Json;
    const place = { namespace: String(metadata.namespace), name: metadata.name };
    return {
      ...place,
      key: syncKey({ cluster: cluster.name, kind: "VaultStaticSecret", ...place }),
      uid: metadata.uid,
      spec,
      isSeldom: refreshAfter === `${SELDOM_SECONDS}s`,
      generation: Number(metadata.generation),
      observed: Object(status).observedGeneration,
      path: String(path),
      secret: String(Object(destination).name),
      auth: vaultAuthRef === undefined ? ("default" as const) : ("own" as const),
    };
  });
}

function secretOf({ server }: MemoryCluster, { namespace, secret }: Declared): Stored | undefined {
  const kind = server.kindOf("v1", "Secret");
  return kind && server.objects.get(kind, namespace, secret);
}

/** It may have its Secret, and nobody else wants that one. */
function isWell(setting: Setting, cluster: MemoryCluster, one: Declared, others: readonly Declared[]): boolean {
  const found = secretOf(cluster, one);
  return (
    mayRead(one, one.path) &&
    others.length === 1 &&
    found !== undefined &&
    !isForeign(found) &&
    !isRelabelled(found) &&
    !isHeldElsewhere(found, others) &&
    setting.versions.has(one.path)
  );
}

function isForeign({ metadata }: Stored): boolean {
  return Object(metadata.labels)[FOREIGN] !== undefined;
}

function problemOf(
  setting: Setting,
  cluster: MemoryCluster,
  one: Declared,
  others: readonly Declared[],
): string | undefined {
  const found = secretOf(cluster, one);
  if (found && isForeign(found))
    return Object(found.data).mine === undefined ? "a foreign Secret was changed" : undefined;
  const served = others.filter((other) => mayRead(other, other.path));
  if (served.length === 0) return undefined;
  if (found === undefined) return others.length === served.length ? "its Secret is missing" : undefined;
  const content = contentOf(found);
  const isOf = (other: Declared): boolean =>
    content?.path === other.path && (other.isSeldom || content.version === setting.versions.get(other.path));
  if (served.some(isOf) && Object.keys(Object(found.data)).length === 1) return undefined;
  if (isRelabelled(found) || isHeldElsewhere(found, others)) return undefined;
  // A declaration that may not read keeps what it wrote before it was changed.
  if (others.length > served.length) return undefined;
  return `its Secret holds ${content?.path}#${content?.version} and ${Object.keys(Object(found.data))}`;
}

/**
 * Somebody took its label away, and its writer did not put it back before it went. By its marks it is a Secret of
 * somebody else, which a declaration takes only with `overwrite`, as Vault Secrets Operator does: SECRET_NOT_OURS stays,
 * and says so.
 */
function isRelabelled({ metadata }: Stored): boolean {
  return Object(metadata.labels)["app.kubernetes.io/managed-by"] === "someone";
}

/** Its writer names another Secret now, and keeps this one until that one is written (`strays`): others wait so long. */
function isHeldElsewhere({ metadata }: Stored, others: readonly Declared[]): boolean {
  const owners = (metadata.ownerReferences ?? []) as readonly { readonly uid: string }[];
  return owners.some(({ uid }) => !others.some((other) => other.uid === uid));
}

/**
 * Secrets of declarations that are gone, and former ones of declarations that name another. A declaration keeps its
 * former Secret until the new one is written, so that workloads are never without: it lets go of it once it is in step.
 */
function strays(
  { server, name }: MemoryCluster,
  declared: readonly Declared[],
  states: ReadonlyMap<SyncKey, Row>,
): readonly string[] {
  const kind = server.kindOf("v1", "Secret");
  return (kind ? server.objects.list(kind) : []).flatMap(({ metadata }) => {
    const owners = ((metadata.ownerReferences ?? []) as readonly { readonly uid: string }[]).map((owner) =>
      declared.find(({ uid }) => uid === owner.uid),
    );
    const place = `Secret ${name}/${metadata.namespace}/${metadata.name}`;
    const isLeft = owners.length > 0 && owners.every((owner) => owner === undefined);
    const former = owners.filter(
      (owner) => owner && owner.secret !== metadata.name && states.get(owner.key)?.state.error === undefined,
    );
    return [
      ...(isLeft ? [`${place} is left behind`] : []),
      ...former.map((owner) => `${place} is a former one of ${owner?.key}, which is in step`),
    ];
  });
}
