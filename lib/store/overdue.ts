import { type EpochMs, SECOND_MS } from "../clock.ts";
import type { Due } from "../ports/store.ts";

/** Ticks dispatch again what became due so shortly before. What waited for longer, under a circuit, has no message on its way. */
const DISPATCHED_MS = 10 * SECOND_MS;

/** What is sent for a nudge of a row that is due already: nothing, unless it has waited. */
export function sentAgain(row: Pick<Due, "key" | "group">, dueAt: EpochMs | null, now: EpochMs): Due | undefined {
  return dueAt !== null && now - dueAt > DISPATCHED_MS ? { ...row, lane: "now", at: now } : undefined;
}
