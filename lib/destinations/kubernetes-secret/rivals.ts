import { SyncError } from "../../errors.ts";
import { destinationIn } from "../../failures/release-wake.ts";
import { isDnsSubdomain } from "../../names.ts";
import { OWNER_UID_LABEL } from "../../owner-labels.ts";
import type { ReconcileDeps } from "../../ports/deps.ts";
import type { NamedObject, OwnerReference } from "../../ports/objects.ts";
import type { SeenResource } from "../../ports/resources.ts";
import type { SeenSecret } from "../../ports/secrets.ts";
import { SYNC_KINDS } from "../../resource-kinds.ts";
import { asObject } from "../../util/canonical.ts";
import { type OtherDeclaration, type Owners, ownersOf, type Rival } from "./owners.ts";

/** The dependencies for checking whether declarations still exist. */
export interface RivalApis {
  readonly resources: Pick<ReconcileDeps["resources"], "get">;
  readonly clusters: Pick<ReconcileDeps["clusters"], "list">;
}

/** More owners than this count as existing without a check. */
const MAX_ASKED = 8;
/** Pages of 500 declarations of one kind in one namespace. */
const MAX_PAGES = 20;

/** A declaration that may not be read counts as existing: a waiting Secret is better than one taken from its owner. */
const BELIEVED: ReadonlySet<string> = new Set(["KUBE_DENIED", "KUBE_REJECTED"]);

/**
 * The other existing declarations to which a Secret belongs, read from the cluster. Needs no request when only our own
 * label and reference are on it. `isRecorded`: we recorded the write of this very Secret.
 */
export async function rivalsFor(
  apis: RivalApis,
  secret: NamedObject,
  found: SeenSecret,
  { owner, isRecorded }: { readonly owner: OwnerReference; readonly isRecorded: boolean },
  signal: AbortSignal,
): Promise<readonly Rival[]> {
  const owners = ownersOf(found, owner);
  const rivals: Rival[] = [];
  for (const [at, other] of owners.declarations.entries()) {
    const declared = at < MAX_ASKED ? await declaredAs(apis, secret, other, signal) : {};
    if (declared === undefined) continue;
    const wrote = found.labels[OWNER_UID_LABEL] === other.uid;
    rivals.push({ kind: other.kind.kind, name: other.name, by: "reference", wrote, ...declared });
  }
  if (isRecorded && owners.own !== "absent") return rivals;
  const marker = await markedBy(apis, secret, found, owners, { owner, isRecorded }, signal);
  return marker ? [...rivals, { kind: marker.kind.kind, name: marker.name, by: "mark", wrote: true }] : rivals;
}

/**
 * A declaration whose owner reference was removed and will be restored soon: the one in the owner's label; or, if
 * keyferry wrote the Secret and all labels were removed, any other with this destination.
 */
async function markedBy(
  apis: RivalApis,
  secret: NamedObject,
  { labels, managed }: SeenSecret,
  { own, declarations }: Owners,
  { owner, isRecorded }: { readonly owner: OwnerReference; readonly isRecorded: boolean },
  signal: AbortSignal,
): Promise<OtherDeclaration | undefined> {
  const uid = labels[OWNER_UID_LABEL];
  const wants = (found: SeenResource): boolean => !found.deleting && destinationIn(found.spec) === secret.name;
  if (uid !== undefined) {
    if (uid === owner.uid || declarations.some((other) => other.uid === uid)) return undefined;
    return findDeclaration(apis, secret, (found) => found.uid === uid && wants(found), signal);
  }
  if (isRecorded || own !== "absent" || declarations.length > 0 || !managed.ours) return undefined;
  const makes = ({ spec }: SeenResource): boolean => asObject(spec.destination)?.create === true;
  return findDeclaration(apis, secret, (found) => found.uid !== owner.uid && wants(found) && makes(found), signal);
}

/** Undefined: it does not exist, or is going. */
async function declaredAs(
  apis: RivalApis,
  secret: NamedObject,
  { kind, name, uid }: OtherDeclaration,
  signal: AbortSignal,
): Promise<Pick<Rival, "names"> | undefined> {
  // No object has such a name.
  if (!isDnsSubdomain(name)) return undefined;
  try {
    const found = await apis.resources.get({ ...secret, name, kind }, signal);
    if (found === undefined || found.uid !== uid || found.deleting) return undefined;
    const names = destinationIn(found.spec) ?? "";
    return names === secret.name || !isDnsSubdomain(names) ? {} : { names };
  } catch (error) {
    if (error instanceof SyncError && BELIEVED.has(error.code)) return {};
    throw error;
  }
}

/** The first matching declaration in the Secret's namespace. */
async function findDeclaration(
  apis: RivalApis,
  { cluster, namespace }: NamedObject,
  isIt: (found: SeenResource) => boolean,
  signal: AbortSignal,
): Promise<OtherDeclaration | undefined> {
  for (const kind of SYNC_KINDS) {
    let page: string | undefined;
    for (let pages = 0; pages < MAX_PAGES; pages++) {
      const answer = await apis.clusters.list(cluster, kind, { metadataOnly: false, namespace }, page, signal);
      const found = answer?.items.find(isIt);
      if (found) return { kind, name: found.name, uid: found.uid };
      page = answer?.continue;
      if (!page) break;
    }
    if (page) throw tooMany(cluster, namespace, kind.resource);
  }
  return undefined;
}

function tooMany(cluster: string, namespace: string, resource: string): SyncError {
  return new SyncError(
    "KUBE_REJECTED",
    `namespace ${namespace} of cluster ${cluster} has too many ${resource} to find this Secret's owner`,
  );
}
