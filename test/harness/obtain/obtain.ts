import { type Environment, find } from "./find.ts";
import { INVENTORY, type InventoryItem, type ServerName } from "./inventory.ts";

/** The path of a server's binary: found here, else obtained into the cache. */
export async function obtain(name: ServerName, env: Environment = process.env): Promise<string> {
  const item: InventoryItem = INVENTORY[name];
  const found = await find(name, item, env);
  if (found !== undefined) return found;
  throw new Error(`${name} ${item.version} is not here: set ${item.variable}`);
}
