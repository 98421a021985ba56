import { aStaticSecret, aVaultSecret } from "./builders.ts";
import { aWorld, type World } from "./world.ts";

export const forever = new AbortController().signal;
export const SLOW = { refreshAfter: "240h" };

/** A world with a sync of `kv/db` that hardly ever reads by itself. */
export async function aQuietWorld(...names: readonly string[]): Promise<World> {
  const world = await aWorld();
  const syncs = (names.length === 0 ? ["db"] : names).map((name) => aStaticSecret(name, { path: "db", ...SLOW }));
  await world.given(aVaultSecret(), ...syncs);
  await world.advance("10s");
  return world;
}

export const password = (world: World, name = "db"): string | undefined => world.secret(name)?.data.password;
