/**
 * What this process has revoked in Vaults: audit lines of it are no news. Bounded: the line of a forgotten call, or of
 * another process, leads to a look-up that finds nothing to do.
 */
export interface OwnCalls {
  /** Noted before the request: its line may arrive before its answer. */
  revokes(leaseId: string): void;
  /** A revocation whose line hides what it revokes is known by the id of its request, which is in the answer. */
  asked(requestId: string): void;
  /** Whether an audit line is of such a call. */
  has(line: { readonly requestId: string; readonly leaseId?: string | undefined }): boolean;
}
