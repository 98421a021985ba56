import { type EpochMs, SECOND_MS } from "../clock.ts";

/** What became due so shortly before is handed out by ticks; of what is due for longer, for it waited under a circuit, no message is on its way. */
const HANDED_OUT_MS = 10 * SECOND_MS;

/** Whether a nudge of a row that is due already has to be sent all the same. */
export function isOverdue(dueAt: EpochMs | null | undefined, now: EpochMs): boolean {
  return typeof dueAt === "number" && now - dueAt > HANDED_OUT_MS;
}
