import { type Command, Option } from "commander";
import { MINUTE_MS } from "../lib/clock.ts";
import { type ExplainFlags, explainCommand } from "./explain.ts";
import { dataDirOption, fleetOption, outputOption, stackOption, waitTime } from "./options.ts";
import { type PlanFlags, planCommand } from "./plan.ts";
import { type SyncFlags, syncCommand } from "./sync.ts";

const SYNC_HELP = `
Examples:
  $ keyferry sync prod-eu/VaultStaticSecret/pay/db           ask the engine of .keyferry, without waiting
  $ keyferry sync prod-eu/VaultStaticSecret/pay/db --wait    wait and show the result
  $ keyferry sync 'prod-eu/*/pay/*' --wait --timeout 2m      every sync of a namespace; * stands for any characters
  $ keyferry sync prod-eu/VaultStaticSecret/pay/db --stack keyferry-prod

The engine reads Vault and verifies the Secret; a Secret in step stays as it is. Each new value of the annotation
keyferry.dev/refresh on the resource does the same.
Exit codes: 0 asked, or done with --wait; 1 a sync failed or did not finish in time; 2 bad input.`;

const EXPLAIN_HELP = `
Examples:
  $ keyferry explain prod-eu/VaultStaticSecret/pay/db        declaration, references, last state, error, next run
  $ keyferry explain prod-eu/VaultStaticSecret/pay/db -o json | jq .error.remedy
  $ keyferry explain prod-eu/VaultStaticSecret/pay/db --stack keyferry-prod

Reads only the lease table, beside a running engine.
Exit codes: 0 in step or in progress, 1 the sync or a restart failed, or no engine works on it, 2 bad input.`;

const PLAN_HELP = `
Examples:
  $ keyferry plan --fleet fleet.yaml                         what a run would change in each sync, and why
  $ keyferry plan 'prod-eu/*/pay/*'                          only in one namespace
  $ keyferry plan -o json | jq '.syncs[] | select(.action == "fail").error'
  $ keyferry plan --stack keyferry-prod                      the same for keyferry on AWS, with the fleet in its bucket
  $ keyferry plan --stack keyferry-prod --fleet new.yaml     with another fleet, before keyferry fleet push

Reads declarations, Vault and Secrets, and writes nothing: no Secret, no status, no event, no state. Shows names and
digests, never values. Uses the state in --data-dir if there is one, also beside a running engine; without it, plans a
first run. With --stack, uses a copy of the stack's lease table, and reaches clusters and Vaults from this machine. Logs
in to Vault, and revokes the tokens at the end.
Exit codes, the first that applies: 2 bad input, 1 a sync or a cluster would fail, 3 there are changes, 0 nothing to do.`;

const ONE_KEY = "CLUSTER/KIND/NAMESPACE/NAME";

type Ended = (code: number) => void;

/** Adds the commands about chosen syncs: plan, sync, explain. */
export function keyCommands(cli: Command, exitWith: Ended): void {
  addPlan(cli, exitWith);
  addSync(cli, exitWith);
  addExplain(cli, exitWith);
}

interface KeyCommand {
  readonly description: string;
  /** Commander's notation of the argument, and its description. */
  readonly argument: readonly [name: string, says: string];
  readonly help: string;
}

/** A command about keys, still without options. */
function keyCommand(cli: Command, name: string, { description, argument, help }: KeyCommand): Command {
  const [keys, says] = argument;
  return cli.command(name).description(description).argument(keys, says).addHelpText("after", help);
}

function addPlan(cli: Command, ended: Ended): void {
  const description = "show what a run would change and why; writes nothing";
  const argument = ["[key...]", `${ONE_KEY}, * stands for any characters; all if none is given`] as const;
  keyCommand(cli, "plan", { description, argument, help: PLAN_HELP })
    .addOption(fleetOption())
    .addOption(dataDirOption())
    .addOption(stackOption())
    .addOption(outputOption())
    .action(async (keys: readonly string[], flags: Omit<PlanFlags, "isFleetNamed">, command: Command) => {
      const isFleetNamed = command.getOptionValueSource("fleet") === "cli";
      ended(await planCommand(keys, { ...flags, isFleetNamed }));
    });
}

function addSync(cli: Command, ended: Ended): void {
  const argument = ["<key...>", `${ONE_KEY}, * stands for any characters`] as const;
  keyCommand(cli, "sync", { description: "refresh syncs now", argument, help: SYNC_HELP })
    .addOption(dataDirOption())
    .addOption(stackOption())
    .option("--wait", "wait until it is done, and show the result", false)
    .addOption(new Option("--timeout <duration>", "how long to wait").argParser(waitTime).default(MINUTE_MS, "1m"))
    .addOption(outputOption())
    .action(async (keys: readonly string[], flags: SyncFlags) => ended(await syncCommand(keys, flags)));
}

function addExplain(cli: Command, ended: Ended): void {
  const description = "describe one sync: declaration, references, last state, error, next run";
  keyCommand(cli, "explain", { description, argument: ["<key>", ONE_KEY], help: EXPLAIN_HELP })
    .addOption(dataDirOption())
    .addOption(stackOption())
    .addOption(outputOption())
    .action(async (key: string, flags: ExplainFlags) => ended(await explainCommand(key, flags)));
}
