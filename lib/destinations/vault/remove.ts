import { digestOf, isOfKey, sameDigest } from "../../digest.ts";
import type { PushSettings } from "../../ports/fleet-push.ts";
import type { Pushed } from "../../ports/rows.ts";
import type { VaultIdentity } from "../../ports/vault.ts";
import type { KvPath, SeenPath } from "../../ports/vault-writes.ts";
import type { SecretData } from "../../secret-value.ts";
import { type Acting, readOrDenied, some, withoutPath } from "./act.ts";
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
  const { writes, who, signal } = removing;
  const seen = await readOrDenied(writes, who, at, signal);
  if (seen.kind === "absent" || seen.kind === "deleted") return undefined;
  if (seen.kind === "denied") {
    if (version === undefined) return left(pathText(at), "its login may not read it, so that it may be someone else's");
    await writes.remove(who, at, version, signal);
    return undefined;
  }
  return removeData(removing, pushed, at, seen);
}

async function removeData(
  removing: Removing,
  pushed: Pushed,
  at: KvPath,
  seen: Extract<SeenPath, { readonly kind: "data" }>,
): Promise<Left | undefined> {
  const { writes, who, signal, isMerged, deletion } = removing;
  const { keys = [] } = pushed;
  const own = isMerged ? some(seen.fields, keys) : seen.fields;
  if (!isOurs(removing, pushed, own, seen.version))
    return left(pathText(at), "it holds another version than keyferry wrote");
  const others = isMerged && [...seen.fields.keys()].some((name) => !keys.includes(name));
  if (others && at.engine === "kv-v2") {
    const gone = new Map(keys.filter((name) => seen.fields.has(name)).map((name) => [name, null] as const));
    const result = await writes.patch(who, at, gone, seen.version ?? 0, signal);
    return result.kind === "written" ? undefined : left(pathText(at), "it changed while keyferry removed its keys");
  }
  if (deletion === "metadata" && at.engine === "kv-v2") await writes.removeAll(who, at, signal);
  else await writes.remove(who, at, seen.version, signal);
  return undefined;
}

/** By its digest; one of another key says nothing, so that the version has to. */
function isOurs({ key }: Removing, pushed: Pushed, own: SecretData, version: number | undefined): boolean {
  const { digest, writing } = pushed;
  if (digest !== undefined && !isOfKey(key, digest)) return version !== undefined && version === pushed.version;
  const now = digestOf(key, own);
  return [digest, writing].some((known) => known !== undefined && sameDigest(known, now));
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
