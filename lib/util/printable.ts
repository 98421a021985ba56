/**
 * What others can place in a text (names, messages, paths) may hold characters that a terminal obeys, that turn its order
 * around, or that nobody sees. Before people or logs are shown it, it passes through here.
 */

/** Controls (C0, DEL, C1), bidi overrides, zero-width and other invisible characters, line separators, halves of pairs. */
const UNPRINTABLE = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]/gu;
/** Most texts are plain, and need no more than this look. */
const PLAIN = /^[\x20-\x7e]*$/;

/** What a screen and an Event's message take. */
const MAX_LENGTH = 1_024;

const SHORT: Readonly<Record<string, string>> = { "\n": "\\n", "\r": "\\r", "\t": "\\t" };

function visible(character: string): string {
  const short = SHORT[character];
  if (short !== undefined) return short;
  const hex = (character.codePointAt(0) ?? 0).toString(16);
  return hex.length <= 4 ? `\\u${hex.padStart(4, "0")}` : `\\u{${hex}}`;
}

/** The text with visible escapes (`\u001b`) for what can't be seen, and no longer than this. What it answers stays as it is. */
export function printable(text: string, maxLength = MAX_LENGTH): string {
  // What is cut is not searched. An escape only makes a text longer.
  const part = text.length > maxLength ? text.slice(0, maxLength + 1) : text;
  const shown = PLAIN.test(part) ? part : part.replace(UNPRINTABLE, visible);
  if (shown.length <= maxLength) return shown;
  return `${shown.slice(0, maxLength - 1).replace(/[\ud800-\udbff]$/, "")}…`;
}

/** The same for a text of many lines, of any length, whose line ends are ours. */
export function printableLines(text: string): string {
  return PLAIN.test(text) ? text : text.replace(UNPRINTABLE, (found) => (found === "\n" ? found : visible(found)));
}

/** JSON that parses to exactly this value, and yet holds nothing that a terminal obeys. */
export function printableJson(value: unknown): string {
  return JSON.stringify(value, undefined, 2).replace(UNPRINTABLE, (found) => (found === "\n" ? found : escaped(found)));
}

/** As JSON escapes it: by its UTF-16 units. */
function escaped(character: string): string {
  const units = Array.from({ length: character.length }, (_, at) => character.charCodeAt(at));
  return units.map((unit) => `\\u${unit.toString(16).padStart(4, "0")}`).join("");
}

/** Strings, lists and maps of a log line; deeper or longer than this is left out. */
const MAX_DEPTH = 4;
const MAX_ITEMS = 100;

/** A value with every text in it made printable, for a log line: who reads it may print what the JSON stands for. */
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
