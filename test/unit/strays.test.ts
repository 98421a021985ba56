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

  const run = (script: string): number | null => {
    const file = join(folder.path, "one.test.mjs");
    writeFileSync(file, `import { it } from "node:test"; it("passes", () => { ${script} });`);
    // Who runs tests in a test would be taken for a part of this one.
    const { NODE_TEST_CONTEXT: _ours, ...env } = process.env;
    return spawnSync(process.execPath, [LAUNCHER, "--test", file], { env }).status;
  };

  it("fails when a failure goes astray after its test has passed", () => {
    assert.equal(run(""), 0);
    assert.equal(run("setTimeout(() => void Promise.reject(new Error()), 20);"), 1);
    assert.equal(run("setTimeout(() => { throw new Error(); }, 20);"), 1);
  });
});
