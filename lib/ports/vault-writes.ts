import type { SyncKey } from "../keys.ts";
import type { SecretValue } from "../secret-value.ts";
import type { VaultIdentity } from "./vault.ts";

/** In custom_metadata of kv-v2: the fields that are base64, with commas between them. */
export const BASE64_LIST = "keyferry.base64";

/** Who asks, and on behalf of which row: its token is shared by all rows with that identity. */
export interface Pusher {
  readonly identity: VaultIdentity;
  readonly by: SyncKey;
}

/** A kv mount, as Vault names it. */
export interface KvMount {
  /** Without slashes at its ends. */
  readonly mount: string;
  readonly engine: "kv-v1" | "kv-v2";
}

/** One path of a kv mount. */
export interface KvPath extends KvMount {
  /** Below the mount, without `data/`. */
  readonly path: string;
}

/** One field of a kv entry: bytes that are text, or their base64. */
export interface KvField {
  readonly value: SecretValue;
  /** The field holds the base64 of the value. */
  readonly base64: boolean;
}

/** Fields by name. Null removes a field, in a patch. */
export type KvFields = ReadonlyMap<string, KvField>;
/** Changed fields by name. Null removes one; others stay. */
export type KvPatch = ReadonlyMap<string, KvField | null>;

/** What stands at a path. */
export type SeenPath =
  /** Nothing: of kv-v2 no metadata either, so that only `cas: 0` writes. */
  | { readonly kind: "absent" }
  /** kv-v2: the newest version was deleted or destroyed. It still counts for `cas`. */
  | { readonly kind: "deleted"; readonly version: number; readonly list?: string }
  /** Fields that are no strings are there as JSON. `version`: kv-v2 only. `list`: of binary fields, in custom_metadata. */
  | {
      readonly kind: "data";
      readonly version?: number;
      readonly fields: ReadonlyMap<string, SecretValue>;
      readonly list?: string;
    };

/** `moved`: another version is the newest one, or Vault refuses the body: nothing was written. A read tells which. */
export type WriteResult = { readonly kind: "written"; readonly version?: number } | { readonly kind: "moved" };

/**
 * Writes to kv mounts of Vault and OpenBao. Failures say by `outcome` whether the write may have been carried out; a
 * write with `cas` may be repeated, since only its first one finds the version.
 */
export interface VaultWrites {
  /**
   * The mount that serves this path, whether the path exists or not. Throws VAULT_DENIED also where nothing is mounted,
   * because Vault does not tell these apart, and UNSUPPORTED for a mount that is not kv.
   */
  mountOf(who: Pusher, path: string, signal: AbortSignal): Promise<KvMount>;
  /** Whether the mount still has that version of kv. An answer counts for a minute, for all that ask in this process. */
  isStill(who: Pusher, mount: KvMount, signal: AbortSignal): Promise<boolean>;
  read(who: Pusher, at: KvPath, signal: AbortSignal): Promise<SeenPath>;
  /** Replaces all fields. kv-v2: only at the version `cas`; 0: only where there is no metadata. kv-v1 ignores it. */
  put(who: Pusher, at: KvPath, fields: KvFields, cas: number, signal: AbortSignal): Promise<WriteResult>;
  /** kv-v2: changes only these fields, at the version `cas`. */
  patch(who: Pusher, at: KvPath, fields: KvPatch, cas: number, signal: AbortSignal): Promise<WriteResult>;
  /** kv-v2: deletes this version softly, and no other. kv-v1: removes the path. An absent one counts as success. */
  remove(who: Pusher, at: KvPath, version: number | undefined, signal: AbortSignal): Promise<void>;
  /** kv-v2: removes the path with all its versions. */
  removeAll(who: Pusher, at: KvPath, signal: AbortSignal): Promise<void>;
  /** kv-v2: whether `describe` is allowed. A token that may not ask about itself is not. */
  mayDescribe(who: Pusher, at: KvPath, signal: AbortSignal): Promise<boolean>;
  /** kv-v2: merges these into the custom_metadata of an existing path. Null removes one. */
  describe(
    who: Pusher,
    at: KvPath,
    custom: Readonly<Record<string, string | null>>,
    signal: AbortSignal,
  ): Promise<void>;
}
