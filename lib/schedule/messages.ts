import { SECOND_MS } from "../clock.ts";
import type { Due, WorkMessage, WorkQueue } from "../reconcile/ports.ts";

/** Keys in one message at most (lease-table 15). */
export const KEYS_PER_MESSAGE = 25;

/**
 * Packs what is due into messages: a message holds one lane and one second, and syncs that share a Vault read travel
 * together, for a message reads each path once.
 */
export function toMessages(dues: readonly Due[]): readonly WorkMessage[] {
  const byTime = Map.groupBy(dues, (due) => `${due.lane} ${Math.floor(due.at / SECOND_MS)}`);
  return [...byTime.values()].flatMap(pack);
}

/** Whole groups as long as they fit; a group of more than a message is split. */
function pack(dues: readonly Due[]): readonly WorkMessage[] {
  const messages: Due[][] = [];
  let open: Due[] = [];
  for (const group of Map.groupBy(dues, (due) => due.group).values()) {
    if (open.length + group.length > KEYS_PER_MESSAGE) open = [];
    for (const due of group) {
      if (open.length === KEYS_PER_MESSAGE) open = [];
      if (open.length === 0) messages.push(open);
      open.push(due);
    }
  }
  return messages.flatMap((part) => {
    const [first] = part;
    if (!first) return [];
    return [{ keys: part.map((due) => due.key), lane: first.lane, at: Math.min(...part.map((due) => due.at)) }];
  });
}

export async function sendDue(queue: WorkQueue, dues: readonly Due[]): Promise<void> {
  if (dues.length > 0) await queue.send(toMessages(dues));
}
