import type { SyncError } from "../errors.ts";
import type { ReferenceKey } from "../keys.ts";
import type { ClusterSettings } from "../ports/fleet.ts";
import type { Declared, Reference } from "../ports/rows.ts";

/**
 * The outcome of resolving. `refs` is complete in both cases: a change of any of them starts another try (lease-table
 * 23).
 */
export interface Resolution<T> {
  readonly refs: readonly ReferenceKey[];
  readonly outcome: T | SyncError;
}

export interface ResolveInput {
  readonly declared: Declared;
  readonly cluster: ClusterSettings;
  readonly reference: (key: ReferenceKey) => Reference | undefined;
}
