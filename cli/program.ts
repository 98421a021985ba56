import { Command, Option } from "commander";
import { LOG_LEVELS } from "../lib/telemetry/log.ts";
import manifest from "../package.json" with { type: "json" };
import { auditCommands } from "./audit-commands.ts";
import { clusterCommands } from "./cluster-commands.ts";
import { completionCommand } from "./completion.ts";
import { fleetCommands } from "./fleet-commands.ts";
import { injectorCommands } from "./injector-commands.ts";
import { keyCommands } from "./key-commands.ts";
import {
  acceptMissingOption,
  DEFAULT_LISTEN,
  DEFAULT_SYNC_SERIES,
  dataDirOption,
  eventsKeyFileOption,
  eventsUrlOption,
  fleetOption,
  injectorListenOption,
  outputOption,
  stackOption,
  wholeNumber,
} from "./options.ts";
import { print, say } from "./output.ts";
import { type RunFlags, runCommand } from "./run.ts";
import { setUpCommands } from "./set-up-commands.ts";
import { type StatusFlags, statusCommand } from "./status.ts";

const RUN_HELP = `
Examples:
  $ keyferry run --fleet fleet.yaml            sync every cluster of the fleet, until Ctrl-C
  $ keyferry run --fleet fleet.yaml --once     do everything that is due, then exit 0, or 1 if a sync failed
  $ keyferry run --accept-missing prod-eu      many declarations of prod-eu were deleted on purpose

Ctrl-C finishes the work in progress; a second one stops at once. A killed process loses nothing: start it again.
keyferry reloads a changed fleet.yaml within seconds, or at once on SIGHUP. A broken one changes nothing; see the log.
Logs are JSON lines on stderr. http://${DEFAULT_LISTEN} answers /healthz, /readyz and /metrics.
Exit codes: 0 done, 1 a sync failed, 2 bad input.`;

const STATUS_HELP = `
Examples:
  $ keyferry status                            every sync in .keyferry: state, age, next refresh, last error
  $ keyferry status -o json | jq '.syncs[] | select(.error)'
  $ keyferry status --leases                   every lease in Vault: state, id, time left
  $ keyferry status --stack keyferry-prod      the same for keyferry on AWS

Works beside a running engine.
Exit codes: 0 all in step, 1 a sync or a restart failed, or no engine works, 2 bad input.`;

type ExitWith = (exitCode: number) => void;

/** All commands, in the order of --help. */
const COMMANDS = [
  addRun,
  addStatus,
  setUpCommands,
  keyCommands,
  clusterCommands,
  fleetCommands,
  auditCommands,
  injectorCommands,
  completionCommand,
];

/** Parses the command line, runs one command, and returns the exit code. */
export async function program(argv: readonly string[]): Promise<number> {
  let code = 0;
  const cli = new Command("keyferry")
    .description("Syncs secrets from Vault or OpenBao to Kubernetes, across a fleet of clusters.")
    .version(manifest.version)
    .showHelpAfterError("(run with --help for examples)")
    .exitOverride()
    .configureOutput({ writeOut: print, writeErr: (text) => say(text.trimEnd()) });
  const exitWith = (exitCode: number): void => {
    code = exitCode;
  };
  for (const add of COMMANDS) add(cli, exitWith);
  await cli.parseAsync([...argv]);
  return code;
}

function addRun(cli: Command, exitWith: ExitWith): void {
  cli
    .command("run")
    .description("sync a fleet, in this process")
    .addOption(fleetOption())
    .addOption(dataDirOption())
    .option("--once", "do everything that is due, then exit", false)
    .addOption(
      new Option("--listen <address>", "address for health and metrics; none disables them")
        .env("KEYFERRY_LISTEN")
        .default(DEFAULT_LISTEN),
    )
    .addOption(injectorListenOption())
    .addOption(
      new Option("--log-level <level>", "lowest level of logged events")
        .choices([...LOG_LEVELS])
        .env("KEYFERRY_LOG_LEVEL")
        .default("info"),
    )
    .addOption(
      new Option(
        "--sync-series <number>",
        "maximum number of resources with their own metric series, worst first; 0 disables them",
      )
        .env("KEYFERRY_SYNC_SERIES")
        .argParser(wholeNumber)
        .default(DEFAULT_SYNC_SERIES),
    )
    .addOption(eventsUrlOption())
    .addOption(eventsKeyFileOption())
    .addOption(acceptMissingOption())
    .addHelpText("after", RUN_HELP)
    .action(async (options: RunFlags) => {
      exitWith(await runCommand(options));
    });
}

function addStatus(cli: Command, exitWith: ExitWith): void {
  cli
    .command("status")
    .description("show every sync: state, age, next refresh, last error")
    .addOption(fleetOption())
    .addOption(dataDirOption())
    .addOption(stackOption())
    .addOption(outputOption())
    .option("--leases", "show what syncs have in Vault, with the time that is left, looked up now")
    .addHelpText("after", STATUS_HELP)
    .action(async (options: StatusFlags) => {
      exitWith(await statusCommand(options));
    });
}
