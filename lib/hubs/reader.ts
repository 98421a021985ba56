import type { Clock } from "../clock.ts";
import type { HubObjects } from "../connect/way.ts";
import { listBounds } from "../discovery/list-bounds.ts";
import { SyncError } from "../errors.ts";
import { type Hub, selectorText } from "../fleet/hub-schema.ts";
import type { ClusterApi } from "../ports/clusters.ts";
import type { CredentialSource } from "../ports/credentials.ts";
import type { ResourceApi, SeenResource } from "../ports/resources.ts";
import { type KindRef, SECRET } from "../resource-kinds.ts";
import { accessOfSecret, type ClusterSecret, namespacesOf } from "./objects/argocd.ts";
import { accessOfProfile } from "./objects/cluster-profile.ts";
import { type HubAccess, leadsTo } from "./objects/login.ts";
import { clusterName } from "./objects/naming.ts";
import { labelsOf, mustBeSmall, settingsOf } from "./objects/settings.ts";
import { placeOfHub } from "./places.ts";
import type { Listed, ReadObject } from "./take-in.ts";

const CLUSTER_PROFILE: KindRef = {
  group: "multicluster.x-k8s.io",
  version: "v1alpha1",
  resource: "clusterprofiles",
  kind: "ClusterProfile",
};
const CLUSTER_SECRETS = "argocd.argoproj.io/secret-type=cluster";

/** More objects are no fleet. */
const MAX_OBJECTS = 2_000;
/** For each object that a connection reads: half of what a request waits, so that a copy still serves that one. */
const CONNECT_MS = 4_000;

export interface ReaderDeps {
  readonly clusters: Pick<ClusterApi, "list">;
  readonly credentials: Pick<CredentialSource, "secret">;
  readonly resources: Pick<ResourceApi, "get">;
  readonly clock: Clock;
}

/** The metadata of a hub's objects; credentials are not part of it. Throws when the list is not complete. */
export async function listHub(deps: ReaderDeps, hub: Hub, signal: AbortSignal): Promise<readonly Listed[]> {
  const place = placeOfHub(hub.name);
  const kind = hub.argocd ? SECRET : CLUSTER_PROFILE;
  const namespace = hub.argocd?.namespace ?? hub.clusterProfile?.namespace;
  const selector = [hub.argocd ? CLUSTER_SECRETS : undefined, selectorText(hub)].filter((text) => text !== undefined);
  const options = {
    metadataOnly: true,
    ...(namespace === undefined ? {} : { namespace }),
    ...(selector.length === 0 ? {} : { labelSelector: selector.join(",") }),
  };
  const check = listBounds(place, kind.resource, deps.clock);
  const found: Listed[] = [];
  for (let next: string | undefined, isFirst = true; isFirst || next !== undefined; isFirst = false) {
    const page = await deps.clusters.list(place, kind, options, next, signal);
    if (page === undefined) throw notServed(place);
    check(page);
    found.push(...page.items.map(listedOf));
    if (found.length > MAX_OBJECTS) throw tooMany(place);
    next = page.continue;
  }
  return found;
}

function listedOf({ namespace, name, resourceVersion, labels, annotations }: SeenResource): Listed {
  return { object: `${namespace}/${name}`, resourceVersion, labels, annotations };
}

function notServed(place: string): SyncError {
  return new SyncError(
    "REFERENCE_MISSING",
    `${place} does not serve ClusterProfiles: install the cluster inventory API there`,
  );
}

function tooMany(place: string): SyncError {
  const message = `${place} has more than ${MAX_OBJECTS} clusters: choose some by the selector of the hub in fleet.yaml`;
  return new SyncError("KUBE_ANSWER_TOO_LARGE", message);
}

/** What a listed object says of its cluster. Throws a SyncError about the object, or about reading it. */
export async function readObject(
  deps: ReaderDeps,
  hub: Hub,
  { object, labels, annotations }: Listed,
  signal: AbortSignal,
): Promise<ReadObject> {
  const { access, name, namespaces } = await accessAt(deps, hub, object, signal);
  const what = nameOf(hub, object);
  const settings = settingsOf(annotations, namespaces, what);
  mustBeSmall(settings, "settings", what);
  return {
    name: clusterName(name),
    labels: labelsOf(labels, what),
    settings,
    server: access.server,
    leadsTo: leadsTo(access),
  };
}

/** The name that an object has when it can't be read. */
export function nameOfUnread(object: string): string {
  return clusterName(object.slice(object.indexOf("/") + 1));
}

/** The hubs' objects for connections. `find` is the current fleet's hub of this name. */
export function hubObjects(deps: ReaderDeps, find: (hub: string) => Hub | undefined): HubObjects {
  const known = (name: string): Hub => {
    const hub = find(name);
    if (hub === undefined) throw new SyncError("REFERENCE_INVALID", `hub ${name} is not in fleet.yaml: add it there`);
    return hub;
  };
  return {
    access: (name, object) =>
      ofHub(name, async () => (await accessAt(deps, known(name), object, AbortSignal.timeout(CONNECT_MS))).access),
    secretKey: (name, { namespace, name: secret }, key) =>
      ofHub(name, async () => {
        const ref = { cluster: placeOfHub(known(name).name), namespace, name: secret };
        const value = (await deps.credentials.secret(ref, AbortSignal.timeout(CONNECT_MS))).get(key);
        if (value !== undefined) return value.reveal().toString("utf8");
        throw new SyncError(
          "REFERENCE_MISSING",
          `Secret ${namespace}/${secret} in hub ${name} has no key ${key}: add it`,
        );
      }),
  };
}

/** An outage of the hub is none of its clusters, which may answer: only new connections fail. */
async function ofHub<T>(hub: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof SyncError) || error.code !== "KUBE_UNREACHABLE") throw error;
    throw new SyncError("KUBE_FAILED", `its credentials can't be read in hub ${hub}: ${error.message}`, {
      cause: error,
    });
  }
}

interface At {
  readonly access: HubAccess;
  readonly name: string;
  readonly namespaces: readonly string[];
}

async function accessAt(deps: ReaderDeps, hub: Hub, object: string, signal: AbortSignal): Promise<At> {
  const [namespace = "", name = ""] = object.split("/");
  const place = { cluster: placeOfHub(hub.name), namespace, name };
  const what = nameOf(hub, object);
  if (hub.clusterProfile === undefined) {
    const secret = textsOf(await deps.credentials.secret(place, signal));
    return { access: accessOfSecret(secret, what), name: secret.name || name, namespaces: namespacesOf(secret) };
  }
  const found = await deps.resources.get({ ...place, kind: CLUSTER_PROFILE }, signal);
  if (found === undefined) throw new SyncError("REFERENCE_MISSING", `${what} does not exist any more`);
  const access = accessOfProfile(found, hub.clusterProfile, what);
  const { displayName } = found.spec;
  return { access, name: typeof displayName === "string" && displayName !== "" ? displayName : name, namespaces: [] };
}

function nameOf(hub: Hub, object: string): string {
  return `${hub.argocd ? "Secret" : "ClusterProfile"} ${object} in hub ${hub.name}`;
}

function textsOf(data: Awaited<ReturnType<CredentialSource["secret"]>>): ClusterSecret {
  return Object.fromEntries([...data].map(([key, value]) => [key, value.reveal().toString("utf8")]));
}
