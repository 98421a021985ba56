/**
 * Things of which there may be only so many, in groups: when there are too many, the largest group loses one. So whoever
 * takes much loses what is their own, and a group with few keeps all of it.
 */
export class FairPool<T extends object> {
  readonly #groups = new Map<string, Set<T>>();
  readonly #capacity: number;
  readonly #isIdle: (one: T) => boolean;
  #size = 0;

  constructor(capacity: number, isIdle: (one: T) => boolean) {
    this.#capacity = capacity;
    this.#isIdle = isIdle;
  }

  /** Adds one, or notes that it was used just now. Answers the one that has to go for it, which is no longer in the pool. */
  use(group: string, one: T): T | undefined {
    const isNew = !this.remove(group, one);
    const found = this.#groups.get(group) ?? new Set<T>();
    this.#groups.set(group, found.add(one));
    this.#size++;
    return isNew && this.#size > this.#capacity ? this.#loser(group, one) : undefined;
  }

  /** Answers whether it was there. */
  remove(group: string, one: T): boolean {
    const found = this.#groups.get(group);
    if (found?.delete(one) !== true) return false;
    this.#size--;
    if (found.size === 0) this.#groups.delete(group);
    return true;
  }

  /** The one that is idle for the longest time; if none is, the newest of this group, or the oldest of another one. */
  #loser(group: string, newest: T): T | undefined {
    const largest = [...this.#groups].reduce((most, next) => (next[1].size > most[1].size ? next : most));
    const [name, members] = largest;
    const [oldest] = members;
    const idle = [...members].find((one) => one !== newest && this.#isIdle(one));
    const loser = idle ?? (name === group ? newest : oldest);
    if (loser !== undefined) this.remove(name, loser);
    return loser;
  }
}
