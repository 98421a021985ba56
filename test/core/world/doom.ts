import type { Effect } from "./effects.ts";
import type { Keyferry } from "./process.ts";

export type Side = "before" | "after";

export interface Doom {
  readonly effect: Effect;
  /** Whether the process has died of it. */
  readonly isMet: () => boolean;
  /** The process that dies. */
  of(process: Keyferry): void;
}

/** Kills a process before or after its n-th effect among those with such names. */
export function doomAt(n: number, side: Side, counted: RegExp): Doom {
  let process: Keyferry | undefined;
  let left = n;
  let isMet = false;
  const die = (): Promise<never> => {
    isMet = true;
    process?.crash();
    return new Promise<never>(() => undefined);
  };
  return {
    isMet: () => isMet,
    of(given) {
      process = given;
    },
    async effect(name, work) {
      if (isMet || !counted.test(name)) return work();
      left -= 1;
      // Others may be under way at the same time.
      const isIt = left === 0;
      if (isIt && side === "before") return die();
      const result = await work();
      return isIt ? die() : result;
    },
  };
}

export interface Still extends Pick<Doom, "effect" | "isMet"> {
  goOn(): void;
}

/** Holds a process up before or after its n-th effect among those with such names, and all that come after it. */
export function stillAt(n: number, side: Side, counted: RegExp): Still {
  const { promise: goneOn, resolve: goOn } = Promise.withResolvers<void>();
  let left = n;
  return {
    goOn,
    isMet: () => left <= 0,
    async effect(name, work) {
      if (left <= 0) await goneOn;
      if (!counted.test(name)) return work();
      left -= 1;
      if (left === 0 && side === "before") await goneOn;
      const result = await work();
      if (left === 0) await goneOn;
      return result;
    },
  };
}
