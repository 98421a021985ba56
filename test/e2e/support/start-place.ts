import { type Place, placeIn } from "./place.ts";
import { startWorld, type World, type WorldOptions } from "./world.ts";

/** A world of one cluster, and a namespace of it: what most stories need. */
export interface StartedPlace {
  readonly world: World;
  readonly cluster: Place["cluster"];
  readonly place: Place;
}

/** Starts a Vault and a cluster `one`, and makes this namespace as a team has it. Whoever asked ends the world. */
export async function startPlace(
  namespace: string,
  options: Omit<WorldOptions, "clusters"> = {},
): Promise<StartedPlace> {
  await using started = new AsyncDisposableStack();
  const world = started.use(await startWorld({ ...options, clusters: ["one"] }));
  const [cluster] = world.clusters;
  if (!cluster) throw new Error("no cluster");
  await world.namespace(cluster, namespace);
  started.move();
  return { world, cluster, place: placeIn(cluster, namespace) };
}

/** Ends them one after the other, all of them even when one fails; undefined is what never started. */
export async function endAll(...started: readonly (AsyncDisposable | undefined)[]): Promise<void> {
  await using ends = new AsyncDisposableStack();
  for (const one of started.toReversed()) ends.use(one);
}
