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
