/** Concurrent requests of one command that don't disturb other users of an API server. */
const AT_ONCE = 8;

/** Runs the work for each item, a few at a time, and returns the results in order. The first failure ends it. */
export async function parallel<T, R>(
  items: readonly T[],
  work: (item: T) => Promise<R>,
  atOnce = AT_ONCE,
): Promise<readonly R[]> {
  const results: R[] = [];
  const rest = items.entries();
  const worker = async (): Promise<void> => {
    for (const [at, item] of rest) results[at] = await work(item);
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
  return results;
}
