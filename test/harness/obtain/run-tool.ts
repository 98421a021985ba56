import { spawn } from "node:child_process";
import type { User } from "../process/other-user.ts";
import { outputTail } from "../process/output-tail.ts";
import { forgetGroup, watchGroup } from "../process/watchdog.ts";
import type { Environment } from "./find.ts";

/** Runs a tool to its end, with its last lines in the error; it ends when we do, so that no build goes on unseen. */
export function runTool(
  command: string,
  args: readonly string[],
  options: { readonly cwd?: string; readonly env?: Environment; readonly user?: User } = {},
): Promise<void> {
  const tail = outputTail();
  const env = { ...process.env, ...options.env };
  const child = spawn(command, [...args], {
    cwd: options.cwd,
    env,
    stdio: ["ignore", "pipe", "pipe"],
    detached: true,
    ...options.user,
  });
  const { pid } = child;
  if (pid !== undefined) watchGroup(pid);
  tail.follow(child.stdout);
  tail.follow(child.stderr);
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code, signal) => {
      if (pid !== undefined) forgetGroup(pid);
      if (code === 0) resolve();
      else reject(new Error(`${command} ${args[0]} failed (${signal ?? code}):\n${tail.text()}`));
    });
  });
}
