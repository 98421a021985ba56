import { printableJson, printableLines } from "../lib/util/printable.ts";

/** All output to a terminal goes through here, so that no text of a cluster, a Vault or a file can control it. */

/** As a shell reports a program that SIGPIPE ended; Node itself ignores this signal. */
const READER_LEFT = 141;

let hasReader = true;

/**
 * A reader of the result may leave, as in `keyferry status | head`: then the command ends as it would have, so that what
 * it holds in Vault is revoked, and with an exit code of its own. Progress has no need of readers.
 */
export function allowReadersToLeave(): void {
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code !== "EPIPE") throw error;
    hasReader = false;
    // The command may have ended before the pipe tells.
    process.exitCode = READER_LEFT;
  });
  process.stderr.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code !== "EPIPE") throw error;
  });
}

/** The exit code of a command that ended with this one. */
export function exitCodeOf(code: number): number {
  return hasReader ? code : READER_LEFT;
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
