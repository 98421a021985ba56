/** A line exceeded the limit. */
export class LineTooLong extends Error {
  readonly limit: number;

  constructor(limit: number) {
    super("a line is too long");
    this.limit = limit;
  }
}

const NEWLINE = 0x0a;

/** Splits a stream of bytes into lines of at most `limit` bytes, and buffers at most one line and one chunk. */
export async function* linesOf(chunks: AsyncIterable<Uint8Array>, limit: number): AsyncGenerator<Buffer> {
  let parts: Uint8Array[] = [];
  let length = 0;
  const take = (part: Uint8Array): void => {
    length += part.byteLength;
    if (length > limit) throw new LineTooLong(limit);
    parts.push(part);
  };
  const line = (): Buffer => {
    const text = Buffer.concat(parts, length);
    parts = [];
    length = 0;
    return text;
  };
  for await (const chunk of chunks) {
    let from = 0;
    for (let end = chunk.indexOf(NEWLINE); end !== -1; end = chunk.indexOf(NEWLINE, from)) {
      take(chunk.subarray(from, end));
      from = end + 1;
      if (length > 0) yield line();
    }
    if (from < chunk.byteLength) take(chunk.subarray(from));
  }
  if (length > 0) yield line();
}
