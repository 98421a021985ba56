import type { SyncKey } from "../keys.ts";
import type { Log } from "../ports/telemetry.ts";
import type { Origin } from "./origin.ts";

/** Data that stays in Vault where it was pushed, and why. */
export type Left = { readonly path: string; readonly because: string };

/** Says so in the log, and by an event at what declared it. */
export async function tellLeft(
  { log, origin }: { readonly log: Log; readonly origin: Origin },
  key: SyncKey,
  { path, because }: Left,
  signal: AbortSignal,
): Promise<void> {
  log.warn("pushed-data-left", { key, path, because });
  const message = `${path} stays in Vault: ${because}`;
  await origin.emit({ type: "Warning", reason: "PushedDataLeft", message }, signal);
}
