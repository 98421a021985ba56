import { pipeline, type Readable } from "node:stream";
import { createGunzip } from "node:zlib";
import { sizeText } from "../util/bounded-body.ts";
import { isGzip, type Lines, lineSplitter, MAX_UNZIPPED_BYTES } from "./lines.ts";

/** Characters of lines that are passed on together. */
const AT_ONCE = 4 * 1_024 * 1_024;

/** `undefined`: all of it was read. Else why the rest was not. */
export type LeftOut = string | undefined;

/**
 * Passes on the lines of a stream, plain or gzip by its first bytes, a few MiB at a time. What `take` throws is thrown,
 * and an error of the stream, and the reason of the signal.
 */
export async function streamLines(
  body: Readable,
  take: (lines: Lines) => Promise<void>,
  signal: AbortSignal,
): Promise<LeftOut> {
  const held = holding(take);
  const splitter = lineSplitter();
  const stop = (): void => void body.destroy();
  signal.addEventListener("abort", stop, { once: true });
  let length = 0;
  let leftOut: LeftOut;
  try {
    for await (const part of unzippedIfZipped(body)) {
      length += part.length;
      if (length > MAX_UNZIPPED_BYTES) {
        leftOut = `it has more than ${sizeText(MAX_UNZIPPED_BYTES)}`;
        break;
      }
      await held.add(splitter.push(part));
    }
  } catch (error) {
    signal.throwIfAborted();
    if (!isOfGzip(error)) throw error;
    leftOut = "it is no complete gzip";
  } finally {
    signal.removeEventListener("abort", stop);
    body.destroy();
  }
  if (leftOut === undefined) await held.add(splitter.end());
  await held.end();
  return leftOut;
}

interface Held {
  add(lines: Lines): Promise<void>;
  end(): Promise<void>;
}

function holding(take: (lines: Lines) => Promise<void>): Held {
  let lines: string[] = [];
  let tooLong = 0;
  let size = 0;
  const pass = async (): Promise<void> => {
    const together: Lines = { lines, tooLong };
    lines = [];
    tooLong = 0;
    size = 0;
    await take(together);
  };
  return {
    async add(more) {
      for (const line of more.lines) {
        lines.push(line);
        size += line.length;
      }
      tooLong += more.tooLong;
      if (size >= AT_ONCE) await pass();
    },
    end: async () => {
      if (lines.length > 0 || tooLong > 0) await pass();
    },
  };
}

function isOfGzip(error: unknown): boolean {
  return error instanceof Error && "code" in error && String(error.code).startsWith("Z_");
}

async function* unzippedIfZipped(body: Readable): AsyncGenerator<Buffer> {
  const source = body[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
  const first = await head(source);
  const all = continued(first, source);
  if (!isGzip(first)) return yield* all;
  const gunzip = createGunzip();
  // An error of one ends both, and the loop throws it.
  pipeline(all, gunzip, () => undefined);
  yield* gunzip as AsyncIterable<Buffer>;
}

/** Two bytes at least, if there are so many. */
async function head(source: AsyncIterator<Buffer>): Promise<Buffer> {
  let bytes: Buffer = Buffer.alloc(0);
  while (bytes.length < 2) {
    const next = await source.next();
    if (next.done) break;
    bytes = Buffer.concat([bytes, next.value]);
  }
  return bytes;
}

async function* continued(first: Buffer, source: AsyncIterator<Buffer>): AsyncGenerator<Buffer> {
  yield first;
  for (let next = await source.next(); !next.done; next = await source.next()) yield next.value;
}
