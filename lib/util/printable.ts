/**
 * Names, messages and paths from others may hold characters that control a terminal, reverse its text or are invisible.
 * All such text passes through here before people or logs see it.
 */

/**
 * Controls (C0, DEL, C1), bidi overrides, zero-width and other invisible characters, line separators, lone surrogates.
 */
const UNPRINTABLE = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]/gu;
/** Most texts match this and need no further check. */
const PLAIN = /^[\x20-\x7e]*$/;

/** Fits on a screen and in an Event's message. */
const MAX_LENGTH = 1_024;

const SHORT: Readonly<Record<string, string>> = { "\n": "\\n", "\r": "\\r", "\t": "\\t" };

function visible(character: string): string {
  const short = SHORT[character];
  if (short !== undefined) return short;
  const hex = (character.codePointAt(0) ?? 0).toString(16);
  return hex.length <= 4 ? `\\u${hex.padStart(4, "0")}` : `\\u{${hex}}`;
}

/** Replaces unprintable characters by visible escapes (`\u001b`) and truncates the text. Idempotent. */
export function printable(text: string, maxLength = MAX_LENGTH): string {
  // The rest would be cut anyway: escapes only make a text longer.
  const part = text.length > maxLength ? text.slice(0, maxLength + 1) : text;
  const shown = PLAIN.test(part) ? part : part.replace(UNPRINTABLE, visible);
  if (shown.length <= maxLength) return shown;
  return `${shown.slice(0, maxLength - 1).replace(/[\ud800-\udbff]$/, "")}…`;
}

/** The same for a text of several lines, without truncation; the line ends must be ours. */
export function printableLines(text: string): string {
  return PLAIN.test(text) ? text : text.replace(UNPRINTABLE, (found) => (found === "\n" ? found : visible(found)));
}

/** JSON that parses to exactly this value, without characters that control a terminal. */
export function printableJson(value: unknown): string {
  return JSON.stringify(value, undefined, 2).replace(UNPRINTABLE, (found) => (found === "\n" ? found : escaped(found)));
}

/** Escapes UTF-16 units, as JSON does. */
function escaped(character: string): string {
  const units = Array.from({ length: character.length }, (_, at) => character.charCodeAt(at));
  return units.map((unit) => `\\u${unit.toString(16).padStart(4, "0")}`).join("");
}

/** Deeper or longer values of a log line are left out. */
const MAX_DEPTH = 4;
const MAX_ITEMS = 100;

/** Makes every string in a value of a log line printable, because readers may print the parsed JSON. */
export function printableValue(value: unknown, depth = 0): unknown {
  if (typeof value === "string") return printable(value);
  if (typeof value !== "object" || value === null) return value;
  if (depth >= MAX_DEPTH) return "…";
  if (Array.isArray(value)) {
    const items = value.slice(0, MAX_ITEMS).map((item) => printableValue(item, depth + 1));
    return value.length > MAX_ITEMS ? [...items, `and ${value.length - MAX_ITEMS} more`] : items;
  }
  const entries = Object.entries(value).slice(0, MAX_ITEMS);
  return Object.fromEntries(entries.map(([key, item]) => [printable(key), printableValue(item, depth + 1)]));
}
