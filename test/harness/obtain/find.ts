import { execFile } from "node:child_process";
import { access, constants } from "node:fs/promises";
import { homedir } from "node:os";
import { delimiter, join } from "node:path";
import { promisify } from "node:util";
import type { InventoryItem } from "./inventory.ts";

export type Environment = Readonly<Record<string, string | undefined>>;

const run = promisify(execFile);

/** `<os>-<arch>` in Go's words, which are also the ones of release archives. */
export const platform = (): string => `${process.platform}-${process.arch === "x64" ? "amd64" : process.arch}`;

/** Where obtained servers stay: `KEYFERRY_CACHE`, else `~/.cache/keyferry`. */
export const cacheFolder = (env: Environment): string =>
  env.KEYFERRY_CACHE ?? join(env.XDG_CACHE_HOME ?? join(homedir(), ".cache"), "keyferry");

export const cachedPath = (name: string, item: InventoryItem, env: Environment): string =>
  join(cacheFolder(env), `${name}-${item.version}-${platform()}`, name);

/** The binary that is here already: named by its variable, of a fitting version on PATH, or in the cache. */
export async function find(name: string, item: InventoryItem, env: Environment): Promise<string | undefined> {
  const named = env[item.variable];
  if (named !== undefined && named !== "") {
    if (await isExecutable(named)) return named;
    throw new Error(`${item.variable} names ${named}, which cannot be executed: correct or unset it`);
  }
  for (const folder of (env.PATH ?? "").split(delimiter).filter((part) => part !== "")) {
    const path = join(folder, name);
    if ((await isExecutable(path)) && (await hasVersion(path, item))) return path;
  }
  const cached = cachedPath(name, item, env);
  return (await isExecutable(cached)) ? cached : undefined;
}

export const isExecutable = (path: string): Promise<boolean> =>
  access(path, constants.X_OK).then(
    () => true,
    () => false,
  );

/** One that is too late counts as none: on a busy machine large binaries need seconds. */
const VERSION_WITHIN_MS = 60_000;

const hasVersion = (path: string, item: InventoryItem): Promise<boolean> =>
  run(path, [...item.versionArgs], { timeout: VERSION_WITHIN_MS }).then(
    ({ stdout, stderr }) => item.accepts.test(stdout + stderr),
    () => false,
  );
