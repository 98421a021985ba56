import { type FileHandle, open, stat } from "node:fs/promises";
import { type Lines, lineSplitter } from "./lines.ts";
import { type FilePosition, type Head, headOf, MAX_HEAD } from "./position.ts";

/** An open audit file, read line by line. It stays the same file when another one gets its name. */
export interface Tail extends AsyncDisposable {
  readonly path: string;
  readonly inode: string;
  /** The lines up to the end of the file, or a part of them; `isEnd`: nothing is left for now. */
  read(): Promise<Lines & { readonly isEnd: boolean }>;
  /** Half a line at the end of a file that gets no more. */
  rest(): Lines;
  /** Up to the last whole line that was read. */
  position(): FilePosition;
  /** Whether the file was emptied since: it is shorter, or begins otherwise. */
  isTruncated(): Promise<boolean>;
  stat(): Promise<{ readonly size: number; readonly changedNs: bigint }>;
}

/** One read; a batch of lines is about as large. */
const READ_BYTES = 4 * 1_024 * 1_024;

export interface TailOptions {
  readonly path: string;
  /** Where to begin: an offset after a newline. */
  readonly offset: number;
}

/** Opens a file. Throws the file system's error. */
export async function openTail({ path, offset }: TailOptions): Promise<Tail> {
  const handle = await openFile(path);
  try {
    return await tailOf(handle, path, offset);
  } catch (error) {
    await handle.close();
    throw error;
  }
}

/** Opening a pipe would wait for its writer. */
async function openFile(path: string): Promise<FileHandle> {
  if (!(await stat(path)).isFile()) throw Object.assign(new Error("not a file"), { code: "ENOTFILE" });
  return open(path, "r");
}

async function tailOf(handle: FileHandle, path: string, offset: number): Promise<Tail> {
  const { ino } = await handle.stat({ bigint: true });
  const buffer = Buffer.allocUnsafe(READ_BYTES);
  let splitter = lineSplitter();
  let at = offset;
  let head = await bytesAt(handle, 0, Math.min(offset, MAX_HEAD));
  const taken = (): number => at - splitter.pending();
  return {
    path,
    inode: String(ino),
    async read() {
      const { bytesRead } = await handle.read(buffer, 0, READ_BYTES, at);
      const chunk = buffer.subarray(0, bytesRead);
      // Every file is read from its start or after a stored head, so the head grows without gaps.
      if (head.length < MAX_HEAD && head.length === at) {
        head = Buffer.concat([head, chunk.subarray(0, MAX_HEAD - head.length)]);
      }
      const lines = splitter.push(chunk);
      at += bytesRead;
      return { ...lines, isEnd: bytesRead < READ_BYTES };
    },
    rest() {
      const lines = splitter.end();
      splitter = lineSplitter();
      return lines;
    },
    position: () => ({ inode: String(ino), offset: taken(), head: headOf(head.subarray(0, taken())) }),
    async isTruncated() {
      const { size } = await handle.stat();
      return size < at || !(await bytesAt(handle, 0, head.length)).equals(head);
    },
    async stat() {
      const { size, mtimeNs } = await handle.stat({ bigint: true });
      return { size: Number(size), changedNs: mtimeNs };
    },
    [Symbol.asyncDispose]: () => handle.close(),
  };
}

async function bytesAt(handle: FileHandle, from: number, length: number): Promise<Buffer> {
  const buffer = Buffer.alloc(length);
  const { bytesRead } = await handle.read(buffer, 0, length, from);
  return buffer.subarray(0, bytesRead);
}

/** What of a file must match a stored position: undefined when it can't be opened. */
export interface Glance {
  readonly inode: string;
  readonly size: number;
  readonly changedNs: bigint;
  /** The head of the same length as the given one. */
  readonly head: Head;
}

export async function glanceAt(path: string, headLength: number): Promise<Glance | undefined> {
  const handle = await openFile(path).catch(() => undefined);
  if (handle === undefined) return undefined;
  try {
    const { ino, size, mtimeNs } = await handle.stat({ bigint: true });
    const head = headOf(await bytesAt(handle, 0, headLength));
    return { inode: String(ino), size: Number(size), changedNs: mtimeNs, head };
  } catch {
    return undefined;
  } finally {
    await handle.close();
  }
}

/** The last longest line that a first start may cut. */
const SEARCHED_BYTES = 1_024 * 1_024;

/** The offset after the last newline: where a first start begins. */
export async function lastLineEnd(path: string): Promise<number> {
  const handle = await openFile(path);
  try {
    const { size } = await handle.stat();
    const from = Math.max(0, size - SEARCHED_BYTES);
    const end = (await bytesAt(handle, from, size - from)).lastIndexOf(10);
    if (end >= 0) return from + end + 1;
    // No line is complete, or the last one is too long anyway.
    return from === 0 ? 0 : size;
  } finally {
    await handle.close();
  }
}
