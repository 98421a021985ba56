import type { ComposedFleet } from "../hubs/compose.ts";
import { type Finding, finding } from "./finding.ts";
import { advice } from "./remedies.ts";

/** Hubs that could not be read, and their objects that are no clusters of the fleet. */
export function hubFindings({ unread, refused }: Pick<ComposedFleet, "unread" | "refused">): readonly Finding[] {
  return [
    ...unread.map(({ name }) =>
      finding("HUB_UNREAD", {
        where: `hub ${name} in fleet.yaml`,
        what: "it could not be read",
        remedy: advice("Correct its connect in fleet.yaml, or keyferry's rights there (docs/fleet.md)."),
      }),
    ),
    ...refused.map(({ hub, object, name, error }) =>
      finding("HUB_CLUSTER_REFUSED", {
        where: `hub ${hub}: ${object} (${name})`,
        what: `${error.code}: ${error.message}`,
        remedy: advice("Correct the object in the hub, or leave it out by the selector of the hub in fleet.yaml."),
      }),
    ),
  ];
}
