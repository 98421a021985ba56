import { promisify } from "node:util";
import { gunzip } from "node:zlib";
import { BodyTooLarge } from "../util/bounded-body.ts";

/** Audit lines in what arrives: split at newlines, within bounds. */

const MIB = 1_024 * 1_024;
export const MAX_LINE_BYTES = MIB;
export const MAX_BODY_BYTES = 6 * MIB;
export const MAX_UNZIPPED_BYTES = 64 * MIB;

export interface Lines {
  /** Without the empty ones. */
  readonly lines: readonly string[];
  /** Lines over MAX_LINE_BYTES, which are left out. They count as bad. */
  readonly tooLong: number;
}

/** Splits a stream at newlines. It keeps at most one half line of MAX_LINE_BYTES. */
export interface LineSplitter {
  /** The lines that this chunk completes. */
  push(chunk: Uint8Array): Lines;
  /** The bytes since the last newline, also those of a line that is too long. */
  pending(): number;
  /** The end of the stream also ends the last line. */
  end(): Lines;
}

const NONE: Lines = { lines: [], tooLong: 0 };
const NEWLINE = 10;

export function lineSplitter(): LineSplitter {
  let parts: Buffer[] = [];
  let pending = 0;
  const keep = (part: Buffer): void => {
    if (part.length === 0) return;
    pending += part.length;
    if (pending > MAX_LINE_BYTES) parts = [];
    // A copy: the chunk may be a part of a large buffer, or one that is filled again.
    else parts.push(Buffer.from(part));
  };
  const take = (last: Buffer): Lines => {
    const isTooLong = pending > MAX_LINE_BYTES;
    const all = isTooLong ? last.subarray(afterFirstLine(last)) : Buffer.concat([...parts, last]);
    parts = [];
    pending = 0;
    const { lines, tooLong } = linesIn(all);
    return { lines, tooLong: tooLong + (isTooLong ? 1 : 0) };
  };
  return {
    push(chunk) {
      const bytes = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
      const end = bytes.lastIndexOf(NEWLINE);
      if (end < 0) {
        keep(bytes);
        return NONE;
      }
      const found = take(bytes.subarray(0, end));
      keep(bytes.subarray(end + 1));
      return found;
    },
    pending: () => pending,
    end: () => (pending === 0 ? NONE : take(Buffer.alloc(0))),
  };
}

/** The first line is the end of one that is too long already. */
function afterFirstLine(bytes: Buffer): number {
  const end = bytes.indexOf(NEWLINE);
  return end < 0 ? bytes.length : end + 1;
}

/** Whole lines. What is no UTF-8 becomes U+FFFD, which no path of ours has. */
function linesIn(bytes: Buffer): Lines {
  const all = bytes.toString("utf8").split("\n");
  const lines = all.filter((line) => line !== "" && line !== "\r" && !isTooLong(line));
  return { lines, tooLong: all.reduce((count, line) => count + (isTooLong(line) ? 1 : 0), 0) };
}

/** UTF-8 has at most three bytes for each unit of a string. */
function isTooLong(line: string): boolean {
  if (line.length * 3 <= MAX_LINE_BYTES) return false;
  return line.length > MAX_LINE_BYTES || Buffer.byteLength(line) > MAX_LINE_BYTES;
}

/** The lines of a whole body. */
export function linesOf(body: Uint8Array): Lines {
  const splitter = lineSplitter();
  const found: Lines[] = [];
  // In parts, so that a body of empty lines takes no memory for each of them.
  for (let from = 0; from < body.length; from += MIB) found.push(splitter.push(body.subarray(from, from + MIB)));
  found.push(splitter.end());
  return {
    lines: found.flatMap(({ lines }) => lines),
    tooLong: found.reduce((count, { tooLong }) => count + tooLong, 0),
  };
}

const unzip = promisify(gunzip);

/** A body that says it is gzip, and is not, or ends too early. */
export class NotGzip extends Error {
  constructor() {
    super("not a complete gzip stream");
    this.name = "NotGzip";
  }
}

/** The content of a gzip body, of any number of members. Throws BodyTooLarge or NotGzip. */
export async function unzipped(body: Uint8Array, limit = MAX_UNZIPPED_BYTES): Promise<Buffer> {
  try {
    return await unzip(body, { maxOutputLength: limit });
  } catch (error) {
    throw (error as NodeJS.ErrnoException).code === "ERR_BUFFER_TOO_LARGE" ? new BodyTooLarge(limit) : new NotGzip();
  }
}

/** Whether the bytes begin as gzip does: objects are compressed or not, whatever their names say. */
export function isGzip(body: Uint8Array): boolean {
  return body[0] === 0x1f && body[1] === 0x8b;
}
