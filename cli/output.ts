import { printableJson, printableLines } from "../lib/util/printable.ts";

/** All output to a terminal goes through here, so that no text of a cluster, a Vault or a file can control it. */

/** As a shell reports a program that SIGPIPE ended; Node itself ignores this signal. */
const READER_LEFT = 141;

/** Ends the command when nobody reads its result any more, as in `keyferry status | head`. Progress has no need of readers. */
export function endWithReader(): void {
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code !== "EPIPE") throw error;
    process.exit(READER_LEFT);
  });
  process.stderr.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code !== "EPIPE") throw error;
  });
}

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
