import { isLosslessNumber, type LosslessNumber, parse } from "lossless-json";

/** JSON whose numbers keep their spelling: `1.0`, `1e5` and 20 digits stay unchanged, as in VSO. */
export type LosslessValue =
  | null
  | boolean
  | string
  | LosslessNumber
  | readonly LosslessValue[]
  | { readonly [key: string]: LosslessValue };

export type LosslessObject = { readonly [key: string]: LosslessValue };

/** Vault's own limit is 300 levels; deeper JSON is refused before it can exhaust the stack. */
const MAX_DEPTH = 1_000;

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const OPENING: ReadonlySet<number> = new Set([0x5b, 0x7b]);
const CLOSING: ReadonlySet<number> = new Set([0x5d, 0x7d]);

function nestsTooDeep(text: string): boolean {
  let depth = 0;
  let isInString = false;
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (isInString && code === BACKSLASH) at++;
    else if (code === QUOTE) isInString = !isInString;
    else if (isInString) continue;
    else if (OPENING.has(code)) depth++;
    else if (CLOSING.has(code)) depth--;
    if (depth > MAX_DEPTH) return true;
  }
  return false;
}

/**
 * Parses JSON. As in Go, half a surrogate pair is read as U+FFFD, and of a repeated key the last one counts. Throws a
 * SyntaxError that quotes no text.
 */
export function parseLossless(text: string): LosslessValue {
  if (nestsTooDeep(text)) throw new SyntaxError(`JSON of more than ${MAX_DEPTH} levels`);
  try {
    return parse(withoutHalves(text), null, { onDuplicateKey: ({ newValue }) => newValue }) as LosslessValue;
  } catch {
    throw new SyntaxError("not JSON");
  }
}

const ESCAPED_SURROGATE = /\\u[dD][89a-fA-F]/;
/** A whole pair, a half of one, and any other escape. */
const ESCAPES =
  /\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(?<half>u[dD][89a-fA-F][0-9a-fA-F]{2})|.)/gs;

/** Before the parser, which would take keys that differ only in such halves for different ones. */
function withoutHalves(text: string): string {
  if (!ESCAPED_SURROGATE.test(text)) return text;
  return text.replace(ESCAPES, (found, half: string | undefined) => (half === undefined ? found : "\\ufffd"));
}

export function isLosslessObject(value: LosslessValue | undefined): value is LosslessObject {
  return typeof value === "object" && value !== null && !Array.isArray(value) && !isLosslessNumber(value);
}

const GO_ESCAPES: Readonly<Record<string, string>> = {
  "<": "\\u003c",
  ">": "\\u003e",
  "&": "\\u0026",
  "\u2028": "\\u2028",
  "\u2029": "\\u2029",
};

/** A string as Go's encoding/json writes it: `<>&`, U+2028 and U+2029 escaped, invalid Unicode replaced. */
export function goString(text: string): string {
  return JSON.stringify(text.toWellFormed()).replace(/[<>&\u2028\u2029]/g, (char) => GO_ESCAPES[char] ?? char);
}

const SURROGATE = /[\ud800-\udfff]/;

/** Sorts by UTF-8 bytes, which differs from JavaScript's order of strings only where these have surrogates. */
export function inByteOrder(keys: Iterable<string>): readonly string[] {
  const all = [...keys];
  if (!all.some((key) => SURROGATE.test(key))) return all.sort();
  const sorted = all.map((key) => ({ key, bytes: Buffer.from(key) }));
  return sorted.sort((a, b) => Buffer.compare(a.bytes, b.bytes)).map(({ key }) => key);
}

/** JSON as Go's encoding/json writes a map: compact, keys in byte order, strings as goString, numbers verbatim. */
export function goJson(value: LosslessValue): string {
  if (value === null || typeof value === "boolean") return String(value);
  if (typeof value === "string") return goString(value);
  if (isLosslessNumber(value)) return value.value;
  if (Array.isArray(value)) return `[${value.map(goJson).join(",")}]`;
  const members = value as LosslessObject;
  return `{${inByteOrder(Object.keys(members))
    .map((key) => `${goString(key)}:${goJson(members[key] ?? null)}`)
    .join(",")}}`;
}
