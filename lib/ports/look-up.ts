import type { EpochMs } from "../clock.ts";
import type { SyncKey } from "../keys.ts";
import type { MissedReason } from "./inlet.ts";

/** Why all rows of a Vault are looked at: an event that may mean any of them, or lines that may be missing. */
export type SweepReason = "event" | MissedReason;

/** A place that changed, as an event told. */
export interface ChangedPlace {
  readonly where: "path" | "prefix";
  readonly path: string;
  /** Only paths below that end with these segments. */
  readonly endsWith?: string;
  /** kv-v2: the version that the event names. */
  readonly version?: number;
  /** Changes without a version came after that of `version`, such as a deletion. */
  readonly changedAfter?: true;
  /** Versions begin anew. */
  readonly forget?: true;
  /** A Vault lease there may be gone. */
  readonly lease?: true;
  /** When Vault wrote it, as far as known. */
  readonly at: EpochMs;
}

/** A place that is looked up once more. */
export interface SeenPlace extends ChangedPlace {
  /** Short hashes of the keys that the first look-up found; `many`: too many for a message. */
  readonly found: readonly string[] | "many";
}

/** What to look up. */
export type Look =
  /** These places again: `since` is the time of the first look-up, which an index that lagged may have misled. */
  | { readonly kind: "places"; readonly places: readonly SeenPlace[]; readonly since: EpochMs }
  /** Every row of the Vault, from this page on. `lease`: only those with something in Vault. */
  | { readonly kind: "sweep"; readonly reason: SweepReason; readonly lease?: true; readonly after?: string }
  /** These rows. `lease`: they have something in Vault, which is looked up as well. */
  | { readonly kind: "rows"; readonly keys: readonly SyncKey[]; readonly lease?: true }
  /** Rows to which this Vault denied something. */
  | { readonly kind: "denied" };
