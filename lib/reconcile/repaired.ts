import type { EpochMs } from "../clock.ts";
import type { ReconcileDeps } from "../ports/deps.ts";
import type { Row, RowState } from "../ports/rows.ts";
import { FIGHT, repaired } from "../schedule/repairs.ts";
import type { InStep } from "./attempt.ts";
import type { Run } from "./run.ts";

/** Counts a run that put its Secret back: it wrote, though neither Vault's data nor the declaration changed. */
export function repairsOf(
  { state, declared }: Pick<Row, "state" | "declared">,
  { learned, digest }: Pick<InStep, "learned" | "digest">,
  now: EpochMs,
): Pick<RowState, "repairs"> {
  const isRepair = learned.wrote !== undefined && state.digest === digest && state.appliedHash === declared.hash;
  return isRepair ? { repairs: repaired(state.repairs, now) } : {};
}

/** Anybody may choose the name of a field manager: others than plain ones are not repeated. */
const PROGRAM = /^[\w.:/@-]{1,64}$/;

/** Tells once that repairs have become a fight. */
export async function tellFight(
  { log }: Pick<ReconcileDeps, "log">,
  { claim, origin }: Pick<Run, "claim" | "origin">,
  { learned: { over = "" } }: Pick<InStep, "learned">,
  { repairs }: Pick<RowState, "repairs">,
  signal: AbortSignal,
): Promise<void> {
  const { key, state: before } = claim.row;
  if (repairs?.count !== FIGHT || before.repairs?.count === FIGHT) return;
  const by = PROGRAM.test(over) ? over : undefined;
  log.warn("secret-contested", { key, repairs: FIGHT, ...(by === undefined ? {} : { lastOther: by }) });
  const who = by === undefined ? "" : `; the last other program that wrote to it is ${by}`;
  const message =
    `The Secret was changed ${FIGHT} times in ten minutes and put back each time${who}. From now on an edit stays for a ` +
    "minute, or until the next refresh: stop what changes the Secret";
  await origin.emit({ type: "Warning", reason: "SecretContested", message }, signal);
}
