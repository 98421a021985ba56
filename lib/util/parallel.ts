/** An API server takes so many requests of one command at once without others noticing. */
const AT_ONCE = 8;

/** Does something for each item, a few at a time; answers in their order. The first failure ends it. */
export async function parallel<T, R>(items: readonly T[], work: (item: T) => Promise<R>): Promise<readonly R[]> {
  const results: R[] = [];
  const rest = items.entries();
  const worker = async (): Promise<void> => {
    for (const [at, item] of rest) results[at] = await work(item);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  return results;
}
