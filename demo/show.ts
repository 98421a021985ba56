import { Listr, PRESET_TIMER } from "listr2";

/** Tells a person what happens now; the last text counts. */
export type Say = (text: string) => void;

/** Shows the steps of the demo, one after the other, with live progress. */
export interface Show {
  /** Runs one step; `outcome` says in a few words what came of it. Throws a StepError. */
  step<T>(title: string, work: (say: Say) => Promise<T>, outcome: (result: T) => string): Promise<T>;
}

/** A step that failed, by its title. */
export class StepError extends Error {
  readonly title: string;

  constructor(title: string, cause: unknown) {
    super(cause instanceof Error ? cause.message : String(cause), { cause });
    this.name = "StepError";
    this.title = title;
  }
}

/** Live on a terminal, plain lines on stderr elsewhere. */
export function show(): Show {
  const runner = process.stdout.isTTY && process.stderr.isTTY ? live : plain;
  return {
    async step(title, work, outcome) {
      try {
        return await runner(title, work, outcome);
      } catch (error) {
        throw new StepError(title, error);
      }
    },
  };
}

async function live<T>(title: string, work: (say: Say) => Promise<T>, outcome: (result: T) => string): Promise<T> {
  const results: T[] = [];
  const task = {
    title,
    task: async (_: unknown, line: { output: string; title: string }) => {
      const result = await work((text) => {
        line.output = text;
      });
      line.title = `${title}: ${outcome(result)}`;
      results.push(result);
    },
  };
  const rendererOptions = { timer: PRESET_TIMER, showErrorMessage: false };
  await new Listr([task], { registerSignalListeners: false, rendererOptions }).run();
  return results[0] as T;
}

async function plain<T>(title: string, work: (say: Say) => Promise<T>, outcome: (result: T) => string): Promise<T> {
  const startedAt = performance.now();
  const print = (line: string): void => void process.stderr.write(`${line}\n`);
  print(`… ${title}`);
  try {
    const result = await work((text) => print(`    ${text}`));
    print(`✔ ${title}: ${outcome(result)} [${seconds(performance.now() - startedAt)}]`);
    return result;
  } catch (error) {
    print(`✖ ${title} [${seconds(performance.now() - startedAt)}]`);
    throw error;
  }
}

/** `1.4 s`. */
export function seconds(ms: number): string {
  return `${(ms / 1_000).toFixed(ms < 995 ? 2 : 1)} s`;
}
