import { describe } from "node:test";

/**
 * Describes stories that have a world each and mostly wait: they run side by side, the tests of each one after the other.
 * Node has nested suites inherit the concurrency, so each one says its own.
 */
export function sideBySide<T>(
  what: string,
  stories: readonly T[],
  nameOf: (one: T) => string,
  story: (one: T) => void,
): void {
  describe(what, { concurrency: stories.length }, () => {
    for (const one of stories) describe(nameOf(one), { concurrency: 1 }, () => story(one));
  });
}
