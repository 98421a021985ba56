import { execFile } from "node:child_process";
import { copyFile, link, mkdir, readdir, readlink, stat, symlink } from "node:fs/promises";
import { dirname, join } from "node:path";
import { promisify } from "node:util";

/** Numbers of the user and group that a process runs as. */
export interface User {
  readonly uid: number;
  readonly gid: number;
}

/** Whom a server that refuses root runs as, when we are root: `nobody`. Undefined when we are not. */
export async function userBesideRoot(): Promise<User | undefined> {
  if (process.getuid?.() !== 0) return undefined;
  const id = async (flag: string) => Number((await promisify(execFile)("id", [flag, "nobody"])).stdout);
  const [uid, gid] = await Promise.all([id("-u"), id("-g")]);
  return { uid, gid };
}

const FOR_OTHERS = 0o005;
const TRAVERSE = 0o001;

/** Whether any user can read this folder: root's home, where the cache often is, lets nobody through. */
export async function isOpenToAll(folder: string): Promise<boolean> {
  if (((await stat(folder)).mode & FOR_OTHERS) !== FOR_OTHERS) return false;
  for (let path = dirname(folder); ; path = dirname(path)) {
    if (((await stat(path)).mode & TRAVERSE) === 0) return false;
    if (path === dirname(path)) return true;
  }
}

/** The same files at another place, as links where both are on one file system. */
export async function linkTree(from: string, to: string): Promise<void> {
  await mkdir(to, { mode: 0o755 });
  const entries = await readdir(from, { withFileTypes: true });
  await Promise.all(
    entries.map(async (entry) => {
      const [source, target] = [join(from, entry.name), join(to, entry.name)];
      if (entry.isDirectory()) await linkTree(source, target);
      else if (entry.isSymbolicLink()) await symlink(await readlink(source), target);
      else await link(source, target).catch(() => copyFile(source, target));
    }),
  );
}
