/**
 * What keyferry has revoked in Vaults: audit lines of it are no news. Bounded: the line of a forgotten call leads to a
 * look-up that finds nothing to do.
 */
export interface OwnCalls {
  /** Noted before the request: its line may arrive before its answer. */
  revokes(leaseId: string): void;
  /** A revocation whose line hides what it revokes is known by the id of its request, which is in the answer. */
  asked(requestId: string): Promise<void>;
  /**
   * A new name for a member of the body, which the line shows: for a revocation whose line hides what it revokes, and
   * whose answer has no id. Resolves when it is noted.
   */
  mark(): Promise<string>;
  /** Whether an audit line is of such a call. */
  has(line: OwnLine): boolean;
}

/** What may show that an audit line is of a call of keyferry's own. */
export interface OwnLine {
  readonly requestId: string;
  readonly leaseId?: string | undefined;
  readonly mark?: string | undefined;
}

/** Notes of own calls that other processes ask for. */
export interface OwnCallNotes {
  note(id: string): Promise<void>;
  isNoted(id: string): Promise<boolean>;
}

/** A random part that nobody guesses. */
export const MARK = /^keyferry-[0-9a-f]{32}$/;
