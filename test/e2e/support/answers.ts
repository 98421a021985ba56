import { waitFor } from "../../harness/index.ts";

/** How a command ended. */
export interface Ran {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A command that printed no answer: how it ended, and what it said. */
export class CommandFailed extends Error {
  /** As the command printed it; missing when it was not one of keyferry's. */
  readonly errorCode: string | undefined;

  constructor(command: string, { code, stdout, stderr }: Ran) {
    super(`keyferry ${command} ended with ${code} and no answer:\n${stderr}${stdout}`);
    this.name = "CommandFailed";
    this.errorCode = /^([A-Z_]+): /m.exec(stderr)?.[1];
  }
}

/** What a command answered to `-o json`, whatever its exit code. */
export function answerOf<T>(command: string, ran: Ran): T {
  if (!ran.stdout.startsWith("{")) throw new CommandFailed(command, ran);
  try {
    return JSON.parse(ran.stdout) as T;
  } catch {
    throw new CommandFailed(command, ran);
  }
}

const BUSY_MS = 180_000;
/** Commands that only look. */
const LOOKS = /^(status|plan|explain|fleet show)( |$)/;

/**
 * Asks again while what stands for AWS is too busy to answer in time: a person would do the same. Each other failure is
 * one of the test. Only for commands that change nothing.
 */
export function onceAwsAnswers<T>(what: string, ask: () => Promise<T>): Promise<T> {
  const look = async (): Promise<{ readonly answer: T } | undefined> => {
    try {
      return { answer: await ask() };
    } catch (error) {
      if (error instanceof CommandFailed && error.errorCode === "STORE_UNAVAILABLE") return undefined;
      throw error;
    }
  };
  return waitFor(`AWS to answer ${what}`, look, BUSY_MS).then(({ answer }) => answer);
}

/** The same for what a command prints for people: one that changes something is run once. */
export function ranOnceAwsAnswers(args: readonly string[], run: () => Promise<Ran>): Promise<Ran> {
  if (!LOOKS.test(args.join(" "))) return run();
  const look = async () => {
    const ran = await run();
    return /^STORE_UNAVAILABLE: /m.test(ran.stderr) ? undefined : ran;
  };
  return waitFor(`AWS to answer ${args.join(" ")}`, look, BUSY_MS);
}
