import type { EventEmitter } from "node:events";
import { described } from "../described.ts";
import type { Log, Metrics } from "../ports/telemetry.ts";

/** What of Node's process is needed here. */
export type Guarded = Pick<EventEmitter, "on" | "off" | "listeners">;

const EVENTS = ["unhandledRejection", "uncaughtException"] as const;

/**
 * A failure that nobody heard is a bug of ours: it is told by its name and place, counted, and does not end the process. What
 * was written is protected by fences and versions, each loop goes on by itself, and what was under way comes again out of
 * the lease table; an end would stop every other cluster instead. Whoever else listens is kept from ending it (a
 * function's runtime does). Disposing gives the process back as it was.
 */
export function lastGuard(
  guarded: Guarded,
  { log, metrics }: { readonly log: Log; readonly metrics: Metrics },
): Disposable {
  const told = (event: string) => (error: unknown) => {
    metrics.count("keyferry_bugs_total", {});
    log.error("failure-went-astray", { how: event, ...described(error) });
  };
  const undo = EVENTS.map((event) => {
    const others = guarded.listeners(event) as ((error: unknown) => void)[];
    const ours = told(event);
    for (const other of others) guarded.off(event, other);
    guarded.on(event, ours);
    return () => {
      guarded.off(event, ours);
      for (const other of others) guarded.on(event, other);
    };
  });
  return {
    [Symbol.dispose]() {
      for (const one of undo) one();
    },
  };
}
