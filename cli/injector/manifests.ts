import { stringify } from "yaml";
import { type Selection, webhookConfiguration } from "../../lib/admission/registration.ts";
import { systemClock } from "../../lib/clock.ts";
import { readFleet } from "../../lib/fleet/read-fleet.ts";
import { print, printJson, say } from "../output.ts";
import { clusterOf, placeOf } from "./places.ts";

export interface ManifestsFlags {
  readonly fleet: string;
  readonly dataDir: string;
  readonly keyFile?: string;
  readonly by: Selection;
  readonly output: "yaml" | "json";
}

/** Prints the registration of one cluster. It reaches nothing. */
export async function manifestsCommand(name: string, flags: ManifestsFlags): Promise<number> {
  const { fleet, folder } = await readFleet(flags.fleet);
  const cluster = clusterOf(fleet, name, flags.fleet);
  const { keyFile, dataDir } = flags;
  const where = { fleet, folder, fileName: flags.fleet, cluster, dataDir, now: systemClock() };
  const { config, caMadeIn } = await placeOf({ ...where, ...(keyFile === undefined ? {} : { keyFile }) });
  if (caMadeIn !== undefined) {
    say(
      `made a new CA in ${caMadeIn}: keyferry run must use this data directory, too, or API servers refuse its certificate (--data-dir)`,
    );
  }
  const object = webhookConfiguration(config, flags.by);
  if (flags.output === "json") printJson(object);
  else print(stringify(object, { lineWidth: 0 }));
  return 0;
}
