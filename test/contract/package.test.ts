import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { join } from "node:path";
import { describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { tempFolder } from "../harness/process/temp-folder.ts";

const run = promisify(execFile);
const ROOT = fileURLToPath(new URL("../../", import.meta.url));

describe("the npm package", () => {
  it("holds the command as a bundle that needs nothing beside it, and none of the sources", async () => {
    await using folder = await tempFolder("package");
    const { stdout } = await run("npm", ["pack", "--json", "--pack-destination", folder.path], { cwd: ROOT });
    const packed: unknown = JSON.parse(stdout.slice(stdout.search(/^[[{]/m)));
    const [{ filename }] = (Array.isArray(packed) ? packed : Object.values(packed as object)) as [{ filename: string }];
    await run("tar", ["-xzf", join(folder.path, filename), "-C", folder.path]);
    const files = (await run("tar", ["-tzf", join(folder.path, filename)])).stdout;
    assert.doesNotMatch(files, /^package\/(?:lib|cli|test|functions)\//m);
    for (const part of ["template-worker.mjs", "engine.wasm.br"])
      assert.ok(files.includes(`package/dist/${part}\n`), part);
    const command = join(folder.path, "package/bin/keyferry.js");
    const version = await run(process.execPath, [command, "--version"], { cwd: folder.path });
    assert.match(version.stdout, /^\d+\.\d+\.\d+$/m);
    const help = await run(process.execPath, [command, "run", "--help"], { cwd: folder.path });
    assert.match(help.stdout, /Examples:/);
  });
});
