/** Caches a pure function of a string, for up to `most` different strings. */
export function remembered<T>(work: (text: string) => T, most: number): (text: string) => T {
  const known = new Map<string, { readonly answer: T }>();
  return (text) => {
    const found = known.get(text);
    if (found !== undefined) return found.answer;
    const answer = work(text);
    if (known.size >= most) known.clear();
    known.set(text, { answer });
    return answer;
  };
}

/** The same of an object, for as long as that is in use: what else is given counts the first time. */
export function rememberedOf<T extends object, R extends object, More extends readonly unknown[]>(
  work: (item: T, ...more: More) => R,
): (item: T, ...more: More) => R {
  const known = new WeakMap<T, R>();
  return (item, ...more) => {
    const found = known.get(item);
    if (found !== undefined) return found;
    const answer = work(item, ...more);
    known.set(item, answer);
    return answer;
  };
}
