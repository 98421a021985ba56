import type { EpochMs } from "../clock.ts";
import { SECOND_MS } from "../clock.ts";
import type { KeysMessage, TokenSweepMessage, WorkQueue } from "../ports/queue.ts";
import type { Due } from "../ports/store.ts";

/** The maximum number of keys in a message (lease-table 15). */
export const MAX_KEYS = 25;

/**
 * The messages for these keys. A message has one lane and one second, and keys that share a Vault read stay together
 * (lease-table 11). Keys due by `nowMs` start now; later ones at the next whole second, never before their time,
 * because a worker would send them back (lease-table 14).
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

/** Sends these keys; resolves when every message is accepted. */
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

/** After a change, running reads with the former identity have so long to end, in ms. */
const TOKENS_AFTER_MS = 5 * SECOND_MS;

/** Requests a token sweep for a cluster, because something that its logins depend on changed. */
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

/** Fills bundles group by group; splits a group only when it is larger than a bundle. */
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
