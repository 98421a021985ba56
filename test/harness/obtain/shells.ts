import { mkdir, mkdtemp, readdir, rename, rm } from "node:fs/promises";
import { delimiter, join } from "node:path";
import { watchFolder } from "../process/watchdog.ts";
import { cacheFolder, type Environment, isExecutable, platform } from "./find.ts";
import { withLock } from "./lock.ts";
import { plainProgress } from "./plain-progress.ts";
import { runTool } from "./run-tool.ts";

export type ShellName = "zsh" | "fish";

/** A shell that people use, as it is installed, or as Debian's package has it, unpacked into the cache. */
export interface Shell {
  readonly path: string;
  readonly env: Readonly<Record<string, string>>;
  /** Folders of modules and functions of an unpacked shell, which looks for them elsewhere. */
  readonly modules: readonly string[];
  readonly functions: readonly string[];
}

const PACKAGES: Readonly<Record<ShellName, readonly string[]>> = {
  zsh: ["zsh", "zsh-common"],
  fish: ["fish", "fish-common", "libpcre2-32-0"],
};
const MEMBER: Readonly<Record<ShellName, string>> = { zsh: "bin/zsh", fish: "usr/bin/fish" };

/** The shell on PATH, else that of Debian's packages; undefined where neither is to be had. apt checks signatures. */
export async function obtainShell(name: ShellName, env: Environment = process.env): Promise<Shell | undefined> {
  const installed = await onPath(name, env);
  if (installed !== undefined) return { path: installed, env: {}, modules: [], functions: [] };
  const root = join(cacheFolder(env), `${name}-debian-${platform()}`);
  const path = join(root, MEMBER[name]);
  if (!(await isExecutable(path))) {
    if ((await onPath("apt-get", env)) === undefined || (await onPath("dpkg-deb", env)) === undefined) return undefined;
    await withLock(`${root}.lock`, async () => {
      if (!(await isExecutable(path))) await unpack(name, root, env);
    });
  }
  const all = await readdir(root, { recursive: true, withFileTypes: true });
  const folders = all.filter((one) => one.isDirectory()).map((one) => join(one.parentPath, one.name));
  const libraries = folders.filter((folder) => /\/lib\/[^/]+-linux-gnu$/.test(folder));
  return {
    path,
    env: { LD_LIBRARY_PATH: libraries.join(delimiter) },
    modules: folders.filter((folder) => /-linux-gnu\/zsh\/[\d.]+$/.test(folder)),
    functions: folders.filter((folder) => /\/share\/(zsh|fish)\/functions/.test(folder)),
  };
}

async function onPath(name: string, env: Environment): Promise<string | undefined> {
  for (const folder of (env.PATH ?? "").split(delimiter).filter((part) => part !== "")) {
    if (await isExecutable(join(folder, name))) return join(folder, name);
  }
  return undefined;
}

async function unpack(name: ShellName, root: string, env: Environment): Promise<void> {
  plainProgress(name)("downloading Debian's packages");
  await mkdir(cacheFolder(env), { recursive: true });
  const folder = await mkdtemp(join(cacheFolder(env), "keyferry-obtain-"));
  watchFolder(folder);
  try {
    await runTool("apt-get", ["download", ...PACKAGES[name]], { cwd: folder, env });
    const unpacked = join(folder, "root");
    for (const file of (await readdir(folder)).filter((one) => one.endsWith(".deb"))) {
      await runTool("dpkg-deb", ["-x", join(folder, file), unpacked], { env });
    }
    await rename(unpacked, root);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
