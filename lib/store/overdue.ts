import { type EpochMs, SECOND_MS } from "../clock.ts";
import type { Due } from "../ports/store.ts";

/**
 * Ticks dispatch rows again that became due shortly before. A row that waited for longer, under a circuit, has no
 * message.
 */
const DISPATCHED_MS = 10 * SECOND_MS;

/** The message for a nudge of a due row: none, unless the row has waited. */
export function sentAgain(row: Pick<Due, "key" | "group">, dueAt: EpochMs, now: EpochMs): Due | undefined {
  return now - dueAt > DISPATCHED_MS ? { ...row, lane: "now", at: now } : undefined;
}
