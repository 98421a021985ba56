import { SyncError } from "../../errors.ts";
import type { Left } from "../../origins/pushed-left.ts";
import type { PushSettings } from "../../ports/fleet-push.ts";
import type { Pushed } from "../../ports/rows.ts";
import type { VaultIdentity } from "../../ports/vault.ts";
import { BASE64_LIST, type KvPath, type SeenPath } from "../../ports/vault-writes.ts";
import { type Acting, isSamePath, readOrDenied, settled, withoutPath, withPath } from "./act.ts";
import { awaiting, type Newest } from "./late-writes.ts";
import { type OwnWrite, standingFields, standingWrite } from "./ours.ts";
import { pathText } from "./state.ts";

export interface Removing extends Acting {
  readonly vault: string;
  readonly identity: VaultIdentity;
  readonly deletion: PushSettings["deletion"];
  /** Only the fields that we wrote are ours. */
  readonly isMerged: boolean;
  /** Whether fleet.yaml still allows to write to this path. */
  readonly isAllowed: (path: string) => boolean;
  /** How long a request to this Vault may take, also after keyferry stopped waiting for its answer. */
  readonly requestMs: number;
}

/** How a removal ended. */
interface Removed {
  readonly left?: Left;
  /** Missing: keyferry may not remove anything there, so that a late write counts for nothing. */
  readonly newest?: Newest;
}

/**
 * Removes what the row pushed to a path, if it still stands there; otherwise it stays, and the answer says why. The row
 * forgets the path in both cases, unless a write of it may still be carried out: then the path is removed again later.
 */
export async function removePushed(removing: Removing, pushed: Pushed): Promise<Left | undefined> {
  const { claim, clock, requestMs } = removing;
  await claim.takeToWrite();
  const { left, newest } = await removeIfOurs(removing, pushed);
  const paths = claim.row.state.pushed ?? [];
  const { removing: _begun, ...recorded } = paths.find((path) => isSamePath(path, pushed)) ?? pushed;
  const kept = newest === undefined ? undefined : awaiting(recorded, newest, { now: clock(), requestMs });
  claim.note({ pushed: kept === undefined ? withoutPath(paths, pushed) : withPath(paths, kept) });
  return kept === undefined ? left : undefined;
}

/**
 * Before each request that removes something: another worker may have the row since this one read the path, and count on
 * what stands there (lease-table 6). Recorded once: if this is cut off, or carried out late, a path that is wanted again
 * is read and written again.
 */
async function begin({ claim }: Removing, pushed: Pushed): Promise<void> {
  const paths = claim.row.state.pushed ?? [];
  const known = paths.find((path) => isSamePath(path, pushed));
  const isToRecord = known?.digest !== undefined && known.removing === undefined;
  if (isToRecord) await claim.record({ pushed: withPath(paths, { ...known, removing: true }) });
  else await claim.takeToWrite();
}

async function removeIfOurs(removing: Removing, pushed: Pushed): Promise<Removed> {
  const { digest, writing, version } = pushed;
  // It was claimed, and never written.
  if (digest === undefined && writing === undefined) return {};
  const at = kvPathOf(pushed, removing.identity, removing.vault);
  if (at === undefined) return left(`${pushed.mount}/${pushed.path}`, elsewhere(pushed, removing));
  if (!removing.isAllowed(pathText(at)))
    return left(pathText(at), "push.paths of fleet.yaml does not allow it any more");
  const { writes, who, signal, deletion } = removing;
  const seen = await readOrDenied(writes, who, at, signal);
  switch (seen.kind) {
    case "absent":
      return { newest: 0 };
    case "deleted":
      if (deletion !== "metadata" || seen.version !== version) return { newest: seen.version };
      await begin(removing, pushed);
      await writes.removeAll(who, at, signal);
      return { newest: 0 };
    case "denied":
      return removeUnread(removing, pushed, at);
    case "data":
      return removeData(removing, pushed, at, seen);
  }
}

/** By its recorded version. Nothing tells whether a write that was not confirmed made the next one. */
async function removeUnread(removing: Removing, pushed: Pushed, at: KvPath): Promise<Removed> {
  const { writes, who, signal } = removing;
  const { version, writing } = pushed;
  if (version !== undefined && isMergedAt(removing, pushed, at))
    return { ...left(pathText(at), "its login may not read it, and others have fields in it"), newest: "unknown" };
  if (version !== undefined) {
    await begin(removing, pushed);
    await writes.remove(who, at, version, signal);
  }
  if (version !== undefined && writing === undefined) return {};
  return { ...left(pathText(at), "its login may not read it, so that it may be someone else's"), newest: "unknown" };
}

type SeenData = Extract<SeenPath, { readonly kind: "data" }>;

/** Whether others may have fields there. */
function isMergedAt({ isMerged }: Removing, { merged = false }: Pushed, { engine }: KvPath): boolean {
  return (isMerged || merged) && engine === "kv-v2";
}

/** Only while our own version stands there. Of a merged path our fields go, also out of a version of someone else. */
async function removeData(removing: Removing, pushed: Pushed, at: KvPath, seen: SeenData): Promise<Removed> {
  const { fields, version } = seen;
  const { writes, who, key, signal, deletion } = removing;
  const isMerged = isMergedAt(removing, pushed, at);
  const standing = standingWrite(key, pushed, fields, version, isMerged);
  const own = standing ?? (isMerged ? standingFields(key, pushed, fields) : undefined);
  const newest = version ?? "unknown";
  if (own === undefined) return { ...left(pathText(at), "it holds another version than keyferry wrote"), newest };
  const hasOthers = [...fields.keys()].some((name) => !own.keys.includes(name));
  if (isMerged && (standing === undefined || hasOthers)) return removeFields(removing, pushed, at, own.keys, seen);
  if (deletion === "metadata" && version !== undefined) return removeAllOf(removing, pushed, at, { ...own, version });
  await begin(removing, pushed);
  await writes.remove(who, at, version, signal);
  return { newest };
}

/** A patch makes a version, so that a write of ours that still comes is refused. */
async function removeFields(
  removing: Removing,
  pushed: Pushed,
  at: KvPath,
  keys: readonly string[],
  { fields, version: cas = 0 }: SeenData,
): Promise<Removed> {
  const { writes, who, signal } = removing;
  const gone = new Map(keys.filter((name) => fields.has(name)).map((name) => [name, null] as const));
  await begin(removing, pushed);
  const result = await writes.patch(who, at, gone, cas, signal);
  if (result.kind === "moved")
    return { ...left(pathText(at), "it changed while keyferry removed its keys"), newest: "unknown" };
  if (pushed.list !== undefined) await unlist(removing, at);
  return { newest: cas + 1 };
}

/** The fields are gone, so that without the right to it the list does no harm. */
async function unlist({ writes, who, signal }: Removing, at: KvPath): Promise<void> {
  try {
    await writes.describe(who, at, { [BASE64_LIST]: null }, signal);
  } catch (error) {
    if (!(error instanceof SyncError) || error.code !== "VAULT_DENIED") throw error;
  }
}

/**
 * Removes a path with all its versions. Vault can't compare a version for that, so that our own is deleted first: the
 * path goes only if it is still the newest one then.
 */
async function removeAllOf(
  removing: Removing,
  pushed: Pushed,
  at: KvPath,
  { digest, version }: OwnWrite & { readonly version: number },
): Promise<Removed> {
  const { writes, who, claim, signal } = removing;
  if (pushed.version !== version) {
    // After a crash, the deleted version must be known as ours.
    const now: Pushed = { ...settled(pushed), removing: true, version, ...(digest === undefined ? {} : { digest }) };
    await claim.record({ pushed: withPath(claim.row.state.pushed, now) });
  }
  await begin(removing, pushed);
  await writes.remove(who, at, version, signal);
  const seen = await readOrDenied(writes, who, at, signal);
  if (seen.kind === "absent") return { newest: 0 };
  if (seen.kind !== "deleted" || seen.version !== version)
    return { ...left(pathText(at), "someone else wrote to it while keyferry removed it"), newest: "unknown" };
  await begin(removing, pushed);
  await writes.removeAll(who, at, signal);
  return { newest: 0 };
}

function left(path: string, because: string): { readonly left: Left } {
  return { left: { path, because } };
}

/** Why a path can't be reached. */
function elsewhere(pushed: Pushed, { vault, identity }: Removing): string {
  if (pushed.vault !== vault) return `fleet.yaml names another Vault than ${pushed.vault}`;
  return `its login is of Vault namespace ${identity.namespace} now, where this path is not`;
}

/** The path that a row recorded, below the namespace of this login; undefined: it is in another Vault or namespace. */
export function kvPathOf(pushed: Pushed, { namespace }: VaultIdentity, vault: string): KvPath | undefined {
  if (pushed.vault !== vault) return undefined;
  const { engine, path, mount: whole } = pushed;
  if (namespace === undefined) return { engine, path, mount: whole };
  return whole.startsWith(`${namespace}/`) ? { engine, path, mount: whole.slice(namespace.length + 1) } : undefined;
}

/** What a row records of a path. */
export function pushedAt({ mount, path, engine }: KvPath, { namespace }: VaultIdentity, vault: string): Pushed {
  return { vault, mount: namespace === undefined ? mount : `${namespace}/${mount}`, path, engine };
}
