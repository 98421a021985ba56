import type { SyncKey } from "../keys.ts";
import type { VaultIdentity } from "./vault.ts";

/** Events of Vault Enterprise, as one login may see them. */
export interface EventQuestion {
  readonly identity: VaultIdentity;
  /** A sync that needs it: without one, the token stays in this process. */
  readonly by?: SyncKey;
  /** Vault namespace of the events; default: the identity's. */
  readonly namespace?: string;
  /** Types of events, with `*` as a wildcard: `kv*`. */
  readonly types: string;
}

/** Where events of Vault Enterprise come from; other Vaults refuse. */
export interface EventSource {
  /**
   * Opens a subscription with the identity's shared token, through the same connections as every request to this Vault.
   * Throws a SyncError when Vault can't be asked.
   */
  open(question: EventQuestion, signal: AbortSignal): Promise<EventStream | RefusedEvents>;
}

/** An open subscription. It ends with its connection: open another one then. */
export interface EventStream {
  /**
   * Passes each frame on until the stream ends. Call it once. `closed`: by Vault or the network; `silent`: Vault did
   * not answer a ping; `stopped`: by the signal.
   */
  follow(onFrame: (text: string) => void, stop: AbortSignal): Promise<"closed" | "silent" | "stopped">;
}

/** `missing`: this Vault has no events. `denied`: the login may not see them. The message names place and remedy. */
export interface RefusedEvents {
  readonly refused: "missing" | "denied";
  readonly message: string;
}
