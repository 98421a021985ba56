import { CommanderError } from "commander";
import { InputError, SyncError } from "../lib/errors.ts";
import { allowReadersToLeave, exitCodeOf, say } from "./output.ts";
import { program } from "./program.ts";

/** Exit codes: 0 done, 1 some sync failed, 2 bad input. */
async function main(): Promise<number> {
  try {
    return await program(process.argv);
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
    if (error instanceof InputError) return exitWith(error.message, 2);
    if (error instanceof SyncError) return exitWith(`${error.code}: ${error.message}`, 1);
    throw error;
  }
}

function exitWith(message: string, code: number): number {
  say(message);
  return code;
}

allowReadersToLeave();
process.exitCode = exitCodeOf(await main());
