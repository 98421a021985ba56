/**
 * What a change in a Vault means for syncs. Paths are absolute, as in `Place`: namespace, mount and path joined,
 * decoded, without slashes at the ends.
 */
export type Effect =
  /** Syncs that read or push exactly there. */
  | PathEffect
  | PrefixEffect
  /** Any row of this Vault may be meant: all are verified, spread over a minute, once in some time (`Sweeps`). */
  | SweepEffect
  /**
   * Tokens of this login mount, or of all, are proven by lookup-self at their next use; denied rows are nudged. `mount`:
   * namespace, `auth` and mount joined, such as `ns1/auth/kubernetes`.
   */
  | { readonly kind: "tokens"; readonly mount?: string };

export interface PathEffect {
  readonly kind: "path";
  readonly path: string;
  /** kv-v2: the version that the line names. A reconcile that reads an older one reads again. */
  readonly version?: number;
  /** Versions begin anew: an expected version is forgotten. */
  readonly forget?: true;
  /** A Vault lease on that path may be gone: it is looked up before anything else. */
  readonly lease?: true;
}

export interface SweepEffect {
  readonly kind: "sweep";
  /** Only rows with Vault leases may be meant. */
  readonly lease?: true;
}

/** Syncs under that mount or path, by whole segments. */
export interface PrefixEffect {
  readonly kind: "prefix";
  readonly prefix: string;
  /** Only paths that end with these segments: others need not be nudged. */
  readonly endsWith?: string;
  /** Vault leases under it may be gone: each is looked up before anything else. */
  readonly lease?: true;
}
