import { mkdir, readFile, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { say } from "../cli/output.ts";
import { generatedFiles } from "./generated-files.ts";

/**
 * Writes the files generated from the schemas. With `--check` only lists those that differ, and exits with 1 if there
 * are any.
 */
const isCheck = process.argv.includes("--check");

async function textOf(path: string): Promise<string | undefined> {
  return readFile(path, "utf8").catch(() => undefined);
}

let differing = 0;
for (const [name, content] of generatedFiles()) {
  const path = fileURLToPath(new URL(`../${name}`, import.meta.url));
  if ((await textOf(path)) === content) continue;
  differing++;
  say(`${isCheck ? "differs" : "written"}: ${name}`);
  if (isCheck) continue;
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, content);
}
if (isCheck && differing > 0) process.exitCode = 1;
