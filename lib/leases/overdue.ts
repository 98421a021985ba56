import { type EpochMs, SECOND_MS } from "../clock.ts";
import type { Due } from "../reconcile/ports.ts";

/** Ticks hand out again what became due so shortly before. What waited for longer, under a circuit, has no message on its way. */
const HANDED_OUT_MS = 10 * SECOND_MS;

/** What is sent for a nudge of a row that is due already: nothing, unless it has waited. */
export function sentAgain(row: Pick<Due, "key" | "group">, dueAt: EpochMs | null, now: EpochMs): Due | undefined {
  return dueAt !== null && now - dueAt > HANDED_OUT_MS ? { ...row, lane: "now", at: now } : undefined;
}
