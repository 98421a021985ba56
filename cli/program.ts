import { Command, Option } from "commander";
import { LOG_LEVELS, type LogLevel } from "../lib/telemetry/log.ts";
import manifest from "../package.json" with { type: "json" };
import { clusterCommands } from "./cluster-commands.ts";
import { keyCommands } from "./key-commands.ts";
import {
  DEFAULT_LISTEN,
  DEFAULT_SYNC_SERIES,
  dataDirOption,
  fleetOption,
  outputOption,
  stackOption,
  wholeNumber,
} from "./options.ts";
import { print, say } from "./output.ts";
import { runCommand } from "./run.ts";
import { statusCommand } from "./status.ts";

const RUN_HELP = `
Examples:
  $ keyferry run --fleet fleet.yaml            keep every cluster of the fleet in step, until Ctrl-C
  $ keyferry run --fleet fleet.yaml --once     one pass over everything that is due, then exit 0, or 1 if a sync failed

Ctrl-C finishes what is under way; a second one stops at once. A killed process loses nothing: start it again.
A changed fleet.yaml is taken up within seconds, or at once by SIGHUP; a broken one changes nothing, and the log says why.
Logs are JSON lines on stderr. http://${DEFAULT_LISTEN} answers /healthz, /readyz and /metrics.
Exit codes: 0 done, 1 some sync failed, 2 bad input.`;

const STATUS_HELP = `
Examples:
  $ keyferry status                            every sync of .keyferry: state, age, next, last error
  $ keyferry status -o json | jq '.syncs[] | select(.error)'
  $ keyferry status --stack keyferry-prod      the same of a keyferry on AWS

Works beside a running engine. Exit codes: 0 all in step, 1 some sync or restart has failed, or no engine works, 2 bad input.`;

/** Parses the command line and runs one command; answers the exit code. */
export async function program(argv: readonly string[]): Promise<number> {
  let code = 0;
  const cli = new Command("keyferry")
    .description("Keeps secrets in step between Vault or OpenBao and Kubernetes, across a fleet of clusters.")
    .version(manifest.version)
    .showHelpAfterError("(run with --help for examples)")
    .exitOverride()
    .configureOutput({ writeOut: print, writeErr: (text) => say(text.trimEnd()) });
  cli
    .command("run")
    .description("keep a fleet in step, in this process")
    .addOption(fleetOption())
    .addOption(dataDirOption())
    .option("--once", "everything that is due, then exit", false)
    .addOption(
      new Option("--listen <address>", "where health and metrics answer; none: nowhere")
        .env("KEYFERRY_LISTEN")
        .default(DEFAULT_LISTEN),
    )
    .addOption(
      new Option("--log-level <level>", "how much is logged")
        .choices([...LOG_LEVELS])
        .env("KEYFERRY_LOG_LEVEL")
        .default("info"),
    )
    .addOption(
      new Option("--sync-series <number>", "resources that have metrics of their own at most, the worst first; 0: none")
        .env("KEYFERRY_SYNC_SERIES")
        .argParser(wholeNumber)
        .default(DEFAULT_SYNC_SERIES),
    )
    .option(
      "--accept-absence <cluster...>",
      "in these clusters, believe that declarations are gone although it is more than 10 or a fifth of them",
      [],
    )
    .addHelpText("after", RUN_HELP)
    .action(async (options: RunFlags) => {
      code = await runCommand(options);
    });
  cli
    .command("status")
    .description("show every sync: state, age, next, last error")
    .addOption(fleetOption())
    .addOption(dataDirOption())
    .addOption(stackOption())
    .addOption(outputOption())
    .addHelpText("after", STATUS_HELP)
    .action(async (options: StatusFlags) => {
      code = await statusCommand(options);
    });
  const exitWith = (exitCode: number): void => {
    code = exitCode;
  };
  keyCommands(cli, exitWith);
  clusterCommands(cli, exitWith);
  await cli.parseAsync([...argv]);
  return code;
}

export interface RunFlags {
  readonly fleet: string;
  readonly dataDir: string;
  readonly once: boolean;
  readonly listen: string;
  readonly logLevel: LogLevel;
  readonly syncSeries: number;
  readonly acceptAbsence: readonly string[];
}

export interface StatusFlags {
  readonly fleet: string;
  readonly dataDir: string;
  readonly output: "table" | "json";
  readonly stack?: string;
}
