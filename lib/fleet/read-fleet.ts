import { dirname, resolve } from "node:path";
import { InputError } from "../errors.ts";
import { BodyTooLarge } from "../util/bounded-body.ts";
import { boundedFile } from "../util/bounded-file.ts";
import { type Fleet, parseFleet } from "./fleet.ts";

/** Reads a fleet from a file; its paths are relative to the returned folder. Throws an InputError. */
export async function readFleet(path: string): Promise<{ readonly fleet: Fleet; readonly folder: string }> {
  const text = await boundedFile(path).catch((error: NodeJS.ErrnoException) => {
    const why = error instanceof BodyTooLarge ? error.message : (error.code ?? error.name);
    throw new InputError(path, [`can't be read (${why})`]);
  });
  return { fleet: parseFleet(text, path), folder: dirname(resolve(path)) };
}
