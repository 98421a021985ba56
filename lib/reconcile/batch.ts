import type { ReleaseWaker } from "../failures/release-wake.ts";
import type { SharedFailures } from "../failures/shared-failures.ts";
import type { SyncKey } from "../keys.ts";
import type { Circuits } from "../outage/circuit.ts";
import type { VaultTarget } from "../ports/vault.ts";
import type { CaCache } from "../references/ca-cache.ts";
import type { ReferenceReader } from "../references/references.ts";
import type { MacKeys } from "../vso/stand-back/mac-keys.ts";
import type { SourceReader } from "./source.ts";

/** What the runs of one batch share. */
export interface Batch {
  readonly references: ReferenceReader;
  readonly sources: SourceReader;
  readonly circuits: Circuits;
  readonly ca: CaCache;
  readonly released: ReleaseWaker;
  readonly macKeys: MacKeys;
  readonly shared: SharedFailures;
  readonly signal: AbortSignal;
  /** Asks this Vault something for a key: who dispatches work is told that it waits, and that it goes on. */
  readonly atVault: <T>(key: SyncKey, target: VaultTarget, ask: () => Promise<T>) => Promise<T>;
}
