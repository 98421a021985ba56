import { systemClock } from "../lib/clock.ts";
import { InputError } from "../lib/errors.ts";
import { partsOf, type SyncKey } from "../lib/keys.ts";
import type { LeaseStore } from "../lib/ports/store.ts";
import { keysIn } from "./chosen-keys.ts";
import { describeSync, type SyncDescription } from "./describe-sync.ts";
import { descriptionText } from "./description-text.ts";
import { engineLines, engineView, isEngineWrong } from "./engine-view.ts";
import { openTable, type TableFlags } from "./lease-table.ts";
import { print, printJson } from "./output.ts";
import { hasFailed } from "./status-view.ts";
import { textLines } from "./table.ts";

export interface ExplainFlags extends TableFlags {
  readonly output: "table" | "json";
}

/** Shows everything known about one sync; exits with 1 when it has failed, or no engine works on it. */
export async function explainCommand(text: string, flags: ExplainFlags): Promise<number> {
  await using place = await openTable(flags, "read");
  const [key, ...others] = await keysIn(place.leases, [text]);
  if (key === undefined || others.length > 0) {
    throw new InputError(text, [`it matches ${others.length + 1} syncs: name one of them`]);
  }
  const now = systemClock();
  const description = await read(place.leases, key, now);
  if (!description) throw new InputError(text, ["it was deleted just now"]);
  const engine = await engineView(flags, place.leases, now);
  if (flags.output === "json") printJson({ ...description, engine });
  else print(`${textLines(engineLines(engine, flags, now))}${descriptionText(description, now)}`);
  return hasFailed(description) || isEngineWrong(engine) ? 1 : 0;
}

async function read(leases: LeaseStore, key: SyncKey, now: number): Promise<SyncDescription | undefined> {
  const row = (await leases.read([key], "strong")).get(key);
  if (!row) return undefined;
  const [references, circuits, cluster] = await Promise.all([
    leases.references(row.state.refs, "strong"),
    leases.circuits(),
    leases.cluster(partsOf(key).cluster),
  ]);
  return describeSync({ row, references, circuits, cluster, now });
}
