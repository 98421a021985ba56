import { MINUTE_MS, SECOND_MS } from "../../lib/clock.ts";
import { nextSlot } from "../../lib/schedule/wheel.ts";
import type { Life } from "./life.ts";

/** What a process does at a point, until something stops it. */
export type ActName = "look" | "renew" | "leave" | "reconcile";

/** Longer than the wish of each declaration for its replaced credential, and than a token sweep's pause. */
const AFTERWARDS_MS = 10 * SECOND_MS;

export const ACTS: Readonly<Record<ActName, (life: Life) => Promise<void>>> = {
  /** Something was declared, changed or deleted. */
  async look(life) {
    await life.watch();
    await life.work();
    life.skip(AFTERWARDS_MS);
    await life.work();
  },
  /** A slot of the renew wheel comes. */
  async renew(life) {
    life.skip(BEFORE_SLOT_MS + 5 * SECOND_MS);
    await life.work();
    life.skip(AFTERWARDS_MS);
    await life.work();
  },
  /** A slot of the refresh wheel comes. */
  async reconcile(life) {
    await refreshSlot(life);
    life.skip(AFTERWARDS_MS);
    await life.work();
  },
  /** Its cluster is in the fleet no longer. */
  async leave(life) {
    await life.begin();
    await life.work();
    life.skip(RETENTION_MS + SECOND_MS);
    await life.work();
  },
};

/** Lets the next slot of the refresh wheel come. Missed slots would be spread over minutes. */
export async function refreshSlot(life: Life): Promise<void> {
  const [row] = await life.rows();
  if (row?.wheel !== undefined) life.skip(nextSlot(row.wheel, life.now() + SECOND_MS) - life.now() - SECOND_MS);
  await life.work();
  life.skip(5 * SECOND_MS);
  await life.work();
}

/** A renew slot is so near when the process comes, also when the machine is slow until then. */
export const BEFORE_SLOT_MS = 30 * SECOND_MS;
/** From one slot to the next at most: declarations want 30 % of their role's TTL of 20 minutes. */
export const SLOT_TO_SLOT_MS = 6 * MINUTE_MS;
/** A path gets one version in 30 s. */
export const BETWEEN_VERSIONS_MS = 40 * SECOND_MS;
/** As the fleet says. */
export const RETENTION_MS = 45 * SECOND_MS;
