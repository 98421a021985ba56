import type { EpochMs } from "../../clock.ts";
import type { Digest } from "../../digest.ts";
import type { PushSettings } from "../../ports/fleet-push.ts";
import type { Place, Pushed } from "../../ports/rows.ts";
import type { VaultIdentity } from "../../ports/vault.ts";
import type { KvFields, KvPath } from "../../ports/vault-writes.ts";
import type { SecretData } from "../../secret-value.ts";

/** One object of a declaration, with the path that it is written to. */
export interface LocatedObject {
  /** Its name in a run's data; empty: the declared path itself. */
  readonly name: string;
  readonly at: KvPath;
  /** What the row records of that path. */
  readonly pushed: Pushed;
}

/** The parts of a resolved kind that pushing needs. */
export interface WantsPaths {
  readonly asks: { readonly identity: VaultIdentity; readonly place: Place };
  readonly push: Pick<PushSettings, "conflict" | "deletion" | "paths" | "prefix">;
  readonly declaration: { readonly preserve: boolean; readonly reconcileMs?: number };
  /** Missing: the mount was not asked for yet. */
  readonly located?: readonly LocatedObject[];
}

/** What is known of a path's content, without any value. */
export type SeenObject =
  | { readonly kind: "unread" }
  /** The policies of the login do not allow to read it. */
  | { readonly kind: "denied" }
  | { readonly kind: "absent" }
  | { readonly kind: "deleted"; readonly version: number; readonly list?: string }
  | {
      readonly kind: "data";
      readonly version?: number;
      /** Of all its fields. */
      readonly digest: Digest;
      /** Of those that this push writes. */
      readonly ownDigest: Digest;
      /** Fields that this push wrote once, and does not write any more. */
      readonly stale: readonly string[];
      /** Of binary fields, in custom_metadata. */
      readonly list?: string;
    };

/** One path during a run. */
export interface ObjectWork {
  readonly name: string;
  readonly at: KvPath;
  readonly body: SecretData;
  readonly fields: KvFields;
  /** Of binary fields, to stand in custom_metadata; empty: none. */
  readonly list: string;
  /** Of the fields as Vault holds them. */
  readonly digest: Digest;
  /** As the row has it. */
  readonly recorded: Pushed;
  readonly seen: SeenObject;
  /** The version at which Vault refused a write of this run. */
  readonly refusedAt?: number;
  readonly isDone: boolean;
  /** This run has tried to claim it, and may: no other row pushes to it. */
  readonly isClaimed?: boolean;
  /** This run has asked whether binary fields may be listed. */
  readonly isAsked?: boolean;
}

/** What decisions depend on, beside the path. */
export interface PushRules {
  /** Vault is read even if nothing seems to have changed. */
  readonly look: boolean;
  /** The declaration was not applied yet. */
  readonly isNew: boolean;
  readonly conflict: PushSettings["conflict"];
  /** Of another key, a digest tells nothing about the data. */
  readonly isOfThisKey: (digest: Digest) => boolean;
  /** `Deployment shop/app`, for messages. */
  readonly subject: string;
  /** The hash of the declaration. */
  readonly declaration: string;
  readonly now: EpochMs;
}

/** The next step for one path. */
export type ObjectDecision =
  | { readonly kind: "read" }
  /** Asks whether binary fields may be listed in custom_metadata. */
  | { readonly kind: "ask" }
  /** Corrects that list. */
  | { readonly kind: "list" }
  /** Finds out whether the data that stands there is another row's. */
  | { readonly kind: "claim" }
  /** It was written too often: the row records that it is not written any more, and the run fails. */
  | { readonly kind: "park" }
  /** Vault has what is wanted: the row records it. */
  | { readonly kind: "record"; readonly version?: number }
  | { readonly kind: "put" | "patch"; readonly cas: number; readonly because: string };

/** `kv/apps/db`, for messages. */
export function pathText({ mount, path }: KvPath): string {
  return `${mount}/${path}`;
}

type Listing = Pick<ObjectWork, "seen" | "recorded" | "list" | "fields">;

/**
 * Whether custom_metadata lists what it should, as far as that is known. Someone else's list stays, unless it names a
 * field that is text: a sync would decode that.
 */
export function isListed(work: Listing): boolean {
  const { seen, recorded, list } = work;
  if (list === "" && recorded.list === undefined && recorded.listing === undefined)
    return listSeen(seen) === listOfOthers(work);
  if (seen.kind === "absent") return list === "";
  if (seen.kind === "data" || seen.kind === "deleted") return (seen.list ?? "") === list;
  return recorded.listing === undefined && (recorded.list ?? "") === list;
}

/** The list without the fields that this push writes as text. */
export function listOfOthers({ seen, fields }: Pick<Listing, "seen" | "fields">): string {
  const names = listSeen(seen).split(",");
  return names.filter((name) => fields.get(name)?.base64 !== false).join(",");
}

function listSeen(seen: SeenObject): string {
  return seen.kind === "data" || seen.kind === "deleted" ? (seen.list ?? "") : "";
}

/** Whether this row wrote what the path held last. */
export function isOurs({ digest }: Pushed): boolean {
  return digest !== undefined;
}
