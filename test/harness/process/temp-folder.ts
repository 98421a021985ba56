import { mkdtemp, realpath, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { watchFolder } from "./watchdog.ts";

/** A folder that goes away with its scope, or with this process. */
export interface TempFolder extends AsyncDisposable {
  readonly path: string;
}

/** A process that was just killed may leave children that still write for a moment: 20 seconds of pauses in all. */
const RETRIES = 20;

export async function tempFolder(name: string): Promise<TempFolder> {
  const path = await mkdtemp(join(await realpath(tmpdir()), `keyferry-${name}-`));
  watchFolder(path);
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true, maxRetries: RETRIES }) };
}
