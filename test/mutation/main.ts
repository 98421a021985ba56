import { randomInt } from "node:crypto";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { Command, InvalidArgumentError, Option } from "commander";
import { CONFIG } from "./config.ts";
import { mutate } from "./mutate.ts";
import { textOf } from "./report.ts";

const HELP = `
Examples:
  $ npm run test:mutation                                     400 mutants of all files, by a new seed
  $ npm run test:mutation -- --sample 400 --seed 17           the same ones again
  $ npm run test:mutation -- --sample 9999 --only "lib/vault/*.ts"    all of some files
  $ npm run test:mutation -- --only lib/ports/vault-ids.ts:7          all of one line
  $ npm run test:mutation -- --only lib/keys.ts:7 lib/digest.ts       of several places

Exit codes: 0 enough was killed, 1 too much survived, 2 the tests fail without any mutant.`;

function wholeNumber(text: string): number {
  if (!/^\d{1,9}$/.test(text)) throw new InvalidArgumentError("must be a whole number");
  return Number(text);
}

interface Options {
  sample: number;
  seed: number;
  only?: readonly string[];
  strict?: boolean;
  jobs: number;
  seconds?: number;
  testSeconds?: number;
  output: "text" | "json";
}

const {
  output,
  strict = false,
  ...options
} = new Command("test:mutation")
  .description("Puts small faults into the code, one at a time, and says which of them no test notices.")
  .option("--sample <n>", "how many mutants at most", wholeNumber, 400)
  .option("--seed <n>", "chooses the sample", wholeNumber, randomInt(1, 100_000))
  .option("--only <glob...>", "files to mutate, of those in test/mutation/config.ts; file:line for one line")
  .option("--strict", "strict files only")
  .option("--jobs <n>", "how many at a time", wholeNumber, availableParallelism())
  .option("--seconds <n>", "for how long mutants are tried; the report is of those", wholeNumber)
  .option("--test-seconds <n>", "test time for one mutant, the nearest tests first", wholeNumber)
  .addOption(new Option("-o, --output <format>", "how to print").choices(["text", "json"]).default("text"))
  .addHelpText("after", HELP)
  .parse()
  .opts<Options>();

for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => process.exit(130));
const started = performance.now();
const progress = (text: string) => {
  process.stderr.write(`${Math.round((performance.now() - started) / 1000)} s: ${text}\n`);
};
try {
  const report = await mutate({
    ...options,
    strictOnly: strict,
    root: join(import.meta.dirname, "..", ".."),
    config: CONFIG,
    progress,
  });
  process.stdout.write(output === "json" ? `${JSON.stringify(report, undefined, 2)}\n` : textOf(report, CONFIG));
  process.exitCode = report.passed ? 0 : 1;
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 2;
}
