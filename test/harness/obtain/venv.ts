import { createHash } from "node:crypto";
import { mkdir, mkdtemp, readFile, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { watchFolder } from "../process/watchdog.ts";
import { cacheFolder, type Environment, isExecutable, platform } from "./find.ts";
import { withLock } from "./lock.ts";
import type { ObtainOptions } from "./obtain.ts";
import { plainProgress } from "./plain-progress.ts";
import { runTool } from "./run-tool.ts";

/** Python tools whose versions and checksums stand in `build/python/<name>.txt`. */
export type PythonTool = "ministack" | "cfn-lint";

const REMEDY = "install Python 3.10 or newer with venv (Debian: apt-get install python3-venv)";

/**
 * The Python that has this tool: in a virtual environment in the cache, made once per machine and list of requirements.
 * Run it as `python -m MODULE`: the environment was moved after it was made, so that its scripts name another folder.
 */
export async function obtainVenv(name: PythonTool, options: ObtainOptions = {}): Promise<string> {
  const { env = process.env, progress = plainProgress(name) } = options;
  const requirements = fileURLToPath(new URL(`../build/python/${name}.txt`, import.meta.url));
  const version = createHash("sha256")
    .update(await readFile(requirements))
    .digest("hex")
    .slice(0, 12);
  const home = join(cacheFolder(env), `${name}-${version}-${platform()}`);
  const python = join(home, "bin", "python");
  if (await isExecutable(python)) return python;
  return withLock(
    `${home}.lock`,
    async () => {
      if (!(await isExecutable(python))) await make(home, requirements, env, progress);
      return python;
    },
    () => progress("waiting for another process that obtains it"),
  );
}

async function make(
  home: string,
  requirements: string,
  env: Environment,
  progress: (text: string) => void,
): Promise<void> {
  await mkdir(cacheFolder(env), { recursive: true });
  const folder = await mkdtemp(join(cacheFolder(env), "keyferry-obtain-"));
  watchFolder(folder);
  try {
    const venv = join(folder, "venv");
    progress("making a virtual environment of Python");
    await runTool("python3", ["-m", "venv", venv], { env }).catch((error: Error) => {
      throw new Error(`${REMEDY}\n${error.message}`);
    });
    progress("installing with pip");
    const flags = ["--require-hashes", "--no-deps", "--disable-pip-version-check", "--quiet"];
    await runTool(join(venv, "bin", "python"), ["-m", "pip", "install", ...flags, "-r", requirements], { env });
    await rename(venv, home);
    progress("ready");
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
