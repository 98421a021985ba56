import type { Command } from "commander";
import { type FleetPushFlags, type FleetShowFlags, fleetPushCommand, fleetShowCommand } from "./fleet-push.ts";
import { fleetOption, outputOption, stackOption } from "./options.ts";

const PUSH_HELP = `
Examples:
  $ keyferry fleet push --stack keyferry-prod --dry-run      what would be uploaded, and which clusters change
  $ keyferry fleet push --stack keyferry-prod                fleet.yaml, and the kubeconfigs and files that it names
  $ keyferry fleet push --stack keyferry-prod --prune        also remove files that keyferry uploaded and no fleet names
  $ keyferry plan --stack keyferry-prod --fleet fleet.yaml   what the functions would do with this fleet

Checks everything first and uploads fleet.yaml last. Does not write unchanged files. The functions use a new fleet within
a minute.
Exit codes: 0 done, 1 AWS refuses or does not answer, 2 bad input; then nothing was uploaded.`;

const SHOW_HELP = `
Examples:
  $ keyferry fleet show --stack keyferry-prod > fleet.yaml

Prints fleet.yaml only, not the files that it names.
Exit codes: 0 done, 1 it is not valid, 2 bad input.`;

/** Adds the commands about the fleet of a stack: fleet push, fleet show. */
export function fleetCommands(cli: Command, exitWith: (code: number) => void): void {
  const fleet = cli.command("fleet").description("upload the fleet of a keyferry on AWS, or show it");
  fleet
    .command("push")
    .description("check fleet.yaml, and upload it with the files that it names")
    .addOption(fleetOption())
    .addOption(stackOption().makeOptionMandatory())
    .option("--dry-run", "change nothing", false)
    .option("--prune", "remove files that keyferry uploaded and that no fleet names any more", false)
    .addOption(outputOption())
    .addHelpText("after", PUSH_HELP)
    .action(async (flags: FleetPushFlags) => exitWith(await fleetPushCommand(flags)));
  fleet
    .command("show")
    .description("print the fleet.yaml of a stack")
    .addOption(stackOption().makeOptionMandatory())
    .addHelpText("after", SHOW_HELP)
    .action(async (flags: FleetShowFlags) => exitWith(await fleetShowCommand(flags)));
}
