import type { EpochMs } from "../clock.ts";
import type { SyncKey } from "../keys.ts";
import type { Lane } from "./rows.ts";

/** Which keys, never what: late, twice and out of order are all harmless. Up to 25 keys, grouped by what they read. */
export interface WorkMessage {
  readonly keys: readonly SyncKey[];
  readonly lane: Lane;
  /** When the work is to start. */
  readonly at: EpochMs;
  /** Instead of keys: the id of the circuit that is to be probed. An engine that looks for due probes itself may drop it. */
  readonly probe?: string;
  /** Instead of keys: tokens of this cluster, or of all, that no sync needs any more are to be ended. */
  readonly tokens?: { readonly cluster?: string };
}

export interface WorkQueue {
  /** Resolves when every message was accepted. */
  send(messages: readonly WorkMessage[]): Promise<void>;
}
