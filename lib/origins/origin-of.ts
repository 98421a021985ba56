import type { ReconcileDeps } from "../ports/deps.ts";
import type { Row } from "../ports/rows.ts";
import type { KindRef } from "../resource-kinds.ts";
import { clusterOrigin } from "./cluster.ts";
import type { Origin } from "./origin.ts";

/** Where a row was declared. Each row of today is declared by a resource of its cluster; another origin is told apart here. */
export function originOf(apis: Pick<ReconcileDeps, "resources" | "clock">, row: Row, kind?: KindRef): Origin {
  return clusterOrigin(apis, row, kind);
}
