import { some } from "../lib/doctor/remedies.ts";
import { InputError } from "../lib/errors.ts";
import type { Fleet, FleetCluster } from "../lib/fleet/fleet.ts";
import type { ComposedFleet } from "../lib/hubs/compose.ts";
import { nearest } from "../lib/util/nearest.ts";
import { becauseOf, hubGaps } from "./hub-gaps.ts";

/**
 * The clusters of these names, of fleet.yaml and of its hubs; all of them without names. Throws an InputError about the
 * subject for each name that the fleet lacks.
 */
export function namedClusters(
  fleet: ComposedFleet,
  names: readonly string[],
  subject: string,
): readonly FleetCluster[] {
  const all = fleet.clusters.map(({ name }) => name);
  const unknown = names.filter((name) => !all.includes(name));
  if (unknown.length > 0)
    throw new InputError(
      subject,
      unknown.map((name) => noSuchCluster(fleet, all, name)),
    );
  return names.length === 0 ? fleet.clusters : fleet.clusters.filter(({ name }) => names.includes(name));
}

/** Throws an InputError about the subject if these are not exactly one cluster, which the option is for. */
export function mustBeOne(clusters: readonly Pick<FleetCluster, "name">[], option: string, subject: string): void {
  if (clusters.length === 1) return;
  const which = clusters.length === 0 ? "the fleet has none" : `name one of ${some(clusters.map(({ name }) => name))}`;
  throw new InputError(subject, [`${option} is for one cluster, as kubectl works in one: ${which}`]);
}

/** Says also if it may be the cluster of a hub that the fleet does not have now. */
function noSuchCluster(fleet: ComposedFleet, all: readonly string[], name: string): string {
  const { unread, refused } = hubGaps(fleet);
  const near = nearest(name, all, () => 3);
  const known = refused.find(({ cluster }) => cluster === name);
  const hubs = known === undefined ? unread : [];
  return [
    `no such cluster in the fleet: ${name}${near === undefined ? "" : ` (did you mean ${near}?)`}`,
    ...(known === undefined ? [] : [`hub ${known.hub} has it, but${becauseOf(known)}`]),
    ...hubs.map((one) => `it may be one of hub ${one.hub}, which could not be read${becauseOf(one)}`),
  ].join("; ");
}

/** A cluster of fleet.yaml itself. Throws an InputError about the subject that names those that there are. */
export function clusterOfFile(
  { clusters, hubs }: Fleet,
  name: string,
  { fileName, subject }: { readonly fileName: string; readonly subject: string },
): FleetCluster {
  const found = clusters.find((cluster) => cluster.name === name);
  if (found !== undefined) return found;
  const known = clusters.length === 0 ? "none" : clusters.map((cluster) => cluster.name).join(", ");
  const ofHubs = hubs.length === 0 ? "" : "; this command is for its clusters only, not for those of its hubs";
  throw new InputError(subject, [`${fileName} has no cluster ${name}: it has ${known}${ofHubs}`]);
}
