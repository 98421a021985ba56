import { SyncError } from "../errors.ts";
import type { Asking } from "../failures/shared-failures.ts";
import type { ReferenceKey } from "../keys.ts";
import type { PathsRefused, Resolved, SyncKind } from "../kinds/kind.ts";
import type { Origin } from "../origins/origin.ts";
import { originOf } from "../origins/origin-of.ts";
import type { ReconcileDeps } from "../ports/deps.ts";
import type { ClusterSettings } from "../ports/fleet.ts";
import type { Pushed, Row, RowState } from "../ports/rows.ts";
import type { VaultIdentity } from "../ports/vault.ts";
import { withReferences } from "../references/references.ts";
import { askingOf, type RunMode } from "./asking.ts";
import type { Batch } from "./batch.ts";
import { claimOf, type RunClaim } from "./claim.ts";
import { MAX_PATHS, MOST_PATHS, unclaimed } from "./present-names.ts";

/** One sync during its run: its kind, its origin and its claim. */
export interface Run {
  readonly kind: SyncKind;
  readonly settings: ClusterSettings;
  readonly mode: RunMode;
  readonly refs: readonly ReferenceKey[];
  readonly resolved: Resolved | SyncError;
  readonly origin: Origin;
  readonly claim: RunClaim;
  readonly asking: Asking;
  /** The paths that it pushes to; missing for other kinds, and while they are not known. */
  readonly paths?: readonly Pushed[];
  /** Why they are not known, or not allowed. */
  readonly unlocated?: SyncError | PathsRefused;
}

/** A row to work on, before it is resolved. */
export interface Admitted {
  readonly row: Row;
  readonly settings: ClusterSettings;
  readonly mode: RunMode;
}

/** Resolves the declaration without requests or writes. */
export async function prepare(
  deps: ReconcileDeps,
  kind: SyncKind,
  { row, settings, mode }: Admitted,
  batch: Batch,
): Promise<Run> {
  const { declared, state } = row;
  const { refs, outcome: resolved } = await withReferences(
    batch.references,
    (reference) => kind.resolve({ declared, cluster: settings, reference }),
    state.refs,
  );
  const owned = resolved instanceof SyncError ? state.owned : kind.destination.ownedWith(resolved, state.owned);
  return {
    ...{ kind, settings, mode, refs, resolved },
    origin: originOf(deps, row, kind.ref),
    claim: claimOf(deps, row, owned, settings.vaults),
    asking: askingOf(row, resolved, mode, deps.clock()),
  };
}

/** Finds the paths that the run may write to, before its claim takes them. Other kinds have none. */
export async function located(deps: ReconcileDeps, run: Run, batch: Batch): Promise<Run> {
  const { kind, resolved, claim, settings } = run;
  if (kind.locate === undefined || resolved instanceof SyncError) return run;
  const { signal } = batch;
  const { writes } = deps;
  try {
    const found = await kind.locate({ row: claim.row, resolved, settings, writes, reached: reachedBy(batch), signal });
    if ("refused" in found) return { ...run, unlocated: found };
    mustBeFew(claim.row, found.paths);
    claim.claimPaths(found.paths);
    return { ...run, ...found };
  } catch (error) {
    if (error instanceof SyncError) return { ...run, unlocated: error };
    throw error;
  }
}

function mustBeFew(row: Row, paths: readonly Pushed[]): void {
  const { key, state } = row;
  const { pushed = [] } = state;
  const added = unclaimed(row, paths).length;
  const most = paths.length <= pushed.length ? MOST_PATHS : MAX_PATHS;
  if (added === 0 || pushed.length + added <= most) return;
  const message = `${key} still has ${pushed.length} former paths in Vault, and nothing more is pushed until these are cleaned up: allow its login to delete them, and name its last paths again until they are gone`;
  throw new SyncError("DESTINATION_UNSETTLED", message);
}

/** The login with the CA of its Vault. */
export function reachedBy({ ca, signal }: Batch): (identity: VaultIdentity) => Promise<VaultIdentity> {
  return async (identity) => ({ ...identity, target: await ca.resolve(identity.target, signal) });
}

/** The Vault-related parts of the row, once resolved. */
export function vaultOf({ resolved }: Pick<Run, "resolved">): Pick<RowState, "place" | "waitsFor"> {
  const asks = resolved instanceof SyncError ? undefined : resolved.asks;
  return asks === undefined ? {} : { place: asks.place, waitsFor: asks.circuit };
}
