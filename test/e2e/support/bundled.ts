import { cp } from "node:fs/promises";
import { join } from "node:path";
import { bundleCli } from "../../../infra/bundle-cli.ts";
import { type TempFolder, tempFolder } from "../../harness/process/temp-folder.ts";

const ERRORS = new URL("../../../docs/errors.md", import.meta.url);

let folder: TempFolder | undefined;

/**
 * The global setup of a run (test/run-files.ts): all its stories start the command as the npm package has it, not from its
 * sources. They start it hundreds of times, and the bundle loads in a third of the time.
 */
export async function globalSetup(): Promise<void> {
  folder = await tempFolder("bundle");
  process.env.KEYFERRY_MAIN ??= await bundleCli(join(folder.path, "dist"));
  await cp(ERRORS, join(folder.path, "docs/errors.md"));
}

export async function globalTeardown(): Promise<void> {
  await folder?.[Symbol.asyncDispose]();
}
