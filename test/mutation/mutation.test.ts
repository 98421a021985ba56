import assert from "node:assert/strict";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, it } from "node:test";
import { tempFolder } from "../harness/process/temp-folder.ts";
import type { Config } from "./config.ts";
import { executedParts } from "./coverage.ts";
import { mutantsOf } from "./mutants.ts";
import { mutate, sampled } from "./mutate.ts";
import { diffOf, mutatedText } from "./mutated-text.ts";
import {
  after as afterHere,
  before as beforeHere,
  describe as describeHere,
  it as itHere,
  registeredBy,
  type TestContext,
} from "./registry.ts";
import { textOf } from "./report.ts";
import { runRegistered } from "./run-registered.ts";

const ROOT = join(import.meta.dirname, "..", "..");

/** What each operator makes of these lines of code. */
function mutationsOf(code: string): readonly string[] {
  return mutantsOf(new Map([["code.ts", code]])).map((mutant) => mutatedText(code, mutant));
}

describe("mutants", () => {
  const CASES: readonly (readonly [what: string, code: string, mutations: readonly string[]])[] = [
    ["a condition that always or never holds", "if (a) b = c;", ["if (true) b = c;", "if (false) b = c;", "if (a) ;"]],
    ["one side of a condition", "x = a && b;", [";", "x = a;", "x = b;"]],
    ["a default that is not used", "f(a ?? b);", [";", "f(a);", "f(b);"]],
    ["the other comparison", "const x = a === b;", ["const x = a !== b;"]],
    ["a bound that moves by one, or turns", "const x = a < b;", ["const x = a <= b;", "const x = a >= b;"]],
    ["the other operation", "const x = a + b;", ["const x = a - b;"]],
    ["no negation", "const x = !a;", ["const x = a;"]],
    ["a call that is not made", "await f(a);", [";"]],
    ["no early end", "function f() { g(); return; }", ["function f() { ; return; }", "function f() { g(); ; }"]],
    ["a case that is missing", 'switch (a) { case "b": c(); }', ["switch (a) {  }", 'switch (a) { case "b": ; }']],
    ["a member that is missing", "const x = { a, b: c };", ["const x = {  b: c };", "const x = { a,  };"]],
    ["an entry that is missing", "const x = [a, b];", ["const x = [ b];", "const x = [a, ];"]],
    [
      "a part that is missing from what is made of any number of parts",
      "function all(...of: A[]) {} const x = all(a, b); g(a, b);",
      [
        "function all(...of: A[]) {} const x = all( b); g(a, b);",
        "function all(...of: A[]) {} const x = all(a, ); g(a, b);",
        "function all(...of: A[]) {} const x = all(a, b); ;",
      ],
    ],
    ["another literal", "const x = f(true, 0);", ["const x = f(false, 0);", "const x = f(true, 1);"]],
    [
      "a name without one of its parts",
      `const key = \`\${a}/\${b}\`;`,
      [`const key = \`\${""}/\${b}\`;`, `const key = \`\${a}/\${""}\`;`],
    ],
    ["a member that has to be there", "const x = a?.b;", ["const x = a.b;"]],
    ["another method", "const x = a.every(f);", ["const x = a.some(f);"]],
    ["all of what was filtered", "const x = a.filter(f);", ["const x = a;"]],
  ];
  for (const [what, code, mutations] of CASES) {
    it(`have ${what}`, () => {
      assert.deepEqual(new Set(mutationsOf(code)), new Set(mutations));
    });
  }

  it("meet a condition of SQL anyway, keep a column as it is, and move a bound", () => {
    const code = 'const x = write("UPDATE t SET a = :a, b = max(b, :b) WHERE c = :c AND d <= :d RETURNING e");';
    assert.deepEqual(
      new Set(mutationsOf(code).map((text) => text.slice(17, -3))),
      new Set([
        "UPDATE t SET a = iif(1, a, :a), b = max(b, :b) WHERE c = :c AND d <= :d RETURNING e",
        "UPDATE t SET a = :a, b = iif(1, b, max(b, :b)) WHERE c = :c AND d <= :d RETURNING e",
        "UPDATE t SET a = :a, b = max(b, :b) WHERE (c = :c OR 1) AND d <= :d RETURNING e",
        "UPDATE t SET a = :a, b = max(b, :b) WHERE c = :c AND (d <= :d OR 1) RETURNING e",
        "UPDATE t SET a = :a, b = max(b, :b) WHERE c = :c AND d < :d RETURNING e",
      ]),
    );
  });

  it("are not made of types, imports, messages, what goes to the log, and limits", () => {
    const code = `
      import { a } from "./a.ts";
      interface B { readonly c?: "d"; }
      const LIMIT_MS = 5 * MINUTE_MS;
      const what = \`nothing is here, \${a}\`;
      deps.log.info({ key: "k" }, "done");
      if (!isKnown) { deps.log.warn("new", { a }); }
      const error = new SyncError("CODE", \`\${a}\`);`;
    assert.deepEqual(mutationsOf(code), [code.replace('"CODE"', '""')]);
  });

  it("are not made of what metrics call a request", () => {
    assert.deepEqual(mutationsOf('const x = connection.read("token", f);'), []);
  });

  it("are shown as a diff", () => {
    const code = "const a = 1;\nif (a) {\n  f();\n}\n";
    const [mutant] = mutantsOf(new Map([["code.ts", code]])).filter(({ operator }) => operator === "condition fixed");
    assert.ok(mutant);
    assert.equal(mutant.line, 2);
    assert.deepEqual(diffOf(code, mutant), ["- if (a) {", "+ if (true) {"]);
  });

  it("are sampled by seed: each one at most once", () => {
    const all = Array.from({ length: 50 }, (_, at) => at);
    assert.deepEqual(sampled(all, 20, 7), sampled(all, 20, 7));
    assert.notDeepEqual(sampled(all, 20, 7), sampled(all, 20, 8));
    assert.equal(new Set(sampled(all, 49, 7)).size, 49);
  });
});

const FENCE = `export function holds(fence: number, was: number, uid?: string): boolean {
  if (uid === "") return false;
  return fence === was;
}
export function unused(): boolean {
  return true;
}
export function nameOf(of?: { readonly name: string }): string {
  return of?.name ?? "none";
}
export function loop(until: number): number {
  let at = 0;
  while (at < until) at += 1;
  return at;
}
`;
const TESTED = `import assert from "node:assert/strict";
import { it } from "node:test";
import { holds, loop, nameOf } from "../lib/fence.ts";
it("holds", () => {
  assert.equal(holds(1, 1, "a"), true);
  assert.equal(holds(1, 2, "a"), false);
});
it("names", () => {
  assert.equal(nameOf({ name: "a" }), "a");
});
it("names nothing", () => {
  assert.equal(nameOf(), "none");
});
it("ends", () => {
  assert.equal(loop(2), 2);
});
`;
const CONFIG: Config = {
  scope: ["lib/*.ts"],
  except: [],
  strict: ["lib/fence.ts"],
  tests: ["test/*.test.ts"],
  withoutTests: [],
  tooSlow: [],
  nearest: [],
  testsOfSome: [],
  mostTestMs: 5_000,
  enough: { overall: 10, strict: 100 },
};

describe("tests in a worker", () => {
  it("run chosen, each suite with its hooks, up to the first failure", async () => {
    const log: string[] = [];
    const says = (text: string) => () => void log.push(text);
    const registered = await registeredBy(async () => {
      afterHere(says("file ends"));
      describeHere("suite", () => {
        beforeHere(says("suite begins"));
        afterHere(says("suite ends"));
        itHere("one", says("one"));
        itHere("two", says("two"));
        itHere("two", { timeout: 1 }, (t: TestContext) => {
          t.after(says("cleaned up"));
          throw new Error("no");
        });
      });
      describeHere("other", () => itHere("three", says("three")));
    });
    assert.deepEqual(
      registered.map(({ name }) => name),
      ["suite > one", "suite > two", "suite > two #2", "other > three"],
    );
    await runRegistered(registered.slice(1), {
      starts: async () => {},
      ends: async ({ name }) => says(`passed: ${name}`)(),
      fails: (error) => says(`failed: ${error}`)(),
      isOver: () => false,
    });
    assert.deepEqual(log, [
      "suite begins",
      "two",
      "passed: suite > two",
      "cleaned up",
      "failed: Error: no",
      "suite ends",
      "file ends",
    ]);
  });
});

describe("coverage", () => {
  it("is of the narrowest range around a place", () => {
    const range = (startOffset: number, endOffset: number, count: number) => ({ startOffset, endOffset, count });
    const parts = executedParts([
      range(10, 90, 1),
      range(20, 40, 0),
      range(30, 35, 2),
      range(90, 95, 1),
      range(96, 99, 0),
    ]);
    assert.deepEqual(parts, [
      [10, 20],
      [30, 35],
      [40, 95],
    ]);
  });
});

describe("a run", () => {
  const run = (root: string, config: Config, only?: string) =>
    mutate({
      root,
      config,
      seed: 1,
      sample: 1_000,
      jobs: 2,
      progress: () => {},
      ...(only === undefined ? {} : { only: [only] }),
    });

  it("kills what a test notices, and names what none does: file, line, mutation, seed", async () => {
    await using folder = await tempFolder("mutation");
    for (const [file, text] of [
      ["lib/fence.ts", FENCE],
      ["test/fence.test.ts", TESTED],
    ] as const) {
      mkdirSync(dirname(join(folder.path, file)), { recursive: true });
      writeFileSync(join(folder.path, file), text);
    }
    const report = await run(folder.path, CONFIG, "lib/fence.ts:3");
    assert.deepEqual([report.killed, report.survivors, report.passed], [1, [], true]);
    const untested = await run(folder.path, CONFIG, "lib/fence.ts:2");
    assert.deepEqual(
      untested.survivors.map(({ place, operator }) => `${place} ${operator}`),
      ["lib/fence.ts:2 condition fixed", "lib/fence.ts:2 literal changed"],
    );
    assert.deepEqual([untested.passed, untested.score >= 10], [false, true], "a strict file has a survivor");
    const unreached = await run(folder.path, CONFIG, "lib/fence.ts:6");
    assert.equal(unreached.survivors[0]?.unreached, true);
    const text = textOf(unreached, CONFIG);
    assert.match(text, /lib\/fence\.ts:6 {2}literal changed, and no test reaches it/);
    assert.match(text, /- return true;\n {2}\+ return false;/);
    assert.match(text, /seed 1: 1 of 1 mutants; 0 killed \(0 by time-out\), 1 survived/);
    const optional = await run(folder.path, CONFIG, "lib/fence.ts:9");
    assert.deepEqual(optional.survivors, [], "also what only a test without it shows");
    const endless = await run(folder.path, CONFIG, "lib/fence.ts:13");
    assert.deepEqual([endless.timedOut > 0, endless.survivors], [true, []], "what never ends is killed");
    assert.equal(readFileSync(join(folder.path, "lib/fence.ts"), "utf8"), FENCE, "the files stay as they are");
  });

  it("refuses to judge by tests that fail without any mutant", async () => {
    await using folder = await tempFolder("mutation");
    mkdirSync(join(folder.path, "lib"));
    mkdirSync(join(folder.path, "test"));
    writeFileSync(join(folder.path, "lib/fence.ts"), FENCE);
    writeFileSync(join(folder.path, "test/fence.test.ts"), TESTED.replace("loop(2), 2", "loop(2), 3"));
    await assert.rejects(run(folder.path, CONFIG), /test\/fence\.test\.ts fails on code without a mutant: ends/);
  });

  it("notices when two identities of one batch share a read of Vault", async () => {
    const file = "lib/ports/vault-ids.ts";
    const lines = readFileSync(join(ROOT, file), "utf8").split("\n");
    const at = 1 + lines.indexOf("    read.identity.id,");
    assert.notEqual(at, 0, "readId is made of the identity first of all");
    const config = {
      ...CONFIG,
      scope: [file, "lib/digest.ts"],
      strict: [file],
      tests: ["test/unit/reconcile/source.test.ts"],
    };
    const report = await run(ROOT, config, `${file}:${at}`);
    assert.deepEqual([report.tried, report.killed, report.passed], [1, 1, true]);
  });
});
