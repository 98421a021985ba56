import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { text as textOf } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { tempFolder } from "../harness/process/temp-folder.ts";

const PROGRAM = fileURLToPath(new URL("./", import.meta.url));

/** What kstatus itself says of objects: `Current`, `InProgress`, `Failed`, …. */
export interface Kstatus extends AsyncDisposable {
  judge(objects: readonly object[]): Promise<readonly { readonly status: string; readonly message: string }[]>;
}

/** Builds the program beside this file. */
export async function buildKstatus(): Promise<Kstatus> {
  const folder = await tempFolder("kstatus");
  const path = join(folder.path, "kstatus");
  const env = { ...process.env, GOFLAGS: "-mod=readonly", GOTOOLCHAIN: "local", GOWORK: "off" };
  await promisify(execFile)("go", ["build", "-o", path, "."], { cwd: PROGRAM, env });
  return {
    async judge(objects) {
      const program = spawn(path, { stdio: ["pipe", "pipe", "inherit"] });
      program.stdin.end(objects.map((object) => `${JSON.stringify(object)}\n`).join(""));
      const [said] = await Promise.all([textOf(program.stdout), once(program, "close")]);
      const lines = said.trimEnd().split("\n");
      assert.equal(lines.length, objects.length);
      return lines.map((line) => ({ status: line.split(" ")[0] ?? "", message: line.slice(line.indexOf(" ") + 1) }));
    },
    [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose](),
  };
}
