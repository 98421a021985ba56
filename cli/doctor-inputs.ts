import { systemClock } from "../lib/clock.ts";
import { type Finding, finding } from "../lib/doctor/finding.ts";
import { commands } from "../lib/doctor/remedies.ts";
import { InputError } from "../lib/errors.ts";
import { folderFiles } from "../lib/fleet/files.ts";
import type { Fleet } from "../lib/fleet/fleet.ts";
import { readFleet } from "../lib/fleet/read-fleet.ts";
import type { FleetFiles } from "../lib/ports/fleet-files.ts";
import { type SqliteStore, simulatedSqliteStore } from "../lib/store/sqlite/sqlite-store.ts";
import { shellWord } from "../lib/util/shell.ts";
import { peekDataDir } from "./data-dir.ts";
import { say } from "./output.ts";
import { type PlanSource, planInputs } from "./plan-inputs.ts";
import { stackFacts } from "./stack.ts";

/** The fleet to examine, and a copy of what its engine knows. */
export interface DoctorInputs {
  readonly fleet: Fleet;
  readonly files: FleetFiles;
  readonly store: SqliteStore;
  /** Missing: there was no run yet. */
  readonly installation?: string;
}

/** The input of an examination. A stack without a readable fleet is a finding; a file without one is bad input. */
export async function doctorInputs(source: PlanSource): Promise<DoctorInputs | Finding> {
  if (source.stack !== undefined) return stackInputs(source, source.stack);
  const { fleet, folder } = await readFleet(source.fleet);
  const known = peekDataDir(source.dataDir);
  if (!known) say(`${source.dataDir} holds no state: nothing is known of an earlier run`);
  const store = simulatedSqliteStore(known?.statePath);
  await store.expireLeases(systemClock());
  return { fleet, files: folderFiles(folder), store, ...(known && { installation: known.installation }) };
}

async function stackInputs(source: PlanSource, stack: string): Promise<DoctorInputs | Finding> {
  const { outputs } = await stackFacts(stack);
  try {
    return await planInputs(source);
  } catch (error) {
    if (!(error instanceof InputError) || source.isFleetNamed) throw error;
    const remedy = commands([`keyferry fleet push --stack ${shellWord(stack)} --fleet fleet.yaml`]);
    return finding("FLEET_UNREADABLE", { where: outputs.FleetLocation, what: error.message, remedy });
  }
}
