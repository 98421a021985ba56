import { MINUTE_MS, SECOND_MS } from "../../lib/clock.ts";
import type { Life } from "./life.ts";

/** What a process does at a point, until something stops it. */
export type ActName = "look" | "renew" | "leave";

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
    life.skip(RENEW_WITHIN_MS);
    await life.work();
    life.skip(AFTERWARDS_MS);
    await life.work();
  },
  /** Its cluster is in the fleet no longer. */
  async leave(life) {
    await life.begin();
    await life.work();
    life.skip(RETENTION_MS);
    await life.work();
  },
};

/** The roles' TTL of 20 minutes, of which declarations want 30 % as the pause between two renewals. */
export const RENEW_WITHIN_MS = 6 * MINUTE_MS + 20 * SECOND_MS;
/** As the fleet says. */
const RETENTION_MS = 4 * MINUTE_MS + SECOND_MS;
