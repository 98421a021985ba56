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
  /** Asks this Vault something for a key: who dispatches work is told that it waits, and that it goes on. */
  readonly atVault: <T>(key: SyncKey, target: VaultTarget, ask: () => Promise<T>) => Promise<T>;
}

/** What who dispatches work may want to know while it is done: an end that says nothing must not keep others waiting. */
export interface Progress {
  /** Its own run is over, which may be long before that of the last one is. */
  onKeyDone(key: SyncKey): void;
  /** It waits for a Vault; `isKnown`: for one that answered lately. */
  waits(key: SyncKey, isKnown: boolean): void;
  /** It does so no longer. */
  goesOn(key: SyncKey): void;
}

/** How one message is worked on. */
export interface BatchOptions {
  readonly consistency: "strong" | "eventual";
  readonly progress: Progress | undefined;
  readonly signal: AbortSignal;
}

export function openBatch(
  deps: Pick<ReconcileDeps, "leases" | "vault" | "secrets">,
  shared: Shared,
  { consistency, progress, signal }: BatchOptions,
): Batch {
  return {
    ...shared,
    consistency,
    references: referenceReader(deps.leases, consistency),
    sources: sourceReader(deps, shared.ca),
    macKeys: macKeys(deps),
    // A signal of its own: each call listens to it, and one signal for all calls would have thousands of listeners to search.
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
