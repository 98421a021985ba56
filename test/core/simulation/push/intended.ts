import { type SyncKey, syncKey } from "../../../../lib/keys.ts";
import type { KubeObject } from "../../../harness/cluster/kube-client.ts";
import type { MemoryCluster } from "../../world/cluster.ts";
import { NAMESPACE } from "./plan.ts";
import type { PushSetting } from "./setting.ts";

/** An annotated object as it stands in a cluster now. */
export interface Declared {
  readonly key: SyncKey;
  readonly isAllowed: boolean;
  readonly preserves: boolean;
  /** What each path is to hold, as JSON; undefined: a Secret is missing. By the Secrets as they are now. */
  bodies(): Bodies;
  /** Equal for what wants the same of the same Secrets. */
  readonly id: string;
}

export type Bodies = ReadonlyMap<string, string | undefined>;

type Fields = Readonly<Record<string, string>>;

/** What all annotated objects want, worked out anew from their annotations. */
export function declaredIn({ clusters }: PushSetting): readonly Declared[] {
  return [...clusters.values()].flatMap((cluster) =>
    (["Deployment", "Secret"] as const).flatMap((kind) =>
      objectsOf(cluster, kind).flatMap((object) => declaredBy(cluster, kind, object) ?? []),
    ),
  );
}

function objectsOf({ server }: MemoryCluster, kind: "Deployment" | "Secret"): readonly KubeObject[] {
  const served = server.kindOf(kind === "Secret" ? "v1" : "apps/v1", kind);
  const all = (served ? server.objects.list(served) : []) as unknown as readonly KubeObject[];
  return all.filter(({ metadata }) => metadata.namespace === NAMESPACE && metadata.deletionTimestamp === undefined);
}

function declaredBy(cluster: MemoryCluster, kind: "Deployment" | "Secret", object: KubeObject): Declared | undefined {
  const { name, annotations = {} } = object.metadata;
  const path = annotations["vault-sync.io/path"]?.replace(/^kv\//, "");
  if (path === undefined) return undefined;
  const named = annotations["vault-sync.io/secrets"];
  const key = syncKey({ cluster: cluster.name, kind, namespace: NAMESPACE, name });
  const mounted = kind === "Secret" ? [] : mountedBy(object);
  const bodies = (): Bodies => {
    if (kind === "Secret") return new Map([[path, textOf(fieldsOf(cluster, name))]]);
    if (named !== undefined) return new Map([[path, merged(cluster, JSON.parse(named))]]);
    return new Map(mounted.map((secret) => [`${path}/${secret}`, textOf(fieldsOf(cluster, secret))]));
  };
  return {
    ...{ key, bodies, id: JSON.stringify([key, path, named, mounted]) },
    isAllowed: path.startsWith(`apps/${NAMESPACE}/`),
    preserves: annotations["vault-sync.io/preserve-on-delete"] === "true",
  };
}

function mountedBy({ spec }: KubeObject): readonly string[] {
  const [container] = Object(spec).template.spec.containers as { envFrom: { secretRef: { name: string } }[] }[];
  return (container?.envFrom ?? []).map(({ secretRef }) => secretRef.name);
}

function fieldsOf(cluster: MemoryCluster, name: string): Fields | undefined {
  const found = objectsOf(cluster, "Secret").find(({ metadata }) => metadata.name === name);
  const data = found?.data as Fields | undefined;
  return (
    data &&
    Object.fromEntries(Object.entries(data).map(([key, value]) => [key, Buffer.from(value, "base64").toString("utf8")]))
  );
}

type Entry = { readonly name: string; readonly keys: readonly string[]; readonly prefix: string };

function merged(cluster: MemoryCluster, entries: readonly Entry[]): string | undefined {
  const all: Record<string, string> = {};
  for (const { name, keys, prefix } of entries) {
    const fields = fieldsOf(cluster, name);
    for (const key of keys) {
      const value = fields?.[key];
      if (value === undefined) return undefined;
      all[`${prefix}${key}`] = value;
    }
  }
  return textOf(all);
}

/** Equal for equal fields. */
export function textOf(fields: Fields | undefined): string | undefined {
  return fields && JSON.stringify(Object.entries(fields).sort(([one], [other]) => (one < other ? -1 : 1)));
}
