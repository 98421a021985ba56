import { systemClock } from "../lib/clock.ts";
import { InputError } from "../lib/errors.ts";
import { parseKey, type SyncKey } from "../lib/keys.ts";
import { sendDue } from "../lib/schedule/messages.ts";
import type { SyncFlags } from "./program.ts";
import { openStack } from "./stack.ts";

/** Asks a deployed keyferry to look at one sync now, source and destination; 0 when it was asked or is about to. */
export async function syncCommand(text: string, flags: SyncFlags): Promise<number> {
  if (parseKey(text) === undefined) {
    throw new InputError(text, [
      "it must be CLUSTER/KIND/NAMESPACE/NAME, for example prod-eu/VaultStaticSecret/pay/db: keyferry status lists them",
    ]);
  }
  const key = text as SyncKey;
  const { leases, queue } = await openStack(flags.stack, systemClock);
  const row = (await leases.read([key], "strong")).get(key);
  if (!row) throw new InputError(text, ["there is no such sync: keyferry status lists them"]);
  const now = systemClock();
  const due = await leases.nudge(key, { now, look: true });
  // Undefined: it is due already, and its message may be far ahead: it is sent now.
  await sendDue(queue, [due ?? { key, group: row.declared.group, lane: "now", at: now }], now);
  process.stderr.write(`asked for ${key}\n`);
  return 0;
}
