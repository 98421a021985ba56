import { SyncError } from "../../errors.ts";
import type { Claim } from "../../ports/claim.ts";
import type { Precondition, SeenSecret, WrittenSecret } from "../../ports/secrets.ts";
import type { DestinationApis } from "../destination.ts";
import { rehearseAnew } from "./anew.ts";
import { heldBefore } from "./held-before.ts";
import { observe } from "./observe.ts";
import { withOrphans } from "./orphans.ts";
import { removeIfOurs } from "./remove.ts";
import { type Decision, desiredSecret, recorded, type Work, withOwned, withReference } from "./state.ts";

/** Decisions that may change the cluster: each needs the lease. */
type Write = Exclude<Decision, { readonly do: "observe" | "reassert" }>;

/** What an action needs besides the decision. */
export interface Acting {
  readonly apis: DestinationApis;
  readonly claim: Claim;
  /** Whether workloads restart when the data changes: then the row must know the data that they run with. */
  readonly restartsWorkloads: boolean;
  readonly signal: AbortSignal;
}

/** One branch per decision. After a failed precondition: observe again, then decide again (lease-table 6). */
export async function act(acting: Acting, work: Work, decision: Decision): Promise<Work> {
  const { apis, claim, signal } = acting;
  if (decision.do === "observe") return observe(apis, work, signal);
  if (decision.do === "reassert") {
    if (!claim.isTaken) return reassert(acting, work, decision);
    return writeUnderClaim(acting, work, { ...decision, do: "apply", because: "observe: apply" });
  }
  return writeUnderClaim(acting, work, decision);
}

async function writeUnderClaim(acting: Acting, work: Work, decision: Write): Promise<Work> {
  const { apis, claim, signal } = acting;
  await claim.takeToWrite();
  const held = acting.restartsWorkloads ? heldBefore(work.seen, claim.row.state) : undefined;
  // The write would destroy the evidence of the data that workloads run with, so that is recorded first
  // (kubernetes-rules 20).
  if (held !== undefined) {
    await claim.record({ rolledDigest: held });
    await claim.takeToWrite();
  }
  try {
    return await write(acting, work, decision);
  } catch (error) {
    if (!isPreconditionFailure(error)) throw error;
    return observe(apis, work, signal);
  }
}

/** Whether the Secret is not as it was observed any more. */
export function isPreconditionFailure(error: unknown): boolean {
  return error instanceof SyncError && (error.code === "KUBE_CONFLICT" || error.code === "SECRET_TYPE_DIFFERS");
}

/** Under the lease. What writes twice demands it again, because the first answer may be slow (lease-table 6). */
async function write(acting: Acting, work: Work, decision: Write): Promise<Work> {
  const { apis, signal } = acting;
  switch (decision.do) {
    case "create": {
      const written = await apply(acting, work, { kind: "absent" });
      return withOrphans(apis, await applied(acting, work, "created", written), signal);
    }
    case "apply": {
      const { uid, resourceVersion, because } = decision;
      const written = await apply(acting, work, { kind: "as-seen", uid, resourceVersion });
      // An apply without a change is not reported, unless keys of others are removed after it.
      const isSame = written.resourceVersion === resourceVersion && written.foreignKeys.length === 0;
      const wrote = isSame ? undefined : because;
      return applied(acting, work, wrote, written);
    }
    case "take-over":
      return takeOver(acting, work, decision.resourceVersion);
    case "recreate":
      return recreate(acting, work, decision.seen);
    case "replace": {
      const written = await apis.secrets.replaceData(work.secret, decision.uid, work.data, signal);
      return recorded(work, decision.because, written);
    }
    case "adopt":
      return recorded(work, undefined, decision.seen, decision.seen.type);
    case "stand-beside":
      return standBeside(acting, work, decision.seen);
    case "prune":
      return prune(acting, work, decision.names);
    default:
      return decision satisfies never;
  }
}

/** `observe: apply` in the steady state: the same content at the recorded version; needs no lease (lease-table 7). */
async function reassert(
  acting: Acting,
  work: Work,
  { uid, resourceVersion }: { readonly uid: string; readonly resourceVersion: string },
): Promise<Work> {
  try {
    const written = await apply(acting, work, { kind: "as-seen", uid, resourceVersion });
    if (written.resourceVersion === resourceVersion) return { ...work, seen: { ...work.seen, applied: true } };
  } catch (error) {
    if (!(error instanceof SyncError) || error.code !== "KUBE_CONFLICT") throw error;
  }
  return observe(acting.apis, work, acting.signal);
}

/**
 * The Secret stays the other declaration's; our owner reference keeps the garbage collector from deleting it after that
 * one.
 */
async function standBeside({ apis, signal }: Acting, work: Work, seen: SeenSecret): Promise<Work> {
  const { ownerReference } = work.seen.destination;
  const resourceVersion = await apis.secrets.standBeside(work.secret, ownerReference, seen, signal);
  apis.log.info("owner-reference-added", { key: work.seen.row.key, secret: work.secret.name });
  return withReference(work, { ...seen, resourceVersion });
}

/** Tries the new Secret in two ways before the old one is deleted: a refused create would lose it. */
async function recreate(acting: Acting, work: Work, seen: SeenSecret): Promise<Work> {
  const { apis, claim, signal } = acting;
  const { uid, resourceVersion } = seen;
  try {
    const written = await apply(acting, work, { kind: "as-seen", uid, resourceVersion });
    return applied(acting, work, "its type changed", written);
  } catch (error) {
    if (!(error instanceof SyncError) || error.code !== "SECRET_TYPE_DIFFERS") throw error;
  }
  await rehearseAnew(apis.secrets, work.secret, seen, desiredSecret(work), signal);
  await claim.takeToWrite();
  await apis.secrets.remove(work.secret, seen, signal);
  await claim.takeToWrite();
  const written = await apply(acting, work, { kind: "absent" });
  return applied(acting, work, "recreated, since its type changed", written);
}

async function takeOver(acting: Acting, work: Work, resourceVersion: string): Promise<Work> {
  const moved = await acting.apis.secrets.takeOverFields(work.secret, resourceVersion, acting.signal);
  await acting.claim.takeToWrite();
  const written = await apply(acting, work, {
    kind: "as-seen",
    uid: moved.uid,
    resourceVersion: moved.resourceVersion,
  });
  return applied(acting, work, "taken over", written);
}

function apply({ apis, signal }: Acting, work: Work, precondition: Precondition): Promise<WrittenSecret> {
  return apis.secrets.apply(work.secret, desiredSecret(work), precondition, signal);
}

/** After an apply: removes keys that are not ours, then records the Secret as ours. */
async function applied(
  { apis, claim, signal }: Acting,
  work: Work,
  because: string | undefined,
  written: WrittenSecret,
): Promise<Work> {
  if (written.foreignKeys.length === 0) return recorded(work, because, written);
  await claim.takeToWrite();
  const dropped = await apis.secrets.dropKeys(work.secret, written.foreignKeys, written.resourceVersion, signal);
  return recorded(work, because, dropped);
}

/** Removes Secrets that we wrote under former names, if they are still ours (kubernetes-rules 6). */
async function prune({ apis, claim, signal }: Acting, work: Work, names: readonly string[]): Promise<Work> {
  const { destination, row } = work.seen;
  const removing = { owner: destination.ownerReference, observe: work.seen.observe, claim };
  for (const name of names) {
    const secret = { ...work.secret, name };
    await removeIfOurs(apis, secret, removing, signal);
  }
  return withOwned(
    work,
    row.state.owned.filter((entry) => entry.name === destination.name),
  );
}
