import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { codeOf } from "../util/error-code.ts";
import { replaceFile } from "./replace-file.ts";

/** How far an audit file was taken, kept in a file of its own. */
export interface Position {
  /** The audit file's path. */
  readonly path: string;
  /** Missing: there was no file yet, so the next one counts from its start. */
  readonly file?: FilePosition;
}

export interface FilePosition {
  readonly inode: string;
  /** All before it is taken. */
  readonly offset: number;
  /** The beginning of the file: systems give the inode of a deleted file to a new one. */
  readonly head: Head;
}

export interface Head {
  readonly length: number;
  /** SHA-256 of so many bytes, in hex. */
  readonly digest: string;
}

export const MAX_HEAD = 1_024;

export function headOf(bytes: Uint8Array): Head {
  return { length: bytes.length, digest: createHash("sha256").update(bytes).digest("hex") };
}

export interface Positions {
  /** Undefined when nothing was stored, or what is stored can't be read. */
  load(): Promise<Position | "none" | "broken">;
  save(position: Position): Promise<void>;
}

/** A file that is replaced in one step, so that a crash leaves the former position. */
export function positionFile(path: string): Positions {
  return {
    async load() {
      try {
        return parsed(await readFile(path, "utf8"));
      } catch (error) {
        return codeOf(error) === "ENOENT" ? "none" : "broken";
      }
    },
    async save(position) {
      await replaceFile(path, `${JSON.stringify({ version: 1, ...position })}\n`);
    },
  };
}

function parsed(text: string): Position | "broken" {
  const found = jsonOf(text);
  if (found?.version !== 1 || typeof found.path !== "string") return "broken";
  const { path, file } = found;
  if (file === undefined) return { path };
  return isFilePosition(file) ? { path, file } : "broken";
}

function jsonOf(text: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}

function isFilePosition(value: unknown): value is FilePosition {
  const { inode, offset, head } = (value ?? {}) as Partial<FilePosition>;
  return (
    typeof inode === "string" &&
    Number.isSafeInteger(offset) &&
    Number(offset) >= 0 &&
    Number.isSafeInteger(head?.length) &&
    Number(head?.length) >= 0 &&
    Number(head?.length) <= MAX_HEAD &&
    typeof head?.digest === "string"
  );
}
