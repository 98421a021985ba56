import type { ListOptions } from "../ports/clusters.ts";
import type { KindRef } from "../resource-kinds.ts";
import type { EventHandler } from "./event-handlers.ts";

/** A watched kind of a cluster, with its own cursor. */
export interface WatchTarget {
  readonly isReference: boolean;
  /** The name of its cursor. */
  readonly name: string;
  readonly kind: KindRef;
  readonly options: ListOptions;
  readonly handler: EventHandler;
}
