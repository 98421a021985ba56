import type { SyncKey } from "../keys.ts";

/** Why lines of a Vault may be missing: all its syncs are then looked at once. */
export type MissedReason = "reconnected" | "offset-gone" | "too-old" | "silent" | "overflow";

/** Counts of one call; `bad`: lines that are no audit lines. */
export interface Taken {
  readonly lines: number;
  readonly bad: number;
  /** Rows that were nudged. */
  readonly nudged: number;
}

/** Where the inlets of one Vault put what they receive: audit lines of exactly that Vault. */
export interface Inlet {
  /** The Vault's name in fleet.yaml. */
  readonly vault: string;
  /**
   * Resolves when each nudge stands in its row and later look-ups are sent: only then may the source acknowledge. A
   * bad line is counted and never fails the call. Throws when the table or the queue does not answer: the source
   * delivers the lines again, which is harmless.
   */
  take(lines: readonly string[], signal: AbortSignal): Promise<Taken>;
  /** Looks at the Vault's syncs once, spread over time; `of`: only at these, of which alone events are missing. */
  missed(reason: MissedReason, signal: AbortSignal, of?: readonly SyncKey[]): Promise<void>;
}
