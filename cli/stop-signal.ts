import { setTimeout as sleepFor } from "node:timers/promises";
import { SECOND_MS } from "../lib/clock.ts";

/** One wish to stop may come twice at once: service managers signal the whole group, and the launcher passes its signal on. */
const SAME_WISH_MS = SECOND_MS;

const STOP = ["SIGINT", "SIGTERM"] as const;
/** For what has no configuration to read again: a terminal that goes away asks it to stop, too. */
export const WITH_HANG_UP = [...STOP, "SIGHUP"] as const;

/** The first Ctrl-C asks for a stop; with another one, a second or more later, the process ends as any other would. */
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

/** Waits; a signal ends the wait early and is no error. */
export async function sleep(ms: number, signal: AbortSignal): Promise<void> {
  await sleepFor(ms, undefined, { signal }).catch(() => undefined);
}
