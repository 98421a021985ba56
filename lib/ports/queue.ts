import type { EpochMs } from "../clock.ts";
import type { SyncKey } from "../keys.ts";
import type { Lane } from "./rows.ts";

/** What is asked of a worker. A message says which, never what: late, twice and out of order are all harmless. */
export type WorkMessage = KeysMessage | ProbeMessage | TokenSweepMessage;

/** Brings these rows to their declared state. */
export interface KeysMessage {
  readonly kind: "keys";
  /** Up to 25 keys, grouped by what they read. */
  readonly keys: readonly SyncKey[];
  readonly lane: Lane;
  /** When the work is to start. */
  readonly at: EpochMs;
}

/** Asks the Vault or the cluster of an open circuit whether it answers again. */
export interface ProbeMessage {
  readonly kind: "probe";
  /** The circuit's id. */
  readonly circuit: string;
  readonly at: EpochMs;
}

/** Ends the tokens of a cluster, or of all clusters, that no sync needs any more. */
export interface TokenSweepMessage {
  readonly kind: "token-sweep";
  readonly cluster?: string;
  readonly at: EpochMs;
}

/**
 * `M`: the messages that it takes. A queue that takes only some is no `WorkQueue` by type, so that an engine has to say
 * what becomes of the others. `send` is a property because the parameters of methods are not checked for that.
 */
export interface WorkQueue<M extends WorkMessage = WorkMessage> {
  /** Resolves when every message was accepted. */
  readonly send: (messages: readonly M[]) => Promise<void>;
}
