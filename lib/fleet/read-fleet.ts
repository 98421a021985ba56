import { dirname, resolve } from "node:path";
import { InputError } from "../errors.ts";
import { BodyTooLarge } from "../util/bounded-body.ts";
import { boundedFile } from "../util/bounded-file.ts";
import { type Fleet, parseFleet } from "./fleet.ts";

/** A fleet file; paths in it are relative to `folder`. */
export interface FleetFile {
  readonly fleet: Fleet;
  readonly folder: string;
  readonly text: string;
}

/** Reads a fleet from a file. Throws an InputError. */
export async function readFleet(path: string): Promise<FleetFile> {
  const text = await boundedFile(path).catch((error: NodeJS.ErrnoException) => {
    const why = error instanceof BodyTooLarge ? error.message : (error.code ?? error.name);
    const remedy = why === "ENOENT" ? ": keyferry init writes a first one, --fleet names another" : "";
    throw new InputError(path, [`can't be read (${why})${remedy}`]);
  });
  return { fleet: parseFleet(text, path), folder: dirname(resolve(path)), text };
}
