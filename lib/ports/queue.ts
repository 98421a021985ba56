import type { EpochMs } from "../clock.ts";
import type { SyncKey } from "../keys.ts";
import type { Look } from "./look-up.ts";
import type { Lane } from "./rows.ts";

/** A request to a worker. A message names objects without their content, so it may come late, twice or out of order. */
export type WorkMessage = KeysMessage | ProbeMessage | TokenSweepMessage | LookUpMessage;

/** Brings these rows to their declared state. */
export interface KeysMessage {
  readonly kind: "keys";
  /** Up to 25 keys, grouped by what they read. */
  readonly keys: readonly SyncKey[];
  readonly lane: Lane;
  /** When the work should start. */
  readonly at: EpochMs;
}

/** Probes the Vault or cluster of an open circuit. */
export interface ProbeMessage {
  readonly kind: "probe";
  /** The circuit's id. */
  readonly circuit: string;
  readonly at: EpochMs;
}

/** Ends tokens of a cluster, or of all clusters, that no sync needs any more. */
export interface TokenSweepMessage {
  readonly kind: "token-sweep";
  readonly cluster?: string;
  readonly at: EpochMs;
}

/** Looks up rows that an event in a Vault concerns, some time after the event. */
export interface LookUpMessage {
  readonly kind: "look-up";
  /** As in `Place`. */
  readonly vault: string;
  readonly look: Look;
  readonly at: EpochMs;
}

/**
 * `M`: the messages that it accepts. A queue for only some of them is no `WorkQueue` by type, so that an engine must
 * decide about the others. `send` is a property because TypeScript does not check methods' parameters for this.
 */
export interface WorkQueue<M extends WorkMessage = WorkMessage> {
  /** Resolves when every message is accepted. */
  readonly send: (messages: readonly M[]) => Promise<void>;
}

/** A look-up that waits for its time. `message` is missing when what is stored can't be read. */
export interface KeptLookUp {
  readonly id: number;
  readonly message?: LookUpMessage;
}

/** Keeps look-ups for the next process, where the queue is in memory. */
export interface KeptLookUps {
  /** Resolves with their ids once they are stored. */
  keepLookUps(messages: readonly LookUpMessage[]): Promise<readonly number[]>;
  /** The oldest ones. */
  lookUps(limit: number): Promise<readonly KeptLookUp[]>;
  forgetLookUps(ids: readonly number[]): Promise<void>;
}
