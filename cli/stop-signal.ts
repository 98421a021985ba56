import { SECOND_MS } from "../lib/clock.ts";

/** One wish to stop may come twice at once: service managers signal the whole group, and the launcher passes its signal on. */
const SAME_WISH_MS = SECOND_MS;

/** The first Ctrl-C asks for a stop; with another one, a second or more later, the process ends as any other would. */
export function stopSignal(onAsked: (signal: NodeJS.Signals) => void): AbortSignal {
  const names = ["SIGINT", "SIGTERM"] as const;
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
