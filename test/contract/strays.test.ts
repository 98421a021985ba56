import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { type TempFolder, tempFolder } from "../harness/process/temp-folder.ts";

const LAUNCHER = join(import.meta.dirname, "../../bin/node24.js");

describe("a test run", () => {
  let folder: TempFolder;
  before(async () => {
    folder = await tempFolder("strays");
  });
  after(() => folder?.[Symbol.asyncDispose]());

  const write = (name: string, script: string): string => {
    const file = join(folder.path, name);
    writeFileSync(file, `import { it } from "node:test"; it("passes", async () => { ${script} });`);
    return file;
  };
  const run = (isolation: string, script: string): number | null => {
    const files = [
      write("one.test.mjs", script),
      write("two.test.mjs", "await new Promise((done) => setTimeout(done, 50));"),
    ];
    // Else these runs would be taken for parts of this one.
    const { NODE_TEST_CONTEXT: _ours, ...env } = process.env;
    return spawnSync(process.execPath, [LAUNCHER, "--test", `--test-isolation=${isolation}`, ...files], { env }).status;
  };

  for (const isolation of ["process", "none"]) {
    it(`fails when a failure goes astray after its test has passed, with isolation ${isolation}`, () => {
      assert.equal(run(isolation, ""), 0);
      assert.equal(run(isolation, "setTimeout(() => void Promise.reject(new Error()), 20);"), 1);
      assert.equal(run(isolation, "setTimeout(() => { throw new Error(); }, 20);"), 1);
    });

    it(`fails when a failure goes astray while its test runs, with isolation ${isolation}`, () => {
      const wait = "await new Promise((done) => setTimeout(done, 60));";
      assert.equal(run(isolation, wait), 0);
      assert.equal(run(isolation, `setTimeout(() => void Promise.reject(new Error()), 20); ${wait}`), 1);
      assert.equal(run(isolation, `setTimeout(() => { throw new Error(); }, 20); ${wait}`), 1);
    });
  }
});
