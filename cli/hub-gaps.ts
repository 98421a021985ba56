import { type ComposedFleet, unreadHubs } from "../lib/hubs/compose.ts";

/** Where an answer about the fleet may lack clusters, for scripts. */
export interface HubGaps {
  /** Hubs that could not be read. */
  readonly unread: readonly { readonly hub: string; readonly code?: string; readonly message?: string }[];
  /** Objects of hubs that are no clusters of the fleet, or that can't be reached any more. */
  readonly refused: readonly {
    readonly hub: string;
    readonly object: string;
    readonly cluster: string;
    readonly code: string;
    readonly message: string;
  }[];
}

export const NO_GAPS: HubGaps = { unread: [], refused: [] };

export function hasGaps({ unread, refused }: HubGaps): boolean {
  return unread.length > 0 || refused.length > 0;
}

export function hubGaps(fleet: ComposedFleet): HubGaps {
  return {
    unread: unreadHubs(fleet).map(({ name, error }) => ({
      hub: name,
      ...(error && { code: error.code, message: error.message }),
    })),
    refused: fleet.refused.map(({ hub, object, name, error: { code, message } }) => ({
      ...{ hub, object, cluster: name, code, message },
    })),
  };
}

/** For people. */
export function gapLines({ unread, refused }: HubGaps): readonly string[] {
  return [
    ...unread.map((one) => `hub ${one.hub} could not be read, and clusters of it may be missing here${becauseOf(one)}`),
    ...refused.map(
      ({ hub, object, cluster, code, message }) => `hub ${hub}: cluster ${cluster} (${object}): ${code}: ${message}`,
    ),
  ];
}

/** As the end of a sentence. */
export function becauseOf({ code, message }: HubGaps["unread"][number]): string {
  return code === undefined ? "" : `: ${code}: ${message}`;
}
