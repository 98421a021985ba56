import type { mock } from "node:test";

type MockTracker = typeof mock;

/**
 * Stands for node:test in a worker: it notes what test files register, so that a worker can run some of it, again and again.
 * node:test runs all of a process once.
 */
export interface TestContext {
  readonly name: string;
  readonly mock: MockTracker;
  readonly after: (hook: Step) => void;
  readonly skip: () => void;
  readonly diagnostic: (text: string) => void;
}

export type Step = () => unknown;
type TestBody = (context: TestContext) => unknown;
const HOOKS = ["before", "after", "beforeEach", "afterEach"] as const;

export interface Suite {
  readonly name: string;
  readonly parent?: Suite;
  readonly hooks: { readonly [Hook in (typeof HOOKS)[number]]: Step[] };
}

export interface Registered {
  /** The titles from the file to the test; the second of the same ones has a number. */
  readonly name: string;
  readonly suite: Suite;
  readonly body: TestBody;
}

let current = suiteNamed("");
let tests: Registered[] = [];

function suiteNamed(name: string, parent?: Suite): Suite {
  return { name, ...(parent && { parent }), hooks: { before: [], after: [], beforeEach: [], afterEach: [] } };
}

/** What is registered while this runs: the import of a test file. */
export async function registeredBy(load: () => Promise<unknown>): Promise<readonly Registered[]> {
  current = suiteNamed("");
  tests = [];
  await load();
  return tests;
}

export function describe(name: string, ...rest: readonly unknown[]): void {
  const outer = current;
  current = suiteNamed(outer.name === "" ? name : `${outer.name} > ${name}`, outer);
  try {
    bodyOf<Step>(rest)();
  } finally {
    current = outer;
  }
}

export function it(title: string, ...rest: readonly unknown[]): void {
  const path = current.name === "" ? title : `${current.name} > ${title}`;
  const same = tests.filter(({ name }) => name === path || name.startsWith(`${path} #`)).length;
  tests.push({
    name: same === 0 ? path : `${path} #${same + 1}`,
    suite: current,
    body: bodyOf<TestBody>(rest),
  });
}

export const before = (hook: Step): void => void current.hooks.before.push(hook);
export const after = (hook: Step): void => void current.hooks.after.push(hook);
export const beforeEach = (hook: Step): void => void current.hooks.beforeEach.push(hook);
export const afterEach = (hook: Step): void => void current.hooks.afterEach.push(hook);

/** Behind the title there may be options: time limits and concurrency, which a worker has its own of. */
function bodyOf<Body>(rest: readonly unknown[]): Body {
  return rest.find((part) => typeof part === "function") as Body;
}
