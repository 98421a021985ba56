import { readFleet } from "../lib/fleet/read-fleet.ts";
import { bootstrapJson, FORMATS } from "./bootstrap/formats.ts";
import { type BootstrapFlags, clusterNeeds } from "./bootstrap/needs.ts";
import { print, printJson } from "./output.ts";

export interface BootstrapCommandFlags extends BootstrapFlags {
  readonly fleet: string;
  readonly output: keyof typeof FORMATS | "json";
}

/** Prints what one cluster needs. It reads fleet.yaml and reaches nothing. */
export async function bootstrapCommand(name: string, flags: BootstrapCommandFlags): Promise<number> {
  const { fleet, folder } = await readFleet(flags.fleet);
  const needs = clusterNeeds({ fleet, folder, fileName: flags.fleet }, name, flags);
  if (flags.output === "json") printJson(bootstrapJson(needs));
  else print(FORMATS[flags.output](needs));
  return 0;
}
