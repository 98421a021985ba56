import type { SyncKey } from "../keys.ts";
import type { VaultIdentity } from "./vault.ts";

/** A sync that asks to be told by its Vault (`syncConfig.instantUpdates`). */
export interface WantedEvents {
  readonly key: SyncKey;
  /** With the CA of its Vault. */
  readonly identity: VaultIdentity;
  /** Vault namespace of its read; default: the identity's. */
  readonly namespace?: string;
  /** The Vault as in `Place`. */
  readonly vault: string;
}

/** What is known about a subscription. `starting`: nothing yet. */
export type InstantState =
  | { readonly kind: "starting" | "following" }
  | { readonly kind: "refused"; readonly reason: InstantRefusal; readonly message: string };

/** The reason of the condition `InstantUpdates` on the resource. */
export type InstantRefusal = "NoEventsInThisVault" | "EventsDenied" | "EventsFailed" | "TooManySubscriptions";

/** Subscriptions of syncs. Syncs of one identity and Vault namespace share one. */
export interface InstantUpdates {
  /** Never waits. A sync whose state changes later is nudged. */
  want(wanted: WantedEvents): InstantState;
  /** The sync no longer asks for it. */
  forget(key: SyncKey): void;
}
