/** Limits for JSON before it is parsed. */
export interface JsonBounds {
  /** The nesting of objects and lists. */
  readonly depth: number;
  /** Approximate number of values: each takes memory, and a megabyte of `[],[],[]` would take fifty. */
  readonly values: number;
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COMMA = 0x2c;
const LIST = 0x5b;
const LIST_END = 0x5d;
const OBJECT = 0x7b;
const OBJECT_END = 0x7d;

/** Why this text must not be parsed; undefined when it may be. It need not be JSON. */
export function jsonExcess(bytes: Uint8Array, bounds: JsonBounds): string | undefined {
  let depth = 0;
  let values = 1;
  for (let at = 0; at < bytes.length; at++) {
    const byte = bytes[at] ?? 0;
    if (byte === QUOTE) at = endOfText(bytes, at + 1);
    else if (byte === COMMA) values++;
    else if (byte === LIST || byte === OBJECT) {
      depth++;
      values++;
    } else if (byte === LIST_END || byte === OBJECT_END) depth--;
    else continue;
    if (depth > bounds.depth) return `nests deeper than ${bounds.depth} levels`;
    if (values > bounds.values) return `has more than ${bounds.values} values`;
  }
  return undefined;
}

/** The position of the quote that ends the string starting here. */
function endOfText(bytes: Uint8Array, from: number): number {
  for (let at = from; at < bytes.length; at++) {
    const byte = bytes[at];
    if (byte === QUOTE) return at;
    if (byte === BACKSLASH) at++;
  }
  return bytes.length;
}
