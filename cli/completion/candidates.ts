import type { Command, Option } from "commander";

/** What a shell may offer for the last of some words. */

/** Names that the command line does not know by itself. */
export interface Names {
  /** The clusters of fleet.yaml. `fleet` is the file that the typed words name, if they do. */
  clusters(fleet: string | undefined): Promise<readonly string[]>;
}

const FILES: readonly string[] = [];
const CLUSTER_OPTIONS = ["--cluster", "--accept-missing"];
const FLEET_OPTIONS = ["-f", "--fleet"];

/** The candidates for the last word; it may be empty. The program's own name is not among the words. */
export async function candidates(cli: Command, words: readonly string[], names: Names): Promise<readonly string[]> {
  const { command, rest } = commandIn(cli, words);
  const last = rest.at(-1) ?? "";
  const starting = (list: readonly string[]): readonly string[] => list.filter((text) => text.startsWith(last));
  if (command.commands.length > 0) return rest.length > 1 ? [] : starting(commandNames(command));
  const option = optionWaiting(command, rest.slice(0, -1));
  if (option !== undefined && !last.startsWith("-")) return starting(await valuesOf(option, rest, names));
  if (last.startsWith("-")) return starting([...command.options.flatMap(flagsOf), "--help"]);
  return starting(await argumentsOf(command, rest, names));
}

/** The command that the words name, which may be one of another command, and the words after it. */
function commandIn(cli: Command, words: readonly string[]): { command: Command; rest: readonly string[] } {
  const [first, ...rest] = words;
  const found = rest.length === 0 ? undefined : cli.commands.find((known) => known.name() === first);
  return found === undefined ? { command: cli, rest: words } : commandIn(found, rest);
}

function commandNames(command: Command): readonly string[] {
  return command
    .createHelp()
    .visibleCommands(command)
    .map((known) => known.name());
}

/** The option whose value comes next, if it is one with a value. */
function optionWaiting(command: Command, before: readonly string[]): Option | undefined {
  const at = before.findLastIndex((word) => word.startsWith("-"));
  const option = command.options.find((known) => flagsOf(known).includes(before[at] ?? ""));
  if (option === undefined || (!option.required && !option.optional)) return undefined;
  return at === before.length - 1 || option.variadic ? option : undefined;
}

function flagsOf({ short, long }: Option): readonly string[] {
  return [short, long].filter((flag) => flag !== undefined && flag !== null);
}

async function valuesOf(option: Option, words: readonly string[], names: Names): Promise<readonly string[]> {
  if (flagsOf(option).some((flag) => CLUSTER_OPTIONS.includes(flag))) return names.clusters(fleetIn(words));
  return option.argChoices ?? FILES;
}

/** Clusters, and keys, which begin with a cluster. */
async function argumentsOf(command: Command, words: readonly string[], names: Names): Promise<readonly string[]> {
  const [argument] = command.registeredArguments;
  if (argument?.argChoices !== undefined) return argument.argChoices;
  if (argument?.name() === "cluster") return names.clusters(fleetIn(words));
  if (!argument?.name().startsWith("CLUSTER/") && !argument?.name().startsWith("key")) return FILES;
  return (await names.clusters(fleetIn(words))).map((cluster) => `${cluster}/`);
}

function fleetIn(words: readonly string[]): string | undefined {
  const at = words.findLastIndex((word) => FLEET_OPTIONS.includes(word.split("=", 1)[0] ?? ""));
  const word = words[at];
  if (word === undefined) return undefined;
  return word.includes("=") ? word.slice(word.indexOf("=") + 1) : words[at + 1];
}
