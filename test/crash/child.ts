import { once } from "node:events";
import { writeSync } from "node:fs";
import type { Effect } from "../core/world/effects.ts";
import { ACTS, type ActName } from "./acts.ts";
import { live } from "./life.ts";
import type { PointPlace } from "./place.ts";

/** What a child is told to do. */
export interface Order {
  readonly place: PointPlace;
  readonly act: ActName;
  readonly stop?: StopAt;
}

/** Where it ends, or stands still until it is told to go on. */
export interface StopAt {
  /** The first effect is 1. */
  readonly effect: number;
  readonly where: "before" | "after";
  readonly how: "kill" | "hold";
}

/** Lines on its standard output: it stands there, or it is done. */
export type Told =
  | { readonly kind: "stopped"; readonly effect: string }
  | { readonly kind: "done"; readonly effects: readonly string[] };

/** Before anything else happens in this process. */
const tell = (told: Told): void => void writeSync(1, `${JSON.stringify(told)}\n`);

function counting(stop: StopAt | undefined): { readonly effect: Effect; readonly effects: readonly string[] } {
  const effects: string[] = [];
  const halt = async (name: string): Promise<void> => {
    tell({ kind: "stopped", effect: `${stop?.where} ${name}` });
    if (stop?.how === "kill") process.kill(process.pid, "SIGKILL");
    await once(process, "message");
  };
  const effect: Effect = async (name, work) => {
    const isHere = effects.push(name) === stop?.effect;
    if (isHere && stop?.where === "before") await halt(name);
    try {
      return await work();
    } finally {
      if (isHere && stop?.where === "after") await halt(name);
    }
  };
  return { effect, effects };
}

process.once("message", (order: Order) => {
  void (async () => {
    const { effect, effects } = counting(order.stop);
    const life = await live(order.place, effect);
    await ACTS[order.act](life);
    tell({ kind: "done", effects });
    process.exit(0);
  })();
});
