import { status } from "./engine.ts";
import type { Place } from "./place.ts";
import type { World } from "./world.ts";

/** What an event takes on a busy machine, at most: `failForLong` holds back whatever comes by time alone. */
export const AT_ONCE_MS = 45_000;
const FAR_MS = AT_ONCE_MS + 10_000;
const TOUCHED_MS = 120_000;

/**
 * Touches syncs that fail until the next try of each is further ahead than `AT_ONCE_MS`: what brings them sooner is an
 * event. Their `refreshAfter` has to be longer than a minute, else keyferry tries more often.
 */
export async function failForLong(world: World, place: Place, names: readonly string[]): Promise<void> {
  const keyOf = (name: string) => `${place.cluster.name}/VaultStaticSecret/${place.namespace}/${name}`;
  await place.cluster.waitFor(
    `the next try of ${names.join(", ")} to be far ahead`,
    async () => {
      const { syncs } = await status(world);
      const nextAt = (name: string) => Date.parse(syncs.find(({ key }) => key === keyOf(name))?.nextAt ?? "");
      const near = names.filter((name) => !(nextAt(name) > Date.now() + FAR_MS));
      await Promise.all(near.map((name) => place.touch(name)));
      return near.length === 0;
    },
    TOUCHED_MS,
  );
}
