/** Concurrent background work. Each failure is handled from the first moment. */
export interface Tasks {
  add(work: Promise<unknown>): void;
  /** Resolves when all work has ended, also work added meanwhile; throws the first failure then. */
  allDone(): Promise<void>;
}

/**
 * A stored promise that rejects before anyone awaits it would end the process, so background work is added here
 * instead. `onFailure` is called at once, so that the rest can stop.
 */
export function tasks(onFailure: () => void = () => undefined): Tasks {
  const underWay = new Set<Promise<void>>();
  const failures: unknown[] = [];
  return {
    add(work) {
      const one = work.then(
        () => void underWay.delete(one),
        (error: unknown) => {
          underWay.delete(one);
          failures.push(error);
          onFailure();
        },
      );
      underWay.add(one);
    },
    async allDone() {
      while (underWay.size > 0) await Promise.all(underWay);
      if (failures.length > 0) throw failures[0];
    },
  };
}
