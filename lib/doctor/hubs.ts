import { type ComposedFleet, unreadHubs } from "../hubs/compose.ts";
import { type Finding, finding } from "./finding.ts";
import { advice } from "./remedies.ts";

/** Hubs that could not be read, and their objects that are no clusters of the fleet. */
export function hubFindings(fleet: Pick<ComposedFleet, "unread" | "troubled" | "refused">): readonly Finding[] {
  return [
    ...unreadHubs(fleet).map(({ name, error }) =>
      finding("HUB_UNREAD", {
        where: `hub ${name} in fleet.yaml`,
        what: error === undefined ? "it could not be read" : `${error.code}: ${error.message}`,
        remedy: advice("Correct its connect in fleet.yaml, or keyferry's rights there (docs/fleet.md)."),
      }),
    ),
    ...fleet.refused.map(({ hub, object, name, error }) =>
      finding("HUB_CLUSTER_REFUSED", {
        where: `hub ${hub}: ${object} (${name})`,
        what: `${error.code}: ${error.message}`,
        remedy: advice("Correct the object in the hub, or leave it out by the selector of the hub in fleet.yaml."),
      }),
    ),
  ];
}
