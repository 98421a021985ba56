import type { ReleaseWaker } from "../failures/release-wake.ts";
import type { SharedFailures } from "../failures/shared-failures.ts";
import type { SyncKey } from "../keys.ts";
import type { Circuits } from "../outage/circuit.ts";
import type { ReconcileDeps } from "../ports/deps.ts";
import type { VaultTarget } from "../ports/vault.ts";
import type { CaCache } from "../references/ca-cache.ts";
import { type ReferenceReader, referenceReader } from "../references/references.ts";
import { type MacKeys, macKeys } from "../vso/stand-back/mac-keys.ts";
import { type SourceReader, sourceReader } from "./source.ts";

/** What all batches of a process share. */
export interface Shared {
  readonly circuits: Circuits;
  readonly ca: CaCache;
  readonly released: ReleaseWaker;
  readonly shared: SharedFailures;
}

/** What the runs of one batch share. */
export interface Batch extends Shared {
  readonly consistency: "strong" | "eventual";
  readonly references: ReferenceReader;
  readonly sources: SourceReader;
  readonly macKeys: MacKeys;
  readonly signal: AbortSignal;
  /** Sends a request to this Vault for a key, and reports its wait to the dispatcher. */
  readonly atVault: <T>(key: SyncKey, target: VaultTarget, ask: () => Promise<T>) => Promise<T>;
}

/** Tells the dispatcher about a message's keys, so that a silent end does not delay other work. */
export interface Progress {
  /** The key's own run has ended, possibly long before the last one. */
  onKeyDone(key: SyncKey): void;
  /** The key waits for a Vault; `isKnown`: that Vault answered recently. */
  waits(key: SyncKey, isKnown: boolean): void;
  /** The key continues. */
  goesOn(key: SyncKey): void;
}

/** Options for processing a message. */
export interface BatchOptions {
  readonly consistency: "strong" | "eventual";
  readonly progress: Progress | undefined;
  readonly signal: AbortSignal;
}

export function openBatch(
  deps: Pick<ReconcileDeps, "leases" | "vault" | "secrets" | "sleep">,
  shared: Shared,
  { consistency, progress, signal }: BatchOptions,
): Batch {
  return {
    ...shared,
    consistency,
    references: referenceReader(deps.leases, consistency),
    sources: sourceReader(deps, shared.ca),
    macKeys: macKeys(deps),
    // A separate signal: a common one for all calls would collect thousands of listeners.
    signal: AbortSignal.any([signal]),
    async atVault(key, target, ask) {
      progress?.waits(key, deps.vault.isKnown(target));
      try {
        return await ask();
      } finally {
        progress?.goesOn(key);
      }
    },
  };
}
