import { SECOND_MS } from "../clock.ts";
import type { Due, WorkMessage, WorkQueue } from "../reconcile/ports.ts";

/** Keys in one message at most (lease-table 15). */
export const KEYS_PER_MESSAGE = 25;

/** Groups what is due so that syncs which share a Vault read in the same second travel together; lanes never mix. */
export function toMessages(dues: readonly Due[]): readonly WorkMessage[] {
  const batches = new Map<string, Due[]>();
  for (const due of dues) {
    const name = `${due.lane} ${Math.floor(due.at / SECOND_MS)} ${due.group}`;
    const batch = batches.get(name);
    if (batch) batch.push(due);
    else batches.set(name, [due]);
  }
  return [...batches.values()].flatMap(split);
}

function split(batch: readonly Due[]): readonly WorkMessage[] {
  const messages: WorkMessage[] = [];
  for (let start = 0; start < batch.length; start += KEYS_PER_MESSAGE) {
    const part = batch.slice(start, start + KEYS_PER_MESSAGE);
    const [first] = part;
    if (!first) break;
    messages.push({ keys: part.map((due) => due.key), lane: first.lane, at: Math.min(...part.map((due) => due.at)) });
  }
  return messages;
}

export async function sendDue(queue: WorkQueue, dues: readonly Due[]): Promise<void> {
  if (dues.length > 0) await queue.send(toMessages(dues));
}
