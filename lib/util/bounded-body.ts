/** A body exceeded the limit; the rest is not read. */
export class BodyTooLarge extends Error {
  readonly limit: number;

  constructor(limit: number) {
    super(`more than ${sizeText(limit)}`);
    this.name = "BodyTooLarge";
    this.limit = limit;
  }
}

/** Reads a body of at most `limit` bytes. A longer one is cancelled together with its connection. */
export async function boundedBody(body: AsyncIterable<Uint8Array>, limit: number): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  let length = 0;
  for await (const part of body) {
    length += part.byteLength;
    if (length > limit) throw new BodyTooLarge(limit);
    parts.push(part);
  }
  return parts.length === 1 && parts[0] instanceof Buffer ? parts[0] : Buffer.concat(parts, length);
}

const KIB = 1_024;

/** `4 MiB`, `256 KiB`: for messages. */
export function sizeText(bytes: number): string {
  return bytes % (KIB * KIB) === 0 ? `${bytes / (KIB * KIB)} MiB` : `${Math.ceil(bytes / KIB)} KiB`;
}
