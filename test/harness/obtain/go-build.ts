import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { cacheFolder } from "./find.ts";
import type { GoBuild } from "./inventory.ts";
import { withLock } from "./lock.ts";
import type { Order } from "./order.ts";
import { runTool } from "./run-tool.ts";

const MODULES = join(import.meta.dirname, "..", "build");

/** Builds from a pinned module; one build at a time on a machine, for each fills all cores and gigabytes of memory. */
export async function fromGo(build: GoBuild, order: Order): Promise<void> {
  const cwd = join(MODULES, build.module);
  const args = ["build", "-trimpath", ...(build.flags ?? []), "-o", join(order.folder, order.name), build.package];
  const lock = join(cacheFolder(order.env), "go-build.lock");
  await withLock(
    lock,
    async () => {
      order.progress(`building with Go, about ${build.minutes} min the first time`);
      await runTool("go", args, { cwd, env: order.env }).catch(async (error) => {
        throw new Error(await explain(error, cwd));
      });
    },
    () => order.progress("waiting for another build with Go to end"),
  );
}

async function explain(error: Error, cwd: string): Promise<string> {
  const version = /^go (\S+)/m.exec(await readFile(join(cwd, "go.mod"), "utf8"))?.[1] ?? "1.25";
  const isMissing = "code" in error && error.code === "ENOENT";
  if (isMissing) return `Go is not here: install Go ${version} or later (Debian: golang-go, if it is new enough)`;
  return `${error.message}\n(it needs Go ${version} or later, about 5 GB of memory, and modules from the Go module proxy)`;
}
