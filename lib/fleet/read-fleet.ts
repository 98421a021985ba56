import { readFile } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { InputError } from "../errors.ts";
import { type Fleet, parseFleet } from "./fleet.ts";

/** The fleet of a file, and the folder that its paths are relative to. Throws an InputError. */
export async function readFleet(path: string): Promise<{ readonly fleet: Fleet; readonly folder: string }> {
  const text = await readFile(path, "utf8").catch((error: NodeJS.ErrnoException) => {
    throw new InputError(path, [`can't be read (${error.code ?? error.name})`]);
  });
  return { fleet: parseFleet(text, path), folder: dirname(resolve(path)) };
}

/** Reads files as fleet.yaml names them: relative to its folder. */
export function textIn(folder: string): (path: string) => Promise<string> {
  return (path) => readFile(resolve(folder, path), "utf8");
}
