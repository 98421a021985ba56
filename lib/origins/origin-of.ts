import type { ReconcileDeps } from "../ports/deps.ts";
import type { Row } from "../ports/rows.ts";
import type { KindRef } from "../resource-kinds.ts";
import { clusterOrigin } from "./cluster.ts";
import type { Origin } from "./origin.ts";

/**
 * The origin of a row. All current rows are declared by a resource of their cluster; other origins would be chosen
 * here.
 */
export function originOf(apis: Pick<ReconcileDeps, "resources" | "clock">, row: Row, kind?: KindRef): Origin {
  return clusterOrigin(apis, row, kind);
}
