import { SyncError } from "../errors.ts";
import { isCleanupKey, partsOf } from "../keys.ts";
import type { ReconcileDeps } from "../ports/deps.ts";
import type { OwnerReference, ResourceRef } from "../ports/objects.ts";
import type { Row } from "../ports/rows.ts";
import { apiVersionOf, type KindRef, kindNamed } from "../resource-kinds.ts";
import { announce } from "./announce.ts";
import type { Origin } from "./origin.ts";

/**
 * The garbage collector's finalizer after a deletion with `--cascade=orphan`: it removes its owner references first.
 */
const ORPHAN_FINALIZER = "orphan";

/** The declaring resource of a row, in its cluster; pass `kind` when only a registry may know it. */
export function declaringResource({ key }: Pick<Row, "key">, kind?: KindRef): ResourceRef {
  const { cluster, kind: kindName, namespace, name } = partsOf(key);
  const found = kind ?? kindNamed(kindName);
  if (!found) throw new Error(`no kind of that name: ${key}`);
  return { cluster, namespace, name, kind: found };
}

/** The owner reference of a declaration on its Secrets. */
export function referenceTo(kind: KindRef, name: string, uid: string): OwnerReference {
  return { apiVersion: apiVersionOf(kind), kind: kind.kind, name, uid };
}

/** The origin of a row that a resource in a cluster declares. */
export function clusterOrigin(apis: Pick<ReconcileDeps, "resources" | "clock">, row: Row, of?: KindRef): Origin {
  const { resources } = apis;
  const ref = declaringResource(row, of);
  const { kind } = ref;
  const { uid } = row.declared;

  const exists: Origin["exists"] = async (signal) => {
    const found = await resources.get(ref, signal);
    if (found === undefined || found.uid !== uid) return "gone";
    if (!found.deleting) return "declared";
    // Its Secrets are released, even before the garbage collector removes its references (kubernetes-rules 6).
    return found.finalizers.includes(ORPHAN_FINALIZER) ? "releasing" : "gone";
  };

  return {
    owner: referenceTo(kind, ref.name, uid),
    exists,
    async mustBeDeclared(signal) {
      if ((await exists(signal)) === "declared") return;
      throw new SyncError("DECLARATION_GONE", `${kind.kind} ${ref.namespace}/${ref.name} was deleted`);
    },
    announce: (outcome, claim, signal) => announce(apis, ref, outcome, claim, signal),
    emit: (event, signal) => resources.emit(ref, uid, event, apis.clock(), signal),
    async release(signal) {
      const { finalizer } = kind;
      if (isCleanupKey(row.key) || finalizer === undefined) return;
      await resources.removeFinalizers(ref, [finalizer], signal);
    },
  };
}
