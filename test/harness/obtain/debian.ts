import { execFile } from "node:child_process";
import { mkdir, mkdtemp, readdir, rename, rm } from "node:fs/promises";
import { delimiter, join } from "node:path";
import { promisify } from "node:util";
import { watchFolder } from "../process/watchdog.ts";
import { cacheFolder, type Environment, isExecutable, platform } from "./find.ts";
import { withLock } from "./lock.ts";
import { plainProgress } from "./plain-progress.ts";
import { runTool } from "./run-tool.ts";

/** A tool that tests run as its users do: as it is installed, or as Debian's packages have it, unpacked into the cache. */
export interface Installed {
  readonly path: string;
  /** Where an unpacked tool finds its libraries. */
  readonly env: Readonly<Record<string, string>>;
  /** All folders of an unpacked tool, which looks for its modules elsewhere. */
  readonly folders: readonly string[];
}

export interface DebianTool {
  readonly name: string;
  readonly packages: readonly string[];
  /** Where the packages put it. */
  readonly member: string;
}

/** The tool on PATH, else that of Debian's packages; undefined where neither is to be had. apt checks signatures. */
export async function obtainDebian(tool: DebianTool, env: Environment = process.env): Promise<Installed | undefined> {
  const installed = await onPath(tool.name, env);
  if (installed !== undefined) return { path: installed, env: {}, folders: [] };
  const root = join(cacheFolder(env), `${tool.name}-debian-${platform()}`);
  const path = join(root, tool.member);
  if (!(await isExecutable(path))) {
    if ((await onPath("apt-get", env)) === undefined || (await onPath("dpkg-deb", env)) === undefined) return undefined;
    await withLock(`${root}.lock`, async () => {
      if (!(await isExecutable(path))) await unpack(tool, root, env);
    });
  }
  const all = await readdir(root, { recursive: true, withFileTypes: true });
  const folders = all.filter((one) => one.isDirectory()).map((one) => join(one.parentPath, one.name));
  const libraries = folders.filter((folder) => /\/lib\/([^/]+-linux-gnu|syslog-ng)$/.test(folder));
  return { path, env: { LD_LIBRARY_PATH: libraries.join(delimiter) }, folders };
}

async function onPath(name: string, env: Environment): Promise<string | undefined> {
  for (const folder of (env.PATH ?? "").split(delimiter).filter((part) => part !== "")) {
    if (await isExecutable(join(folder, name))) return join(folder, name);
  }
  return undefined;
}

async function unpack({ name, packages }: DebianTool, root: string, env: Environment): Promise<void> {
  plainProgress(name)("downloading Debian's packages");
  await mkdir(cacheFolder(env), { recursive: true });
  const folder = await mkdtemp(join(cacheFolder(env), "keyferry-obtain-"));
  watchFolder(folder);
  try {
    // A machine may never have fetched the lists of packages: then they are fetched to a folder of our own.
    await download(packages, [], folder, env).catch(async () => {
      const own = await ownLists(folder);
      await runTool("apt-get", [...own, "update"], { cwd: folder, env });
      await download(packages, own, folder, env);
    });
    const unpacked = join(folder, "root");
    for (const file of (await readdir(folder)).filter((one) => one.endsWith(".deb"))) {
      await runTool("dpkg-deb", ["-x", join(folder, file), unpacked], { env });
    }
    await rename(unpacked, root);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function ownLists(folder: string): Promise<readonly string[]> {
  const at = { State: join(folder, "state"), Cache: join(folder, "cache") };
  for (const path of [join(at.State, "lists", "partial"), join(at.Cache, "archives", "partial")])
    await mkdir(path, { recursive: true });
  const places = { ...at, "State::status": "/var/lib/dpkg/status" };
  return Object.entries(places).flatMap(([name, path]) => ["-o", `Dir::${name}=${path}`]);
}

/** With what they need and this machine does not have. */
async function download(
  packages: readonly string[],
  own: readonly string[],
  folder: string,
  env: Environment,
): Promise<void> {
  const ask = [...own, "-qq", "-o", "Debug::NoLocking=1", "--print-uris", "--no-install-recommends", "install"];
  const { stdout } = await promisify(execFile)("apt-get", [...ask, ...packages], { env: { ...process.env, ...env } });
  const needed = [...stdout.matchAll(/^'[^']*' ([^_\s]+)_/gm)].map(([, name = ""]) => name);
  await runTool("apt-get", [...own, "download", ...needed], { cwd: folder, env });
}
