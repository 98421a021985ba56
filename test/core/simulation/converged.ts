import { isCleanupKey, type SyncKey, syncKey } from "../../../lib/keys.ts";
import { isJudged } from "../../../lib/resource-kinds.ts";
import type { Json } from "../world/api/fields.ts";
import type { Stored } from "../world/api/objects.ts";
import { API } from "../world/builders.ts";
import type { MemoryCluster } from "../world/cluster.ts";
import { contentOf, FOREIGN, restartOf } from "./monitor.ts";
import type { Declaration } from "./plan.ts";
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
}

export async function convergence(setting: Setting, { store }: Processes): Promise<Convergence> {
  const problems: string[] = [];
  const well: SyncKey[] = [];
  for (const circuit of await store.circuits()) problems.push(`circuit ${circuit.id} is open`);
  for (const cluster of setting.clusters.values()) {
    const declared = declaredIn(cluster);
    const rows = await store.byCluster(cluster.name);
    const keys = new Set(rows.map(({ key }) => key));
    for (const { key } of declared) if (!keys.has(key)) problems.push(`${key} has no row`);
    for (const key of keys) {
      if (isCleanupKey(key)) problems.push(`clean-up ${key} is not done`);
      else if (!isJudged(key) && !declared.some((one) => one.key === key))
        problems.push(`${key} is not declared and has a row`);
    }
    const states = await store.read(
      declared.map(({ key }) => key),
      "strong",
    );
    for (const one of declared) {
      const others = declared.filter((other) => other.namespace === one.namespace && other.secret === one.secret);
      const row = states.get(one.key);
      const problem = problemOf(setting, cluster, one, others);
      if (problem !== undefined) problems.push(`${one.key}: ${problem}`);
      else if (row?.state.rollout !== undefined) problems.push(`${one.key}: a restart is owed`);
      else if (row?.leaseUntil !== undefined) problems.push(`${one.key} is claimed`);
      else if (row?.state.error === undefined && others.length === 1) well.push(one.key);
      else if (row?.state.error !== undefined && isWell(setting, cluster, one, others))
        problems.push(`${one.key}: ${row.state.error.code}`);
    }
    problems.push(...strays(cluster, declared));
  }
  return { problems, well };
}

function declaredIn(cluster: MemoryCluster): readonly Declared[] {
  const kind = cluster.server.kindOf(API, "VaultStaticSecret");
  return (kind ? cluster.server.objects.list(kind) : []).map(({ metadata, spec }) => {
    const { path, vaultAuthRef, destination } = spec as Json;
    const place = { namespace: String(metadata.namespace), name: metadata.name };
    return {
      ...place,
      key: syncKey({ cluster: cluster.name, kind: "VaultStaticSecret", ...place }),
      uid: metadata.uid,
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
    content?.path === other.path && content.version === setting.versions.get(other.path);
  if (served.some(isOf) && Object.keys(Object(found.data)).length === 1) return undefined;
  // A declaration that may not read keeps what it wrote before it was changed.
  if (others.length > served.length) return undefined;
  return `its Secret holds ${content?.path}#${content?.version} and ${Object.keys(Object(found.data))}`;
}

/** Secrets of declarations that are gone. */
function strays({ server, name }: MemoryCluster, declared: readonly Declared[]): readonly string[] {
  const kind = server.kindOf("v1", "Secret");
  const uids = new Set(declared.map(({ uid }) => uid));
  return (kind ? server.objects.list(kind) : []).flatMap(({ metadata }) => {
    const owners = (metadata.ownerReferences ?? []) as readonly { readonly uid: string }[];
    const isLeft = owners.length > 0 && owners.every(({ uid }) => !uids.has(uid));
    return isLeft ? [`Secret ${name}/${metadata.namespace}/${metadata.name} is left behind`] : [];
  });
}

export { restartOf };
