import { printableJson, printableLines } from "../lib/util/printable.ts";

/** All output to a terminal goes through here, so that no text of a cluster, a Vault or a file can control it. */

/** Writes a result to stdout. */
export function print(text: string): void {
  process.stdout.write(printableLines(text));
}

/** Writes a result for scripts: it parses to exactly this value. */
export function printJson(value: unknown): void {
  process.stdout.write(`${printableJson(value)}\n`);
}

/** Writes progress and complaints to stderr. */
export function say(text: string): void {
  process.stderr.write(printableLines(`${text}\n`));
}
