import { SyncError } from "../errors.ts";
import { isCleanupKey, partsOf } from "../keys.ts";
import type { Claim } from "../ports/claim.ts";
import type { ReconcileDeps } from "../ports/deps.ts";
import type { ResourceRef } from "../ports/objects.ts";
import type { Row } from "../ports/rows.ts";
import type { KindRef } from "../resource-kinds.ts";
import { apiVersionOf } from "../resource-kinds.ts";
import { sameJson } from "../util/canonical.ts";
import type { Announced, Origin } from "./origin.ts";
import { conditionList, eventOf, newsOf, nextStatus, type RunOutcome, warningEvent } from "./status.ts";
import { newWarnings } from "./warnings.ts";

/** Vault Sync Operator's finalizer: keyferry respects and then removes it, and adds none. */
export const PUSH_FINALIZER = "vault-sync.io/finalizer";

/** Whether an object's annotations still declare a push. */
type IsDeclared = (annotations: Readonly<Record<string, string>>) => boolean;

/**
 * The origin of a row that annotations of an object declare. The object has no status of ours: what a status would say
 * is in the row, for `keyferry status` and `explain`, and its news are events of the object.
 */
export function annotatedOrigin(
  apis: Pick<ReconcileDeps, "resources" | "clock">,
  row: Row,
  kind: KindRef,
  isDeclared: IsDeclared,
): Origin {
  const { resources, clock } = apis;
  const { cluster, namespace, name } = partsOf(row.key);
  const ref: ResourceRef = { cluster, namespace, name, kind };
  const { uid } = row.declared;

  const exists: Origin["exists"] = async (signal) => {
    const found = await resources.get(ref, signal);
    const isThere = found !== undefined && found.uid === uid && !found.deleting && isDeclared(found.annotations);
    return isThere ? "declared" : "gone";
  };

  return {
    owner: { apiVersion: apiVersionOf(kind), kind: kind.kind, name, uid },
    exists,
    async mustBeDeclared(signal) {
      if ((await exists(signal)) === "declared") return;
      throw new SyncError(
        "DECLARATION_GONE",
        `${kind.kind} ${namespace}/${name} is gone, or has no vault-sync.io/path`,
      );
    },
    announce: (outcome, claim, signal) => tell(apis, ref, outcome, claim, signal),
    emit: (event, signal) => resources.emit(ref, uid, event, clock(), signal),
    async release(signal) {
      if (isCleanupKey(row.key)) return;
      await resources.removeFinalizers(ref, [PUSH_FINALIZER], signal);
    },
  };
}

/** Events about news; the status itself stays in the row. */
async function tell(
  { resources, clock }: Pick<ReconcileDeps, "resources" | "clock">,
  ref: ResourceRef,
  outcome: RunOutcome,
  { row }: Claim,
  signal: AbortSignal,
): Promise<Announced> {
  const { declared, state } = row;
  const before = state.seen?.status ?? {};
  const now = clock();
  const status = nextStatus(before, { kind: ref.kind, generation: declared.generation, outcome, now });
  const isNews = outcome.kind === "synced" || !sameJson(newsOf(before), newsOf(status));
  const event = isNews ? eventOf(ref.kind, outcome) : undefined;
  const warnings = outcome.kind === "synced" ? (outcome.warnings ?? []) : [];
  const events = newWarnings(conditionList(before), warnings).map(warningEvent);
  for (const one of event ? [event, ...events] : events) await resources.emit(ref, declared.uid, one, now, signal);
  return { seen: { resourceVersion: declared.seen.resourceVersion, status }, isGone: false };
}
