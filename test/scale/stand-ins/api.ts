import { partsOf } from "../../../lib/keys.ts";
import type { ClusterApi, WatchEvent } from "../../../lib/ports/clusters.ts";
import type { ResourceApi, SeenResource } from "../../../lib/ports/resources.ts";
import { type KindRef, VAULT_STATIC_SECRET } from "../../../lib/resource-kinds.ts";
import { aDeclared, aKey } from "../../builders.ts";

const LISTED_AT = 1_000;
const NAME = "stand-in-";

/** API servers that do not exist: each answers lists and watches of its declarations from a rule, and keeps nothing. */
export interface StandInApi {
  readonly clusters: ClusterApi;
  readonly resources: ResourceApi;
  /** Each watch that begins from now on brings a new version of one declaration: the name for the cluster's place. */
  change(nameOf: ((at: number) => string) | undefined): void;
  /** Watches stay open from now on, as those of the embedded engine, until this is disposed of. */
  hold(): Disposable;
}

export interface StandIns {
  readonly clusters: number;
  readonly syncs: number;
}

export function standInName(at: number): string {
  return `${NAME}${at}`;
}

/** The syncs of a table are dealt out to its clusters in turn. */
export function clusterOf(at: number, { clusters }: StandIns): string {
  return standInName(at % clusters);
}

export function standInApi(size: StandIns): StandInApi {
  const perCluster = size.syncs / size.clusters;
  let changed: ((at: number) => string) | undefined;
  let held: PromiseWithResolvers<void> | undefined;
  const refuse = async (): Promise<never> => {
    throw new Error("a stand-in has only lists and watches");
  };
  return {
    change(nameOf) {
      changed = nameOf;
    },
    hold() {
      const gate = Promise.withResolvers<void>();
      held = gate;
      return {
        [Symbol.dispose]() {
          held = undefined;
          gate.resolve();
        },
      };
    },
    clusters: {
      identity: async (cluster) => `uid-of-${cluster}`,
      namespaceUid: async (cluster, namespace) => `uid-of-${cluster}-${namespace}`,
      installation: async () => ({ id: "scale", uid: "uid-of-mark" }),
      markInstallation: refuse,
      vsoLease: async () => undefined,
      async list(cluster, kind, { limit = 500 }, page) {
        const from = Number(page ?? 0);
        const total = isDeclared(kind) ? perCluster : 0;
        const count = Math.max(0, Math.min(limit, total - from));
        const items = Array.from({ length: count }, (_, at) => seenAt(cluster, from + at, size));
        const next = from + count < total ? { continue: `${from + count}` } : {};
        return { items, resourceVersion: `${LISTED_AT}`, ...next };
      },
      async *watch(cluster, kind, _options, since) {
        const version = Number(since.resourceVersion) + 1;
        const object =
          isDeclared(kind) && changed !== undefined ? anew(cluster, changed(placeOf(cluster)), version) : undefined;
        if (object !== undefined) yield { type: "MODIFIED", object } satisfies WatchEvent;
        yield { type: "BOOKMARK", resourceVersion: `${version + 1}` } satisfies WatchEvent;
        await held?.promise;
      },
    },
    resources: {
      get: async ({ cluster, name }) => anew(cluster, name, LISTED_AT),
      writeStatus: refuse,
      emit: refuse,
      removeFinalizers: refuse,
      change: refuse,
    },
  };
}

function isDeclared({ kind }: KindRef): boolean {
  return kind === VAULT_STATIC_SECRET.kind;
}

/** The declaration with this place in its cluster. */
function seenAt(cluster: string, at: number, { clusters }: StandIns): SeenResource {
  return seen(cluster, `sync-${placeOf(cluster) + at * clusters}`);
}

function placeOf(cluster: string): number {
  return Number(cluster.slice(NAME.length));
}

function anew(cluster: string, name: string, version: number): SeenResource {
  return { ...seen(cluster, name), generation: version, resourceVersion: `${version}` };
}

function seen(cluster: string, name: string): SeenResource {
  const { key, uid, spec, labels, annotations } = aDeclared({ key: aKey(name, cluster) });
  return {
    ...{ uid, spec, labels, annotations, namespace: partsOf(key).namespace, name },
    ...{ resourceVersion: "100", generation: 1, deleting: false, finalizers: [], status: {}, ownerReferences: [] },
  };
}
