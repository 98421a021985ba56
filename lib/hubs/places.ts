/** The names of connections that are no clusters of the fleet: a colon is in no cluster's name. */

const PREFIX = "hub:";

/** The hub cluster itself: in commands, logs and messages. */
export function placeOfHub(hub: string): string {
  return `${PREFIX}${hub}`;
}

export function isHubPlace(place: string): boolean {
  return place.startsWith(PREFIX);
}

/** The API server of a hub's object, before it is a cluster of the fleet. */
export function placeOfObject(hub: string, object: string): string {
  return `${PREFIX}${hub}/${object}`;
}

/** The hub and the object of such a name. */
export function partsOfPlace(place: string): { readonly hub: string; readonly object?: string } | undefined {
  if (!isHubPlace(place)) return undefined;
  const [hub = "", ...rest] = place.slice(PREFIX.length).split("/");
  return rest.length === 0 ? { hub } : { hub, object: rest.join("/") };
}
