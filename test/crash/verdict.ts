/** What the world looks like after a crash and the start after it. */
export interface Verdict {
  /** Leases that nobody will ever revoke, and paths that nobody will ever remove. */
  readonly leaked: number;
  /** Credentials that were in the Secret for the same wish beyond the first, and versions beyond those of changes. */
  readonly doubled: number;
  /** Certificates without a lease that are valid and in no Secret. */
  readonly spare: number;
  readonly failures: readonly string[];
}
