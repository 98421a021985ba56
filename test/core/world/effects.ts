/**
 * What happens around each effect of a process: a call to a cluster, to Vault, to the store, to a queue. In stories nothing does; in
 * the simulation answers take their time, processes crash before or after, and the order of everything comes from a seed. `about`
 * is the call itself, where there is one.
 */
export type Effect = <T>(name: string, work: () => T | Promise<T>, about?: unknown) => Promise<T>;

export const plainly: Effect = async (_name, work) => work();

export interface Gate {
  readonly effect: Effect;
  /** Resolves when a process stands before it. */
  readonly reached: Promise<void>;
  /** Whoever stands before it goes on, and so does whoever comes later. */
  open(): void;
  /** How often its effect was asked for. */
  times(): number;
}

/** Holds a process up before the effect of this name (`patch secrets`, `vault kv-v2`, `store settle`) or after it. */
export function gateAt(name: string, where: "before" | "after" = "before"): Gate {
  const reached = Promise.withResolvers<void>();
  const opened = Promise.withResolvers<void>();
  let times = 0;
  return {
    reached: reached.promise,
    open: opened.resolve,
    times: () => times,
    async effect(asked, work) {
      if (asked !== name) return work();
      times += 1;
      const wait = async (): Promise<void> => {
        reached.resolve();
        await opened.promise;
      };
      if (where === "before") await wait();
      const result = await work();
      if (where === "after") await wait();
      return result;
    },
  };
}
