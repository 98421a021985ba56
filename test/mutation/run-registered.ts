import type { Registered, Step, Suite, TestContext } from "./registry.ts";

export interface Watching {
  readonly starts: (test: Registered) => Promise<void>;
  /** Told when what a test did is over, its hooks included; what hooks of a suite do belongs to no test. */
  readonly ends: (test: Registered) => Promise<void>;
  /** Told of the first failure, before what is left is cleaned up. */
  readonly fails: (error: unknown) => void;
  /** Whether something else has failed by now. */
  readonly isOver: () => boolean;
}

/** Runs tests in this order, with the hooks of their suites around them, up to the first failure. */
export async function runRegistered(tests: readonly Registered[], watching: Watching): Promise<void> {
  const open: Suite[] = [];
  for (const test of tests) {
    const chain = chainOf(test.suite);
    try {
      await closeTo(open, chain);
      for (const suite of chain.slice(open.length)) {
        open.push(suite);
        await inOrder(suite.hooks.before);
      }
      await watching.starts(test);
      await runOne(test, chain);
      await watching.ends(test);
    } catch (error) {
      watching.fails(error);
      break;
    }
    if (watching.isOver()) break;
  }
  await closeTo(open, []).catch((error) => watching.fails(error));
}

/** Of the real module, for which a worker has a stand-in. One test runs at a time. */
const { mock } = process.getBuiltinModule("node:test");

async function runOne({ name, body }: Registered, chain: readonly Suite[]): Promise<void> {
  const cleanUp: Step[] = [];
  const context: TestContext = {
    name,
    mock,
    after: (hook) => void cleanUp.push(hook),
    skip: () => {},
    diagnostic: () => {},
  };
  try {
    for (const { hooks } of chain) await inOrder(hooks.beforeEach);
    await body(context);
  } finally {
    await allOf([...cleanUp, () => mock.reset(), ...chain.flatMap(({ hooks }) => hooks.afterEach)]);
  }
  // What was rejected, and nobody heard, is known by the next turn.
  await new Promise((resolve) => setImmediate(resolve));
}

/** Closes what the next test is not part of, the innermost first. */
async function closeTo(open: Suite[], chain: readonly Suite[]): Promise<void> {
  const closing: Step[] = [];
  while (open.length > 0 && open.at(-1) !== chain[open.length - 1]) closing.push(...(open.pop()?.hooks.after ?? []));
  await allOf(closing);
}

function chainOf(suite: Suite): readonly Suite[] {
  return [...(suite.parent ? chainOf(suite.parent) : []), suite];
}

async function inOrder(steps: readonly Step[]): Promise<void> {
  for (const step of steps) await step();
}

/** Each of them, whatever the others do; then the first failure. */
async function allOf(steps: readonly Step[]): Promise<void> {
  const failures: unknown[] = [];
  for (const step of steps) {
    try {
      await step();
    } catch (error) {
      failures.push(error);
    }
  }
  if (failures.length > 0) throw failures[0];
}
