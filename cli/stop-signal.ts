import { setTimeout as sleepFor } from "node:timers/promises";
import { SECOND_MS } from "../lib/clock.ts";

/**
 * One request to stop may arrive twice: service managers signal the whole group, and the launcher passes its signal on.
 */
const SAME_WISH_MS = SECOND_MS;

const STOP = ["SIGINT", "SIGTERM"] as const;
/** For commands without configuration to reload, where SIGHUP, from a closed terminal, means stop. */
export const WITH_HANG_UP = [...STOP, "SIGHUP"] as const;

/** The first signal requests a stop; another one, a second or more later, ends the process at once. */
export function stopSignal(
  onAsked: (signal: NodeJS.Signals) => void,
  names: readonly NodeJS.Signals[] = STOP,
): AbortSignal {
  const stop = new AbortController();
  const ask = (signal: NodeJS.Signals): void => {
    if (stop.signal.aborted) return;
    onAsked(signal);
    stop.abort();
    const forget = (): void => names.forEach((name) => void process.off(name, ask));
    setTimeout(forget, SAME_WISH_MS).unref();
  };
  for (const name of names) process.on(name, ask);
  return stop.signal;
}

/** Resolves early, without an error, when the signal aborts. */
export async function sleep(ms: number, signal: AbortSignal): Promise<void> {
  await sleepFor(ms, undefined, { signal }).catch(() => undefined);
}
