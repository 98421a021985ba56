import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import type { LeaseStore } from "../../../lib/ports/store.ts";

setFlagsFromString("--expose-gc");
const collect = runInNewContext("gc") as () => void;

/** What is in use after a garbage collection. */
export function heapMiB(): number {
  collect();
  return process.memoryUsage().heapUsed / 1_048_576;
}

/** The store with a count of its calls. */
export function counted(store: LeaseStore): { readonly store: LeaseStore; calls(): number } {
  let calls = 0;
  const members = Object.entries(store).map(([name, member]: [string, unknown]) => {
    if (typeof member !== "function") return [name, member];
    const called = (...args: readonly unknown[]): unknown => {
      calls += 1;
      return member.apply(store, args) as unknown;
    };
    return [name, called];
  });
  // A copy: a watch pass makes one of its own.
  return { store: { ...store, ...(Object.fromEntries(members) as object) }, calls: () => calls };
}

/** Runs the work for each of `count` places, so many at once. */
export async function each(count: number, atOnce: number, work: (at: number) => Promise<unknown>): Promise<void> {
  let next = 0;
  const one = async (): Promise<void> => {
    while (next < count) await work(next++);
  };
  await Promise.all(Array.from({ length: atOnce }, one));
}
