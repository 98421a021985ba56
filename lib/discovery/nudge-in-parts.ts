import type { SyncKey } from "../keys.ts";
import { sendDue } from "../schedule/messages.ts";
import type { DiscoveryDeps } from "./deps.ts";

/** How many rows are nudged at once. */
const PART = 500;

export interface NudgeInParts {
  /** The rows are due so much later, in ms. */
  readonly afterMs?: number;
  /** Those of a part that are meant; missing: all. */
  readonly among?: (part: readonly SyncKey[]) => Promise<readonly SyncKey[]>;
}

/** Nudges many rows, part by part: a process that ends in between has sent what it nudged. */
export async function nudgeInParts(
  { leases, queue, clock }: Pick<DiscoveryDeps, "leases" | "queue" | "clock">,
  keys: readonly SyncKey[],
  { afterMs = 0, among = async (part) => part }: NudgeInParts = {},
): Promise<void> {
  for (let from = 0; from < keys.length; from += PART) {
    const part = await among(keys.slice(from, from + PART));
    const dues = await leases.nudgeAll(part, { now: clock() + afterMs, verify: false });
    await sendDue(queue, dues, clock());
  }
}
