/** Work that goes on beside something else. Each failure has somebody to hear it from its first moment on. */
export interface Tasks {
  add(work: Promise<unknown>): void;
  /** Resolves when all of it has ended, what is added meanwhile included; throws the first failure then. */
  allDone(): Promise<void>;
}

/**
 * A promise that is kept for later and fails before anybody waits for it ends the whole process: whatever runs beside
 * something else is added here instead. `onFailure` is told at once, so that the rest need not go on in vain.
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
