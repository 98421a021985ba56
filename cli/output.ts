import { printableJson, printableLines } from "../lib/util/printable.ts";

/** The only ways to a terminal: nothing that a cluster, a Vault or a file says can steer it. */

/** What was asked for, on stdout. */
export function print(text: string): void {
  process.stdout.write(printableLines(text));
}

/** The same for scripts: it parses to exactly this value. */
export function printJson(value: unknown): void {
  process.stdout.write(`${printableJson(value)}\n`);
}

/** Progress and complaints, on stderr. */
export function say(text: string): void {
  process.stderr.write(printableLines(`${text}\n`));
}
