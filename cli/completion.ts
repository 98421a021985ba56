import { Argument, type Command } from "commander";
import { readFleet } from "../lib/fleet/read-fleet.ts";
import { candidates } from "./completion/candidates.ts";
import { COMPLETION_SCRIPTS } from "./completion/scripts.ts";
import { DEFAULT_FLEET } from "./options.ts";
import { print } from "./output.ts";

const HELP = `
Examples:
  $ source <(keyferry completion bash)                       in ~/.bashrc
  $ source <(keyferry completion zsh)                        in ~/.zshrc, after compinit
  $ keyferry completion fish > ~/.config/fish/completions/keyferry.fish

Completes commands, options, their values, and the names of clusters in fleet.yaml.`;

/** Adds the command that prints a shell's completion script, and answers the questions of that script. */
export function completionCommand(cli: Command, exitWith: (code: number) => void): void {
  const command = cli.command("completion").description("print a script that completes commands in a shell");
  for (const shell of Object.keys(COMPLETION_SCRIPTS) as (keyof typeof COMPLETION_SCRIPTS)[]) {
    command
      .command(shell)
      .description(`the script for ${shell}`)
      .action(() => {
        print(COMPLETION_SCRIPTS[shell]);
        exitWith(0);
      });
  }
  command
    .command("words", { hidden: true })
    .addArgument(new Argument("[words...]"))
    .action(async (words: readonly string[]) => {
      const found = await candidates(cli, words, { clusters: clustersIn });
      print(found.map((one) => `${one}\n`).join(""));
      exitWith(0);
    });
  command.addHelpText("after", HELP);
}

/** A missing or broken file has no clusters: a completion is no place for complaints. */
async function clustersIn(file = process.env.KEYFERRY_FLEET ?? DEFAULT_FLEET): Promise<readonly string[]> {
  try {
    return (await readFleet(file)).fleet.clusters.map(({ name }) => name);
  } catch {
    return [];
  }
}
