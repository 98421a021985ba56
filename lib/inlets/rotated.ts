import { readdir, stat } from "node:fs/promises";
import { basename, dirname, extname, join } from "node:path";
import type { FilePosition } from "./position.ts";
import { glanceAt } from "./tail.ts";

/** Finds rotated audit files, in the folder of the audit file and with names such as logrotate gives. */

/** So many files of a folder are looked at. */
const MAX_FILES = 10_000;
/** Of a head this long, another file has the same one only if it is a copy. */
const TELLING_HEAD = 64;

export interface RotatedName {
  readonly path: string;
  readonly isCompressed: boolean;
}

/** `audit.log.1`, `audit.log-20261129`, `audit-20261129.log`, `audit.log.2.gz`; never the log of another Vault. */
export function isRotated(name: string, base: string): boolean {
  const extension = extname(base);
  const stem = base.slice(0, base.length - extension.length);
  const plain = name.replace(COMPRESSED, "");
  const mark =
    plain.startsWith(base) && plain.length > base.length
      ? plain.slice(base.length)
      : plain.startsWith(stem) && plain.endsWith(extension)
        ? plain.slice(stem.length, plain.length - extension.length)
        : "";
  return /^[-._](old|\d[\dTZ._:-]*)$/.test(mark);
}

const COMPRESSED = /\.(gz|bz2|xz|zst|lz4)$/;

export async function rotatedOf(path: string): Promise<readonly RotatedName[]> {
  const base = basename(path);
  const names = await readdir(dirname(path)).catch(() => []);
  return names
    .slice(0, MAX_FILES)
    .filter((name) => isRotated(name, base))
    .map((name) => ({ path: join(dirname(path), name), isCompressed: COMPRESSED.test(name) }));
}

/** Where a stored position is now. `isCopy`: of a file that was emptied afterwards, in which lines may be missing. */
export interface Found {
  readonly path: string;
  readonly isCopy: boolean;
}

/** The file of a position: still under its path, renamed, or copied. Undefined when it is gone. */
export async function findFile(path: string, { inode, offset, head }: FilePosition): Promise<Found | undefined> {
  const others = (await rotatedOf(path)).filter(({ isCompressed }) => !isCompressed).map((one) => one.path);
  let copy: string | undefined;
  for (const candidate of [path, ...others]) {
    const seen = await glanceAt(candidate, head.length);
    if (seen === undefined || seen.size < offset || seen.head.digest !== head.digest) continue;
    if (seen.inode === inode) return { path: candidate, isCopy: false };
    if (head.length >= TELLING_HEAD) copy ??= candidate;
  }
  return copy === undefined ? undefined : { path: copy, isCopy: true };
}

export interface Next {
  /** The next file to read from its start; undefined: there is none yet. */
  readonly path: string | undefined;
  /** Files in between can't be read. */
  readonly isGap: boolean;
}

/**
 * The file after an exhausted one: a rotated file that was written later, else the current one. An empty current file
 * is none yet: a process writes to the renamed file until it opens the new one, which its first line shows. `before`:
 * the inodes of the files that were read before the exhausted one.
 */
export async function nextFile(
  path: string,
  done: { readonly inode: string; readonly changedNs: bigint; readonly before: ReadonlySet<string> },
): Promise<Next> {
  const current = await statOf(path);
  if (current === undefined || current.inode === done.inode || current.size === 0)
    return { path: undefined, isGap: false };
  const rotated = await Promise.all(
    (await rotatedOf(path)).map(async (one) => ({ ...one, seen: await statOf(one.path) })),
  );
  const later = rotated
    .flatMap(({ seen, ...one }) => (seen === undefined ? [] : [{ ...one, ...seen }]))
    // Files of the same moment may be later ones: systems measure in steps of milliseconds.
    .filter(({ inode, changedNs }) => inode !== current.inode && changedNs >= done.changedNs)
    .filter(({ inode }) => inode !== done.inode && !done.before.has(inode));
  const [first] = later
    .filter(({ isCompressed, size }) => !isCompressed && size > 0)
    .toSorted((a, b) => (a.changedNs < b.changedNs ? -1 : 1));
  // The exhausted file may be compressed by now, with the same time.
  const isGap = later.some(({ isCompressed, changedNs }) => isCompressed && changedNs > done.changedNs);
  return { path: first?.path ?? path, isGap };
}

async function statOf(path: string) {
  const found = await stat(path, { bigint: true }).catch(() => undefined);
  if (!found?.isFile()) return undefined;
  return { inode: String(found.ino), size: Number(found.size), changedNs: found.mtimeNs };
}
