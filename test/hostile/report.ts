import { inspect } from "node:util";
import { DISPOSITIONS, SyncError } from "../../lib/errors.ts";
import { MARK } from "./garbage.ts";

/** What one part of the suite tried, and what broke. */
export interface Report {
  readonly part: string;
  readonly tried: Readonly<Record<string, number>>;
  /** Seed and what happened; empty is what we want. */
  readonly broke: readonly string[];
}

/** Counts by name. */
export function tally(): { add(name: string): void; readonly counts: Readonly<Record<string, number>> } {
  const counts: Record<string, number> = {};
  return {
    add(name) {
      counts[name] = (counts[name] ?? 0) + 1;
    },
    counts,
  };
}

/** Rejections that nobody handles, for as long as it is open. */
export function strayRejections(): Disposable & { readonly seen: readonly string[] } {
  const seen: string[] = [];
  const note = (reason: unknown): void =>
    void seen.push(`nobody handles a rejection: ${inspect(reason).slice(0, 500)}`);
  process.on("unhandledRejection", note);
  process.on("uncaughtException", note);
  return {
    seen,
    [Symbol.dispose]() {
      process.off("unhandledRejection", note);
      process.off("uncaughtException", note);
    },
  };
}

/** What a terminal might obey; lines may break. */
const CONTROL = /[\p{Cc}\u2028\u2029\u202a-\u202e]/u;

/** What is wrong with how a call failed; undefined when it failed as it should. */
export function complaintOf(error: unknown, secrets: readonly string[] = []): string | undefined {
  if (!(error instanceof SyncError)) return `not a coded error: ${inspect(error).slice(0, 600)}`;
  if (!(error.code in DISPOSITIONS)) return `unknown code ${error.code}`;
  const { message } = error;
  if (message.includes(MARK)) return `repeats the server's words: ${message.slice(0, 300)}`;
  if (secrets.some((secret) => inspect(error, { depth: 5 }).includes(secret))) return `${error.code} holds a secret`;
  if (message.length > 4_000) return `${error.code} has a message of ${message.length} characters`;
  if (CONTROL.test(message.replaceAll("\n", ""))) return `${error.code} has control characters in its message`;
  return undefined;
}

/** What a call came to; one that neither ends nor fails in time is told as such. */
export async function outcomeOf(
  call: (signal: AbortSignal) => Promise<unknown>,
  withinMs: number,
  secrets: readonly string[] = [],
): Promise<{ readonly kind: string; readonly complaint?: string }> {
  const { promise: late, resolve } = Promise.withResolvers<"late">();
  const timer = setTimeout(resolve, withinMs + 10_000, "late");
  try {
    const ended = await Promise.race([call(AbortSignal.timeout(withinMs)).then(() => "answered" as const), late]);
    return ended === "late"
      ? { kind: "late", complaint: `did not end within ${withinMs} ms and 10 s more` }
      : { kind: ended };
  } catch (error) {
    const complaint = complaintOf(error, secrets);
    const kind = error instanceof SyncError ? error.code : "bug";
    return complaint === undefined ? { kind } : { kind, complaint };
  } finally {
    clearTimeout(timer);
  }
}
