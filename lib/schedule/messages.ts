import type { EpochMs } from "../clock.ts";
import { SECOND_MS } from "../clock.ts";
import type { KeysMessage, TokenSweepMessage, WorkQueue } from "../ports/queue.ts";
import type { Due } from "../ports/store.ts";

/** Keys in one message at most (lease-table 15). */
export const MAX_KEYS = 25;

/**
 * The messages for these keys. One message is of one lane and one second, and those who share a Vault read travel
 * together (lease-table 11). What is due by `nowMs` starts now; the rest at the next whole second, never before its time:
 * a worker would send it away (lease-table 14).
 */
export function messagesFor(work: readonly Due[], nowMs: EpochMs): readonly KeysMessage[] {
  const started = work.map((due) => ({ ...due, at: startOf(due.at, nowMs) }));
  const starts = Map.groupBy(started, ({ lane, at }) => `${lane} ${at}`);
  return [...starts.values()].flatMap(bundles).flatMap((bundle) => {
    const [first] = bundle;
    if (first === undefined) return [];
    return [{ kind: "keys", keys: bundle.map(({ key }) => key), lane: first.lane, at: first.at }];
  });
}

/** Sends these keys; resolves when every message was accepted. */
export async function sendDue(queue: WorkQueue<KeysMessage>, work: readonly Due[], nowMs: EpochMs): Promise<void> {
  if (work.length > 0) await queue.send(messagesFor(work, nowMs));
}

/** Sends one key to the lane for what is due now, for then. */
export async function sendNow(
  queue: WorkQueue<KeysMessage>,
  { key, at }: Pick<Due, "key" | "at">,
  nowMs: EpochMs,
): Promise<void> {
  await queue.send([{ kind: "keys", keys: [key], lane: "now", at: startOf(at, nowMs) }]);
}

/** After a change, reads that are under way with the former identity have so long to end, in ms. */
const TOKENS_AFTER_MS = 5 * SECOND_MS;

/** Asks for the tokens of a cluster to be looked through: something that logins are made of changed or went. */
export async function sendTokenSweep(
  queue: WorkQueue<TokenSweepMessage>,
  cluster: string,
  nowMs: EpochMs,
): Promise<void> {
  await queue.send([{ kind: "token-sweep", cluster, at: nowMs + TOKENS_AFTER_MS }]);
}

function startOf(at: EpochMs, nowMs: EpochMs): EpochMs {
  return at <= nowMs ? nowMs : Math.ceil(at / SECOND_MS) * SECOND_MS;
}

/** Fills bundles group by group; a group is split only when it is larger than a bundle. */
function bundles(work: readonly Due[]): readonly (readonly Due[])[] {
  const done: Due[][] = [];
  let open: Due[] = [];
  for (const group of Map.groupBy(work, (due) => due.group).values()) {
    if (open.length + group.length > MAX_KEYS) open = [];
    for (const due of group) {
      if (open.length === MAX_KEYS) open = [];
      if (open.length === 0) done.push(open);
      open.push(due);
    }
  }
  return done;
}
