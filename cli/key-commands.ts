import { type Command, Option } from "commander";
import { MINUTE_MS } from "../lib/clock.ts";
import { type ExplainFlags, explainCommand } from "./explain.ts";
import { dataDirOption, outputOption, stackOption, waitTime } from "./options.ts";
import { type SyncFlags, syncCommand } from "./sync.ts";

const SYNC_HELP = `
Examples:
  $ keyferry sync prod-eu/VaultStaticSecret/pay/db           ask the engine of .keyferry, and don't wait
  $ keyferry sync prod-eu/VaultStaticSecret/pay/db --wait    and tell how it went
  $ keyferry sync 'prod-eu/*/pay/*' --wait --timeout 2m      every sync of a namespace; * stands for any characters
  $ keyferry sync prod-eu/VaultStaticSecret/pay/db --stack keyferry-prod

Vault is read and the Secret is looked at; what is in step stays as it is. The annotation keyferry.dev/refresh on the
resource asks for the same, with each new value.
Exit codes: 0 asked, or done with --wait; 1 a sync failed or was not done in time; 2 bad input.`;

const EXPLAIN_HELP = `
Examples:
  $ keyferry explain prod-eu/VaultStaticSecret/pay/db        what is declared, seen, wrong, and next
  $ keyferry explain prod-eu/VaultStaticSecret/pay/db -o json | jq .error.remedy
  $ keyferry explain prod-eu/VaultStaticSecret/pay/db --stack keyferry-prod

Reads the lease table alone, beside a running engine. Exit codes: 0 in step or on its way, 1 the sync has failed, 2 bad input.`;

type Ended = (code: number) => void;

/** Commands about chosen syncs: sync, explain. */
export function keyCommands(cli: Command, ended: Ended): void {
  addSync(cli, ended);
  addExplain(cli, ended);
}

function addSync(cli: Command, ended: Ended): void {
  cli
    .command("sync")
    .description("look at syncs now, source and destination")
    .argument("<key...>", "CLUSTER/KIND/NAMESPACE/NAME, * for any characters")
    .addOption(dataDirOption())
    .addOption(stackOption())
    .option("--wait", "until it is done, and tell how it went", false)
    .addOption(new Option("--timeout <duration>", "how long to wait").argParser(waitTime).default(MINUTE_MS, "1m"))
    .addOption(outputOption())
    .addHelpText("after", SYNC_HELP)
    .action(async (keys: readonly string[], flags: SyncFlags) => ended(await syncCommand(keys, flags)));
}

function addExplain(cli: Command, ended: Ended): void {
  cli
    .command("explain")
    .description("tell the story of one sync: declared, referred to, seen, wrong, next")
    .argument("<key>", "CLUSTER/KIND/NAMESPACE/NAME")
    .addOption(dataDirOption())
    .addOption(stackOption())
    .addOption(outputOption())
    .addHelpText("after", EXPLAIN_HELP)
    .action(async (key: string, flags: ExplainFlags) => ended(await explainCommand(key, flags)));
}
