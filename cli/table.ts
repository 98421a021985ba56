import Table from "cli-table3";
import { printable } from "../lib/util/printable.ts";

const PLAIN = Object.fromEntries(
  ["top", "top-mid", "top-left", "top-right", "bottom", "bottom-mid", "bottom-left", "bottom-right"]
    .concat(["left", "left-mid", "mid", "mid-mid", "right", "right-mid", "middle"])
    .map((name) => [name, name === "middle" ? "  " : ""]),
);

/** Columns in kubectl's style: no lines, two spaces apart. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const view = new Table({
    head: [...head],
    chars: PLAIN,
    style: { head: [], border: [], "padding-left": 0, "padding-right": 1 },
  });
  view.push(...rows.map((row) => row.map((cell) => printable(cell))));
  return `${view
    .toString()
    .split("\n")
    .map((line) => line.trimEnd())
    .join("\n")}\n`;
}

/** A line with a whole spec may be longer than a cell. */
const MAX_LINE = 4_096;

/** Each text becomes one line, whatever it contains. */
export function textLines(lines: readonly string[]): string {
  return lines.map((line) => `${printable(line, MAX_LINE)}\n`).join("");
}

const LABEL_WIDTH = 13;

/** Labels before texts; a text of several lines is aligned. */
export function labelled(parts: readonly (readonly [label: string, text: string | readonly string[]])[]): string {
  const lines = parts.flatMap(([label, text]) =>
    [text].flat().map((line, at) => `${(at === 0 ? `${label}:` : "").padEnd(LABEL_WIDTH)}${line}`),
  );
  return textLines(lines);
}
