import type { DiscoveryDeps } from "../discovery/deps.ts";
import { survey } from "../discovery/survey.ts";
import type { SyncError } from "../errors.ts";
import { partsOf, type ReferenceKey, type SyncKey } from "../keys.ts";
import type { Resolved } from "../kinds/kind.ts";
import type { KindRegistry } from "../kinds/registry.ts";
import type { ClusterSettings } from "../ports/fleet.ts";
import type { Reference, Row } from "../ports/rows.ts";
import { isBeingDeleted } from "../reconcile/standing.ts";
import { referenceReader, withReferences } from "../references/references.ts";
import { isReferenceStatus } from "../resource-kinds.ts";
import type { JsonObject } from "../util/json.ts";

/** One sync, with what it refers to. */
export interface DeclaredSync {
  readonly key: SyncKey;
  readonly spec: JsonObject;
  readonly outcome: Resolved | SyncError;
  /** All references, in the order in which they were looked up. */
  readonly refs: readonly ReferenceKey[];
}

/** What a cluster declares. */
export interface DeclaredWork {
  readonly syncs: readonly DeclaredSync[];
  /** What prevented reading a part of it. */
  readonly errors: readonly SyncError[];
  readonly reference: (key: ReferenceKey) => Reference | undefined;
}

/** Reads and resolves all declarations of a cluster, as a run does, into a lease table that is thrown away. */
export async function declaredWork(
  deps: DiscoveryDeps & { readonly kinds: KindRegistry },
  settings: ClusterSettings,
  signal: AbortSignal,
): Promise<DeclaredWork> {
  const { errors } = await survey(deps, settings, signal);
  const summaries = await deps.leases.byCluster(settings.name);
  const keys = summaries.map(({ key }) => key).filter((key) => !isReferenceStatus(key));
  const rows = [...(await deps.leases.read(keys, "strong")).values()].filter((row) => !isBeingDeleted(row));
  const references = referenceReader(deps.leases, "strong");
  const syncs: DeclaredSync[] = [];
  for (const row of rows.toSorted((a, b) => (a.key < b.key ? -1 : 1))) {
    const sync = await resolved(deps.kinds, row, settings, references);
    if (sync !== undefined) syncs.push(sync);
  }
  return { syncs, errors, reference: (key) => references.get(key) };
}

async function resolved(
  kinds: KindRegistry,
  row: Row,
  settings: ClusterSettings,
  references: ReturnType<typeof referenceReader>,
): Promise<DeclaredSync | undefined> {
  const kind = kinds.of(partsOf(row.key).kind);
  if (kind === undefined) return undefined;
  const { outcome, refs } = await withReferences(references, (reference) =>
    kind.resolve({ declared: row.declared, cluster: settings, reference }),
  );
  return { key: row.key, spec: row.declared.spec, outcome, refs };
}

/** `VaultStaticSecret shop/database`: a key without its cluster, for people. */
export function shortName(key: SyncKey | ReferenceKey): string {
  const { kind, namespace, name } = partsOf(key);
  return `${kind} ${namespace}/${name}`;
}
