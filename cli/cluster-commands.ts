import { type Command, Option } from "commander";
import { type HandoverFlags, handoverCommand } from "./handover.ts";
import { fleetOption, outputOption } from "./options.ts";

const HANDOVER_HELP = `
Examples:
  $ keyferry handover --to vso --dry-run       show what it would write, and all problems
  $ keyferry handover --to vso --cluster prod-eu
  $ keyferry handover --to keyferry --cluster prod-eu

Run it while Vault Secrets Operator is scaled to zero. A running keyferry leaves the declarations alone by itself. After a
crash, run the command again: finished work stays finished.
Exit codes: 0 done, 1 refused (nothing was changed) or not finished, 2 bad input.`;

/** Adds the command about whole clusters: handover. */
export function clusterCommands(cli: Command, exitWith: (code: number) => void): void {
  cli
    .command("handover")
    .description("hand declarations over to Vault Secrets Operator without a restart, or take them back")
    .addOption(fleetOption())
    .addOption(
      new Option("--to <controller>", "the controller that continues")
        .choices(["vso", "keyferry"])
        .makeOptionMandatory(),
    )
    .option("--cluster <name...>", "only these clusters of the fleet", [])
    .option("--namespace <name...>", "only these namespaces", [])
    .option("--force", "also hand over what is not in step; Vault Secrets Operator will write it again", false)
    .option("--dry-run", "change nothing", false)
    .addOption(outputOption())
    .addHelpText("after", HANDOVER_HELP)
    .action(async (flags: HandoverFlags) => exitWith(await handoverCommand(flags)));
}
