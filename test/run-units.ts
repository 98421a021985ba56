/**
 * Runs `test/unit` in as many processes as there are cores, at most two: `node bin/node24.js test/run-units.ts`. All files
 * of a process share it, because loading the code takes longer than most tests: a process for each file would take
 * minutes.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { availableParallelism } from "node:os";
import { buffer } from "node:stream/consumers";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("../", import.meta.url));
const SHARDS = Math.min(2, availableParallelism());

const ends = Array.from({ length: SHARDS }, async (_, at) => {
  const shard = `--test-shard=${at + 1}/${SHARDS}`;
  const args = ["bin/node24.js", "--test", "--test-isolation=none", shard, "test/unit/**/*.test.ts"];
  const child = spawn(process.execPath, args, { cwd: ROOT, stdio: ["ignore", "pipe", "inherit"] });
  // One after the other, so that the lines of a report stay together.
  const [output, [code]] = await Promise.all([buffer(child.stdout), once(child, "close")]);
  return { output, code: code as number | null };
});
for (const end of ends) {
  const { output, code } = await end;
  process.stdout.write(output);
  if (code !== 0) process.exitCode = 1;
}
