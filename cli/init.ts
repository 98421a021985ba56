import { writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { InputError } from "../lib/errors.ts";
import { parseFleet } from "../lib/fleet/fleet.ts";
import { fleetJsonSchema } from "../lib/fleet/schema.ts";
import { firstFleet } from "./first-fleet.ts";
import { printJson, say } from "./output.ts";

export interface InitFlags {
  readonly cluster: string;
  readonly vaultAddress: string;
}

const SCHEMA_FILE = "fleet.schema.json";

/** Writes a first fleet.yaml, and beside it the schema for editors. An existing fleet.yaml stays as it is. */
export async function initCommand(path: string, flags: InitFlags): Promise<number> {
  const text = firstFleet({ ...flags, schema: SCHEMA_FILE });
  // Wrong options are told as mistakes of the file that they would make.
  parseFleet(text, path);
  await written(path, text, "wx");
  await written(join(dirname(path), SCHEMA_FILE), schemaText(), "w");
  say(`written: ${path}, and ${SCHEMA_FILE} for editors. Next: keyferry bootstrap ${flags.cluster} --help`);
  return 0;
}

/** Prints the JSON Schema of fleet.yaml. */
export function schemaCommand(): number {
  printJson(fleetJsonSchema());
  return 0;
}

function schemaText(): string {
  return `${JSON.stringify(fleetJsonSchema(), null, 2)}\n`;
}

async function written(path: string, text: string, flag: "w" | "wx"): Promise<void> {
  await writeFile(path, text, { flag }).catch((error: NodeJS.ErrnoException) => {
    const why =
      error.code === "EEXIST"
        ? "exists already: name another file, or remove it"
        : `can't be written (${error.code ?? error.name})`;
    throw new InputError(path, [why]);
  });
}
