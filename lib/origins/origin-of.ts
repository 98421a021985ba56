import { isPushed } from "../declarations/push/annotations.ts";
import { partsOf } from "../keys.ts";
import type { ReconcileDeps } from "../ports/deps.ts";
import type { Row } from "../ports/rows.ts";
import { annotatedKind, type KindRef } from "../resource-kinds.ts";
import { annotatedOrigin } from "./annotated.ts";
import { clusterOrigin } from "./cluster.ts";
import type { Origin } from "./origin.ts";

/** The origin of a row: a resource of its cluster, or an object with annotations. */
export function originOf(apis: Pick<ReconcileDeps, "resources" | "clock">, row: Row, kind?: KindRef): Origin {
  const annotated = annotatedKind(partsOf(row.key).kind);
  return annotated === undefined ? clusterOrigin(apis, row, kind) : annotatedOrigin(apis, row, annotated, isPushed);
}
