import { isLosslessNumber, type LosslessNumber, parse } from "lossless-json";

/** JSON whose numbers are as they were written: `1.0`, `1e5` and 20 digits stay what they are (reference 4.1). */
export type LosslessValue =
  | null
  | boolean
  | string
  | LosslessNumber
  | readonly LosslessValue[]
  | { readonly [key: string]: LosslessValue };

export type LosslessObject = { readonly [key: string]: LosslessValue };

/** Parses JSON; of a key that stands twice the last one counts, as in Go. Throws SyntaxError without a snippet of the text. */
export function parseLossless(text: string): LosslessValue {
  try {
    return parse(text, null, { onDuplicateKey: ({ newValue }) => newValue }) as LosslessValue;
  } catch {
    throw new SyntaxError("not JSON");
  }
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

function goString(text: string): string {
  return JSON.stringify(text.toWellFormed()).replace(/[<>&\u2028\u2029]/g, (char) => GO_ESCAPES[char] ?? char);
}

function byteOrder(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}

/** JSON as Go's encoding/json writes a map: keys in byte order, compact, `<>&` U+2028 U+2029 escaped, numbers verbatim. */
export function goJson(value: LosslessValue): string {
  if (value === null || typeof value === "boolean") return String(value);
  if (typeof value === "string") return goString(value);
  if (isLosslessNumber(value)) return value.value;
  if (Array.isArray(value)) return `[${value.map(goJson).join(",")}]`;
  const object = value as LosslessObject;
  const members = Object.keys(object)
    .sort(byteOrder)
    .map((key) => `${goString(key)}:${goJson(object[key] ?? null)}`);
  return `{${members.join(",")}}`;
}
