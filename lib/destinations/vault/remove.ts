import { SyncError } from "../../errors.ts";
import type { PushSettings } from "../../ports/fleet-push.ts";
import type { Pushed } from "../../ports/rows.ts";
import type { VaultIdentity } from "../../ports/vault.ts";
import { BASE64_LIST, type KvPath, type SeenPath } from "../../ports/vault-writes.ts";
import { type Acting, readOrDenied, settled, withoutPath, withPath } from "./act.ts";
import { type OwnWrite, standingFields, standingWrite } from "./ours.ts";
import { pathText } from "./state.ts";

/** Why data stays where it was pushed. */
export type Left = { readonly path: string; readonly because: string };

export interface Removing extends Omit<Acting, "clock"> {
  readonly vault: string;
  readonly identity: VaultIdentity;
  readonly deletion: PushSettings["deletion"];
  /** Only the fields that we wrote are ours. */
  readonly isMerged: boolean;
  /** Whether fleet.yaml still allows to write to this path. */
  readonly isAllowed: (path: string) => boolean;
}

/**
 * Removes what the row pushed to a path, if it still stands there; otherwise it stays, and the answer says why. The row
 * forgets the path in both cases.
 */
export async function removePushed(removing: Removing, pushed: Pushed): Promise<Left | undefined> {
  const { claim } = removing;
  await claim.require();
  const left = await removeIfOurs(removing, pushed);
  claim.note({ pushed: withoutPath(claim.row.state.pushed, pushed) });
  return left;
}

async function removeIfOurs(removing: Removing, pushed: Pushed): Promise<Left | undefined> {
  const { digest, writing, version } = pushed;
  // It was claimed, and never written.
  if (digest === undefined && writing === undefined) return undefined;
  const at = kvPathOf(pushed, removing.identity, removing.vault);
  if (at === undefined)
    return left(`${pushed.mount}/${pushed.path}`, `fleet.yaml names another Vault than ${pushed.vault}`);
  if (!removing.isAllowed(pathText(at)))
    return left(pathText(at), "push.paths of fleet.yaml does not allow it any more");
  const { writes, who, signal, deletion } = removing;
  const seen = await readOrDenied(writes, who, at, signal);
  switch (seen.kind) {
    case "absent":
      return undefined;
    case "deleted":
      if (deletion === "metadata" && seen.version === version) await writes.removeAll(who, at, signal);
      return undefined;
    case "denied":
      if (version === undefined)
        return left(pathText(at), "its login may not read it, so that it may be someone else's");
      if (isMergedAt(removing, pushed, at))
        return left(pathText(at), "its login may not read it, and others have fields in it");
      await writes.remove(who, at, version, signal);
      return undefined;
    case "data":
      return removeData(removing, pushed, at, seen);
  }
}

type SeenData = Extract<SeenPath, { readonly kind: "data" }>;

/** Whether others may have fields there. */
function isMergedAt({ isMerged }: Removing, { merged = false }: Pushed, { engine }: KvPath): boolean {
  return (isMerged || merged) && engine === "kv-v2";
}

/** Only while our own version stands there. Of a merged path our fields go, also out of a version of someone else. */
async function removeData(
  removing: Removing,
  pushed: Pushed,
  at: KvPath,
  { fields, version }: SeenData,
): Promise<Left | undefined> {
  const { writes, who, key, signal, deletion } = removing;
  const isMerged = isMergedAt(removing, pushed, at);
  const standing = standingWrite(key, pushed, fields, version, isMerged);
  const own = standing ?? (isMerged ? standingFields(key, pushed, fields) : undefined);
  if (own === undefined) return left(pathText(at), "it holds another version than keyferry wrote");
  const names = own.keys;
  const hasOthers = [...fields.keys()].some((name) => !names.includes(name));
  if (isMerged && (standing === undefined || hasOthers)) {
    const gone = new Map(names.filter((name) => fields.has(name)).map((name) => [name, null] as const));
    const result = await writes.patch(who, at, gone, version ?? 0, signal);
    if (result.kind === "moved") return left(pathText(at), "it changed while keyferry removed its keys");
    if (pushed.list !== undefined) await unlist(removing, at);
    return undefined;
  }
  if (deletion === "metadata" && version !== undefined) return removeAllOf(removing, pushed, at, { ...own, version });
  await writes.remove(who, at, version, signal);
  return undefined;
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
  { writes, who, claim, signal }: Removing,
  pushed: Pushed,
  at: KvPath,
  { digest, version }: OwnWrite & { readonly version: number },
): Promise<Left | undefined> {
  if (pushed.version !== version) {
    // After a crash, the deleted version must be known as ours.
    const now: Pushed = { ...settled(pushed), version, ...(digest === undefined ? {} : { digest }) };
    await claim.record({ pushed: withPath(claim.row.state.pushed, now) });
  }
  await writes.remove(who, at, version, signal);
  const seen = await readOrDenied(writes, who, at, signal);
  if (seen.kind === "absent") return undefined;
  if (seen.kind !== "deleted" || seen.version !== version)
    return left(pathText(at), "someone else wrote to it while keyferry removed it");
  await writes.removeAll(who, at, signal);
  return undefined;
}

function left(path: string, because: string): Left {
  return { path, because };
}

/** The path that a row recorded, below the namespace of this login; undefined: it is in another Vault. */
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
