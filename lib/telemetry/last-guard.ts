import type { EventEmitter } from "node:events";
import { described } from "../described.ts";
import type { Log, Metrics } from "../ports/telemetry.ts";

/** The part of Node's process that is needed here. */
export type Guarded = Pick<EventEmitter, "on" | "off" | "listeners">;

const EVENTS = ["unhandledRejection", "uncaughtException"] as const;

/**
 * An unhandled failure is a bug of ours: it is logged by name and place, counted, and does not end the process. Fences
 * and versions protect what was written, each loop goes on, and running work comes again from the lease table; an exit
 * would stop all other clusters. Other listeners, such as a function's runtime, can't end the process either. Disposing
 * restores the process.
 */
export function lastGuard(
  guarded: Guarded,
  { log, metrics }: { readonly log: Log; readonly metrics: Metrics },
): Disposable {
  const told = (event: string) => (error: unknown) => {
    metrics.count("keyferry_bugs_total", {});
    log.error("failure-unhandled", { how: event, ...described(error) });
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
