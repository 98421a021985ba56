import { Command, InvalidArgumentError } from "commander";
import { table } from "../../cli/table.ts";
import { apiAnswers } from "./api-answers.ts";
import { hostileFleet } from "./fleet.ts";
import type { Report } from "./report.ts";
import { vaultAnswers } from "./vault-answers.ts";

const HELP = `
Examples:
  $ npm run test:hostile                       one seed, 10,000 answers of each kind, 10,000 acts of a tenant
  $ npm run test:hostile -- --seeds 5
  $ npm run test:hostile -- --from 17 --count 500

Exit codes: 0 nothing broke, 1 something did.`;

function wholeNumber(text: string): number {
  if (!/^\d{1,9}$/.test(text)) throw new InvalidArgumentError("must be a whole number");
  return Number(text);
}

const options = new Command("test:hostile")
  .description("Sets a hostile tenant, Vault and API server upon keyferry, beside honest ones, and says what broke.")
  .option("--seeds <n>", "how many seeds", wholeNumber, 1)
  .option("--from <seed>", "the first of them", wholeNumber, 1)
  .option("--count <n>", "answers and acts of each kind, for each seed", wholeNumber, 10_000)
  .addHelpText("after", HELP)
  .parse()
  .opts<{ seeds: number; from: number; count: number }>();

const reports: Report[] = [];
for (let seed = options.from; seed < options.from + options.seeds; seed++) {
  for (const part of [
    vaultAnswers,
    apiAnswers,
    (of: number, acts: number) => hostileFleet({ seed: of, acts, judgesTimes: true }),
  ]) {
    const report = await part(seed, options.count);
    reports.push(report);
    process.stderr.write(`seed ${seed}: ${report.part}: ${report.broke.length} broke\n`);
    for (const line of report.broke.slice(0, 10)) process.stderr.write(`  ${line}\n`);
  }
}

/** Sums of what was tried; of times the worst. */
const sums = new Map<string, number>();
for (const { part, tried } of reports) {
  for (const [what, count] of Object.entries(tried)) {
    const name = `${part}\t${what}`;
    const before = sums.get(name) ?? 0;
    sums.set(name, what.endsWith(" ms") ? Math.max(before, count) : before + count);
  }
}
process.stdout.write(
  table(
    ["PART", "TRIED", "COUNT"],
    [...sums].map(([name, count]) => [...name.split("\t"), String(count)]),
  ),
);
const broke = reports.flatMap((report) => report.broke).length;
process.stdout.write(`seeds ${options.from} to ${options.from + options.seeds - 1}: ${broke} broke\n`);
process.exitCode = broke === 0 ? 0 : 1;
