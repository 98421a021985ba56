import { SyncError } from "./errors.ts";

/** A failure for the log. Of a bug only name and place, because its message could quote data. */
export function described(error: unknown): { readonly error: string; readonly at?: string; readonly code?: string } {
  if (error instanceof SyncError) return { error: error.message, code: error.code };
  if (!(error instanceof Error)) return { error: typeof error };
  const at = codeLocation(error);
  return { error: error.name, ...(at === undefined ? {} : { at }) };
}

const FRAME = /^ {4}at \S.*:\d+:\d+\)?$/;

/** The stack begins with the message, whose lines may look like places. */
function codeLocation({ stack = "", message }: Error): string | undefined {
  const from = stack.indexOf(message);
  const frames = from === -1 ? stack : stack.slice(from + message.length);
  return frames
    .split("\n")
    .find((line) => FRAME.test(line))
    ?.trim();
}
