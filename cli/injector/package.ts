import { writeFile } from "node:fs/promises";
import { InputError } from "../../lib/errors.ts";
import { readFleet } from "../../lib/fleet/read-fleet.ts";
import { codeOf } from "../../lib/util/error-code.ts";
import { print, say } from "../output.ts";
import { packageOf } from "./served.ts";

export interface PackageFlags {
  readonly fleet: string;
  readonly out?: string;
}

/** Writes what the function is packaged with: settings, and hashes of keys. No secret is in it. */
export async function packageCommand(flags: PackageFlags): Promise<number> {
  const { fleet } = await readFleet(flags.fleet);
  const packaged = packageOf(fleet);
  const text = `${JSON.stringify(packaged)}\n`;
  if (flags.out === undefined) print(text);
  else await written(flags.out, text);
  const names = Object.keys(packaged.clusters);
  say(names.length === 0 ? "no cluster has injector.keys: none is served" : `served: ${names.join(", ")}`);
  return 0;
}

async function written(path: string, text: string): Promise<void> {
  await writeFile(path, text).catch((error: unknown) => {
    throw new InputError(path, [
      `it can't be written (${codeOf(error) ?? "unknown"}): name a file in a folder that is there`,
    ]);
  });
}
