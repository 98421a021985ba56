import { SyncError } from "../errors.ts";
import { SYNC_KINDS } from "../kinds.ts";
import { isDnsSubdomain } from "../names.ts";
import { OWNER_UID_LABEL } from "../owner-labels.ts";
import type { ReconcileDeps } from "./deps.ts";
import { type OtherDeclaration, type Owners, ownersOf, type Rival } from "./owners.ts";
import type { NamedObject, OwnerReference, SeenResource, SeenSecret } from "./ports.ts";
import { destinationIn } from "./wake.ts";

/** What it takes to ask whether declarations are declared still. */
export interface RivalEnds {
  readonly resources: Pick<ReconcileDeps["resources"], "get">;
  readonly clusters: Pick<ReconcileDeps["clusters"], "list">;
}

/** More owners than this are believed without being asked for. */
const MAX_ASKED = 8;
/** Pages of 500 declarations of one kind in one namespace. */
const MAX_PAGES = 20;

/** Who may not be asked for is believed: better a Secret that waits than one that is taken from its owner. */
const BELIEVED: ReadonlySet<string> = new Set(["KUBE_DENIED", "KUBE_REJECTED"]);

/**
 * The other declarations to which a Secret belongs and that are declared still, asked of the cluster by name. It costs nothing
 * where our own reference stands alone. `isRecorded`: we know to have written this very Secret.
 */
export async function rivalsFor(
  ends: RivalEnds,
  secret: NamedObject,
  found: SeenSecret,
  { owner, isRecorded }: { readonly owner: OwnerReference; readonly isRecorded: boolean },
  signal: AbortSignal,
): Promise<readonly Rival[]> {
  const owners = ownersOf(found, owner);
  const rivals: Rival[] = [];
  for (const [at, other] of owners.declarations.entries()) {
    if (at < MAX_ASKED && !(await isDeclared(ends, secret, other, signal))) continue;
    rivals.push({ kind: other.kind.kind, name: other.name, by: "reference" });
  }
  const labelled = labelledOwner(found, owners, owner);
  const mayBeTheirs = labelled !== undefined && !(isRecorded && owners.own !== "absent");
  const byLabel = mayBeTheirs ? await claimantByUid(ends, secret, labelled, signal) : undefined;
  return byLabel ? [...rivals, { kind: byLabel.kind.kind, name: byLabel.name, by: "label" }] : rivals;
}

/** The uid that the owner's label names, unless it is ours or that of a reference: then it was asked for. */
function labelledOwner({ labels }: SeenSecret, { declarations }: Owners, owner: OwnerReference): string | undefined {
  const uid = labels[OWNER_UID_LABEL];
  return uid === owner.uid || declarations.some((other) => other.uid === uid) ? undefined : uid;
}

async function isDeclared(
  ends: RivalEnds,
  { cluster, namespace }: NamedObject,
  { kind, name, uid }: OtherDeclaration,
  signal: AbortSignal,
): Promise<boolean> {
  // No object has such a name.
  if (!isDnsSubdomain(name)) return false;
  try {
    const found = await ends.resources.get({ cluster, namespace, name, kind }, signal);
    return found !== undefined && found.uid === uid && !found.deleting;
  } catch (error) {
    if (error instanceof SyncError && BELIEVED.has(error.code)) return true;
    throw error;
  }
}

/** The declaration of this uid in the Secret's namespace, if it is there to stay and still wants this Secret. */
async function claimantByUid(
  ends: RivalEnds,
  secret: NamedObject,
  uid: string,
  signal: AbortSignal,
): Promise<OtherDeclaration | undefined> {
  const { cluster, namespace } = secret;
  for (const kind of SYNC_KINDS) {
    const listed = await byUid(ends, secret, kind, uid, signal);
    if (!listed) continue;
    const found = await ends.resources.get({ cluster, namespace, name: listed.name, kind }, signal);
    const isThere = found !== undefined && found.uid === uid && !found.deleting;
    return isThere && destinationIn(found.spec) === secret.name ? { kind, name: listed.name, uid } : undefined;
  }
  return undefined;
}

async function byUid(
  ends: RivalEnds,
  { cluster, namespace }: NamedObject,
  kind: OtherDeclaration["kind"],
  uid: string,
  signal: AbortSignal,
): Promise<SeenResource | undefined> {
  let page: string | undefined;
  for (let pages = 0; pages < MAX_PAGES; pages++) {
    const answer = await ends.clusters.list(cluster, kind, { metadataOnly: true, namespace }, page, signal);
    const found = answer?.items.find((item) => item.uid === uid);
    page = answer?.continue;
    if (found || !page) return found;
  }
  throw new SyncError(
    "KUBE_REJECTED",
    `namespace ${namespace} of cluster ${cluster} has too many ${kind.resource} to find out whose Secret this is`,
  );
}
