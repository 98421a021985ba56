import { type Command, Option } from "commander";
import { type DoctorFlags, doctorCommand } from "./doctor.ts";
import { type HandoverFlags, handoverCommand } from "./handover.ts";
import { dataDirOption, fleetOption, outputOption, stackOption } from "./options.ts";

const HANDOVER_HELP = `
Examples:
  $ keyferry handover --to vso --dry-run       show what it would write, and all problems
  $ keyferry handover --to vso --cluster prod-eu
  $ keyferry handover --to keyferry --cluster prod-eu

Run it while Vault Secrets Operator is scaled to zero. A running keyferry leaves the declarations alone by itself. After a
crash, run the command again: finished work stays finished.
Exit codes: 0 done, 1 refused (nothing was changed) or not finished, 2 bad input.`;

const DOCTOR_HELP = `
Examples:
  $ keyferry doctor                            examine every cluster of the fleet, and the Vaults that they use
  $ keyferry doctor prod-eu                    one cluster
  $ keyferry doctor prod-eu --mend manifest | kubectl --context prod-eu apply -f -
  $ keyferry doctor prod-eu --mend commands --context prod-eu > mend.sh
  $ keyferry doctor --stack keyferry-prod      queues, dead letters, alarms and functions of a stack, and its clusters
  $ keyferry doctor -o json | jq '.findings[] | select(.severity == "error")'

It writes nothing, and revokes its logins to Vault. Read what it prints before you use it: it grants what is declared.
Exit codes: 0 no errors, 1 errors, 2 bad input.`;

/** Adds the commands about whole clusters: handover and doctor. */
export function clusterCommands(cli: Command, exitWith: (code: number) => void): void {
  cli
    .command("doctor")
    .description("find what is missing or broken in clusters and Vaults, and print what mends it")
    .argument("[cluster...]", "only these clusters of the fleet")
    .addOption(fleetOption())
    .addOption(dataDirOption())
    .addOption(stackOption())
    .addOption(outputOption())
    .addOption(
      new Option(
        "--mend <kind>",
        "print only what mends errors and warnings, for a pipe; not fleet: of one cluster",
      ).choices(["manifest", "commands", "fleet"]),
    )
    .option("--context <name>", "context for kubectl in what is printed; default: the current one")
    .addHelpText("after", DOCTOR_HELP)
    .action(async (names: readonly string[], flags: Omit<DoctorFlags, "isFleetNamed">, command: Command) => {
      const isFleetNamed = command.getOptionValueSource("fleet") === "cli";
      exitWith(await doctorCommand(names, { ...flags, isFleetNamed }));
    });
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
