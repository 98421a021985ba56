/**
 * Work that is done at most once in a window: the first request starts it at once, and those of the next window share
 * one run at its end. Returns the request, which resolves after a run that began later than it.
 */
export function windowed<T>(work: () => Promise<T>, pause: () => Promise<void>): () => Promise<T> {
  let before: Promise<unknown> = Promise.resolve();
  let next: Promise<T> | undefined;
  const run = async (): Promise<T> => {
    await before;
    next = undefined;
    const doing = work();
    // A failure is told to those who wait for this run, and to no later one.
    before = Promise.all([doing.catch(() => undefined), pause()]);
    return doing;
  };
  return () => {
    next ??= run();
    return next;
  };
}
