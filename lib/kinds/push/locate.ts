import { kvPathOf, pushedAt } from "../../destinations/vault/remove.ts";
import { type LocatedObject, pathText } from "../../destinations/vault/state.ts";
import { fingerprint } from "../../digest.ts";
import { SyncError } from "../../errors.ts";
import { partsOf } from "../../keys.ts";
import { type Place, type Pushed, pushPlace, type Row } from "../../ports/rows.ts";
import type { KvMount, KvPath } from "../../ports/vault-writes.ts";
import { allowsPath } from "../../push-paths.ts";
import { asObject } from "../../util/canonical.ts";
import type { Json } from "../../util/json.ts";
import type { Located, LocateInput, PathsRefused } from "../kind.ts";
import { notAllowed, type ResolvedPush } from "./resolve.ts";

/** The push's part of a row's state (`RowState.own`): the mount of the declared path, asked for once. */
export interface PushState {
  /** Of the declared path and the Vault. */
  readonly of: string;
  readonly mount: KvMount;
}

export function pushState(own: Json | undefined): PushState | undefined {
  const { of, mount: known } = asObject(own) ?? {};
  const { mount, engine } = asObject(known) ?? {};
  if (typeof of !== "string" || typeof mount !== "string") return undefined;
  return engine === "kv-v1" || engine === "kv-v2" ? { of, mount: { mount, engine } } : undefined;
}

/** Changes with anything that the mount depends on. */
export function mountId({ asks, declaration }: Pick<ResolvedPush, "asks" | "declaration">): string {
  const { target, namespace = "" } = asks.identity;
  return fingerprint(target.address, namespace, declaration.path);
}

/**
 * The paths that a declaration pushes to: its mount by asking Vault, with or without `data/`, below the cluster's
 * prefix. Refused with PUSH_NOT_ALLOWED for a path that fleet.yaml does not allow, if possible without asking.
 */
export async function locate(input: LocateInput<ResolvedPush>): Promise<Located<ResolvedPush> | PathsRefused> {
  const { row, resolved } = input;
  if (!isPossible(row, resolved)) return refused(row, resolved, "has no path in that mount");
  const mount = await mountOf(input);
  mustBeExpected(resolved.declaration, mount);
  const located = resolved.declaration.objects.map(({ below = "" }): LocatedObject => {
    const at = pathOf(row, resolved, mount, below);
    const { identity, place } = resolved.asks;
    return { name: below, at, pushed: pushedAt(at, identity, place.vault) };
  });
  const refusal = refusalOf(row, resolved, located);
  if (refusal !== undefined) return refusal;
  const asks = { ...resolved.asks, place: placeOf(row, resolved, mount) };
  return { resolved: { ...resolved, asks, mount, located }, paths: located.map(({ pushed }) => pushed) };
}

async function mountOf({ row, resolved, writes, reached, signal }: LocateInput<ResolvedPush>): Promise<KvMount> {
  const known = pushState(row.state.own);
  // After a failure it is asked for again: the mount may have been replaced by one of another version of kv.
  if (known?.of === mountId(resolved) && row.state.error === undefined) return known.mount;
  const who = { identity: await reached(resolved.asks.identity), by: row.key };
  return writes.mountOf(who, resolved.declaration.path, signal);
}

/** No pattern of another mount allows it: Vault need not be asked. */
function isPossible({ key }: Row, { declaration, push }: ResolvedPush): boolean {
  const [first = ""] = declaration.path.split("/");
  const values = partsOf(key);
  return push.paths.some((pattern) => allowsPath(pattern.split("/")[0] ?? "", values, first));
}

/** The mount that a VaultPushSecret names is one, and of the version that it names. */
function mustBeExpected({ expects }: ResolvedPush["declaration"], { mount, engine }: KvMount): void {
  if (expects === undefined) return;
  if (expects.mount !== mount) {
    const message = `spec.destination.mount is not a mount of that Vault: the path is in mount ${mount}, so set mount to ${mount} and path to the rest`;
    throw new SyncError("VAULT_ANSWER_INVALID", message);
  }
  if (expects.engine === undefined || expects.engine === engine) return;
  const message = `spec.destination.type is ${expects.engine}, but mount ${mount} is ${engine}: correct it, or leave it out`;
  throw new SyncError("VAULT_ANSWER_INVALID", message);
}

function pathOf(row: Row, { declaration, push }: ResolvedPush, { mount, engine }: KvMount, below: string): KvPath {
  const { cluster } = partsOf(row.key);
  const declared = declaration.path.slice(mount.length + 1);
  const rest = engine === "kv-v2" ? declared.replace(/^data(\/|$)/, "") : declared;
  const prefix = push.prefix === "cluster" ? `clusters/${cluster}` : "";
  return { mount, engine, path: [prefix, rest, below].filter((part) => part !== "").join("/") };
}

/** The declared path as events of Vault name it: with its namespace and prefix, and without `data/`. */
function placeOf(row: Row, resolved: ResolvedPush, mount: KvMount): Place {
  const { identity, place } = resolved.asks;
  return pushPlace(pushedAt(pathOf(row, resolved, mount, ""), identity, place.vault));
}

/** Of the first path that is not allowed. Throws SPEC_INVALID for a mount without a path. */
function refusalOf(row: Row, resolved: ResolvedPush, located: readonly LocatedObject[]): PathsRefused | undefined {
  for (const { at } of located) {
    if (at.path === "")
      throw new SyncError("SPEC_INVALID", `${resolved.declaration.field} must name a path below mount ${at.mount}`);
    if (!isAllowed(row, resolved, at)) return refused(row, resolved, `does not allow ${pathText(at)}`);
  }
  return undefined;
}

function isAllowed({ key }: Row, { push }: ResolvedPush, at: KvPath): boolean {
  const values = partsOf(key);
  return push.paths.some((pattern) => allowsPath(pattern, values, pathText(at)));
}

/** A path that was only claimed, or that fleet.yaml may give to others now, must not be kept from them meanwhile. */
function refused(row: Row, resolved: ResolvedPush, why: string): PathsRefused {
  const { identity, place } = resolved.asks;
  const mayKeep = (path: Pushed): boolean => {
    if (path.digest === undefined && path.writing === undefined) return false;
    const at = kvPathOf(path, identity, place.vault);
    return at === undefined || isAllowed(row, resolved, at);
  };
  const error = notAllowed(row.key, `push.paths of cluster ${partsOf(row.key).cluster} in fleet.yaml ${why}`);
  return { refused: error, mayKeep };
}
