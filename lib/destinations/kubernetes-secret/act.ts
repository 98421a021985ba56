import { digestOf } from "../../digest.ts";
import { SyncError } from "../../errors.ts";
import { resourceOf } from "../../origins/resource.ts";
import { CALL_TIMEOUT_MS, type ReconcileDeps } from "../../ports/deps.ts";
import type { NamedObject, OwnerReference } from "../../ports/objects.ts";
import type { OwnedSecret } from "../../ports/rows.ts";
import type { DesiredSecret, SeenSecret, WrittenSecret } from "../../ports/secrets.ts";
import type { Lease } from "../../ports/store.ts";
import type { SecretData } from "../../secret-value.ts";
import { isRecorded } from "./belonging.ts";
import { type Decision, ownedUnder, type Seen } from "./decide.ts";
import { ownersOf } from "./owners.ts";
import { type RivalApis, rivalsFor } from "./rivals.ts";
import { withStrays } from "./strays.ts";

/** What a run works on: one destination, its data, and what is known of it so far. */
export interface Work {
  readonly secret: NamedObject;
  readonly data: SecretData;
  readonly seen: Seen;
  /** Kept out of the decision: why something was written, for the event. */
  readonly wrote?: string;
}

type Apis = Pick<ReconcileDeps, "secrets" | "resources" | "clusters" | "clock" | "log" | "digestKey">;

/** What an observation asks of a cluster: it writes nothing. */
export interface ObserveApis extends Pick<ReconcileDeps, "digestKey">, RivalApis {
  readonly secrets: Pick<ReconcileDeps["secrets"], "observe">;
}

/** No external write starts later than the lease's end minus its own time-out (lease-table 6). */
export function mayStillWrite(lease: Lease, now: number): void {
  if (now > lease.until - CALL_TIMEOUT_MS) {
    throw new SyncError("LEASE_LOST", `the lease on ${lease.key} ends too soon to write under it`);
  }
}

/** Reads the Secret, so that the next decision rests on what is there. */
export async function observe(apis: ObserveApis, work: Work, signal: AbortSignal): Promise<Work> {
  const how = work.seen.observe === "watch" ? "get" : "patch";
  const found = await apis.secrets.observe(work.secret, how, signal);
  if (!found) {
    // One of ours that is missing may have been collected with its declaration: it must not be made anew (lease-table 22).
    if (ownedUnder(work.seen.row, work.seen.destination.name)?.uid !== undefined) {
      await mustStillBeDeclared(apis, work, signal);
    }
    return { ...work, seen: { ...work.seen, secret: "absent", row: { ...work.seen.row, verify: false } } };
  }
  const rivals = work.seen.destination.create ? await ownersAsked(apis, work, found, signal) : [];
  return { ...work, seen: { ...work.seen, secret: found, secretDigest: digestOf(apis.digestKey, found.data), rivals } };
}

/** Whose Secret is it? Where our own reference stands alone, that is known without asking anyone. */
async function ownersAsked(
  apis: ObserveApis,
  work: Work,
  found: SeenSecret,
  signal: AbortSignal,
): Promise<NonNullable<Seen["rivals"]>> {
  const owner = work.seen.destination.ownerReference;
  const isPlain = found.ownerReferences.length === 1 && ownersOf(found, owner).own === "as-written";
  // Our reference is put back under a declaration that is there to stay: else the Secret was released (kubernetes-rules 6).
  if (!isPlain) await mustStillBeDeclared(apis, work, signal);
  return rivalsFor(apis, work.secret, found, { owner, isRecorded: isRecorded(work.seen, found) }, signal);
}

async function mustStillBeDeclared(apis: ObserveApis, { seen: { row } }: Work, signal: AbortSignal): Promise<void> {
  const ref = resourceOf(row);
  const found = await apis.resources.get(ref, signal);
  if (found && found.uid === row.declared.uid && !found.deleting) return;
  throw new SyncError("DECLARATION_GONE", `${ref.kind.kind} ${ref.namespace}/${ref.name} was deleted`);
}

/** One branch per decision. A precondition that does not hold means: observe again, then judge anew (lease-table 6). */
export async function act(
  apis: Apis,
  work: Work,
  decision: Decision,
  lease: Lease,
  signal: AbortSignal,
): Promise<Work> {
  mayStillWrite(lease, apis.clock());
  try {
    return await write(apis, work, decision, signal);
  } catch (error) {
    if (!(error instanceof SyncError) || (error.code !== "KUBE_CONFLICT" && error.code !== "SECRET_TYPE_DIFFERS"))
      throw error;
    return observe(apis, work, signal);
  }
}

async function write(apis: Apis, work: Work, decision: Decision, signal: AbortSignal): Promise<Work> {
  switch (decision.do) {
    case "create": {
      const written = await apply(apis, work, { kind: "absent" }, signal);
      return withStrays(apis, await applied(apis, work, "created", written, signal), signal);
    }
    case "apply": {
      const { uid, resourceVersion, because } = decision;
      const written = await apply(apis, work, { kind: "as-seen", uid, resourceVersion }, signal);
      // An apply that changed nothing is no news.
      const wrote = written.resourceVersion === resourceVersion ? undefined : because;
      return applied(apis, work, wrote, written, signal);
    }
    case "take-over":
      return takeOver(apis, work, decision.resourceVersion, signal);
    case "recreate":
      return recreate(apis, work, decision.seen, signal);
    case "replace": {
      const written = await apis.secrets.replaceData(work.secret, decision.uid, work.data, signal);
      return record(work, decision.because, written);
    }
    case "adopt":
      return record(work, undefined, decision.seen, decision.seen.type);
    case "stand-beside":
      return standBeside(apis, work, decision.seen, signal);
    case "prune":
      return prune(apis, work, decision.names, signal);
    case "observe":
      return observe(apis, work, signal);
    case "nothing":
      return work;
    default:
      return decision satisfies never;
  }
}

/** The Secret stays the other declaration's; ours alone keeps the collector off when that one goes. */
async function standBeside(apis: Apis, work: Work, seen: SeenSecret, signal: AbortSignal): Promise<Work> {
  const { ownerReference } = work.seen.destination;
  const resourceVersion = await apis.secrets.standBeside(work.secret, ownerReference, seen, signal);
  apis.log.info("owner-reference-added", { key: work.seen.row.key, secret: work.secret.name });
  return besideOthers(work, { ...seen, resourceVersion });
}

/** The work after our owner reference stands beside another declaration's. */
export function besideOthers(work: Work, seen: SeenSecret): Work {
  const ownerReferences = [...seen.ownerReferences, { ...work.seen.destination.ownerReference }];
  return { ...work, seen: { ...work.seen, secret: { ...seen, ownerReferences } } };
}

/** The API server judges the new type before the Secret goes: a create that it refuses would leave nothing. */
async function recreate(apis: Apis, work: Work, seen: SeenSecret, signal: AbortSignal): Promise<Work> {
  const { uid, resourceVersion } = seen;
  try {
    const written = await apply(apis, work, { kind: "as-seen", uid, resourceVersion }, signal);
    return applied(apis, work, "its type changed", written, signal);
  } catch (error) {
    if (!(error instanceof SyncError) || error.code !== "SECRET_TYPE_DIFFERS") throw error;
  }
  await apis.secrets.remove(work.secret, seen, signal);
  const written = await apply(apis, work, { kind: "absent" }, signal);
  return applied(apis, work, "recreated, since its type changed", written, signal);
}

function desiredOf(work: Work): DesiredSecret {
  const { type, labels, annotations, ownerReference } = work.seen.destination;
  return { type, labels, annotations, ownerReference, data: work.data };
}

function apply(
  apis: Apis,
  work: Work,
  precondition: Parameters<ReconcileDeps["secrets"]["apply"]>[2],
  signal: AbortSignal,
): Promise<WrittenSecret> {
  return apis.secrets.apply(work.secret, desiredOf(work), precondition, signal);
}

/** After an apply: keys that are not ours go, then the Secret is recorded as ours. */
async function applied(
  apis: Apis,
  work: Work,
  because: string | undefined,
  written: WrittenSecret,
  signal: AbortSignal,
): Promise<Work> {
  if (written.foreignKeys.length === 0) return record(work, because, written);
  const dropped = await apis.secrets.dropKeys(work.secret, written.foreignKeys, written.resourceVersion, signal);
  return record(work, because, dropped);
}

async function takeOver(apis: Apis, work: Work, resourceVersion: string, signal: AbortSignal): Promise<Work> {
  const moved = await apis.secrets.takeOverFields(work.secret, resourceVersion, signal);
  const written = await apply(
    apis,
    work,
    { kind: "as-seen", uid: moved.uid, resourceVersion: moved.resourceVersion },
    signal,
  );
  return applied(apis, work, "taken over", written, signal);
}

/** The work after a write, or after a Secret was found in step: it is recorded as ours. */
export function record(
  work: Work,
  wrote: string | undefined,
  written: Pick<WrittenSecret, "uid" | "resourceVersion" | "managed">,
  type: string = work.seen.destination.type,
): Work {
  const { row, destination } = work.seen;
  const others = row.state.owned.filter((owned) => owned.name !== destination.name);
  const entry: OwnedSecret = {
    name: destination.name,
    uid: written.uid,
    resourceVersion: written.resourceVersion,
    managed: written.managed.fingerprint,
    type,
    ...(written.managed.vso ? { ofVso: true } : {}),
  };
  const owned = destination.create ? [entry, ...others] : others;
  const next = { ...row, verify: false, state: { ...row.state, owned } };
  const why = wrote ?? work.wrote;
  return {
    ...work,
    ...(why === undefined ? {} : { wrote: why }),
    seen: { ...work.seen, row: next, secret: "unread", applied: true },
  };
}

/** Removes what we wrote under names that are no longer wanted, while it is still ours (kubernetes-rules 6). */
async function prune(apis: Apis, work: Work, names: readonly string[], signal: AbortSignal): Promise<Work> {
  const { destination, observe } = work.seen;
  for (const name of names) {
    await removeIfOurs(apis, { ...work.secret, name }, destination.ownerReference, observe, signal);
  }
  return pruned(work);
}

/** The work after the Secrets under other names are gone. */
export function pruned(work: Work): Work {
  const { row, destination } = work.seen;
  const owned = row.state.owned.filter((entry) => entry.name === destination.name);
  return { ...work, seen: { ...work.seen, row: { ...row, state: { ...row.state, owned } } } };
}

/**
 * Deletes a Secret while our owner reference is on it, at the uid and resourceVersion that were looked at. Where others own it
 * beside us our reference goes, and the Secret is theirs.
 */
export async function removeIfOurs(
  apis: Pick<ReconcileDeps, "secrets">,
  secret: NamedObject,
  owner: OwnerReference,
  observe: "watch" | "apply",
  signal: AbortSignal,
): Promise<"removed" | "left" | "absent" | "not-ours"> {
  const found: SeenSecret | undefined = await apis.secrets.observe(
    secret,
    observe === "watch" ? "get" : "patch",
    signal,
  );
  if (!found) return "absent";
  if (!found.ownerReferences.some(({ uid }) => uid === owner.uid)) return "not-ours";
  if (found.ownerReferences.length > 1) {
    if (!found.deleting) await apis.secrets.dropOwner(secret, owner.uid, found, signal);
    return "left";
  }
  await apis.secrets.remove(secret, found, signal);
  return "removed";
}
