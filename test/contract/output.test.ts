import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { it } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const BIN = fileURLToPath(new URL("../../bin/keyferry.js", import.meta.url));
const OUTPUT = fileURLToPath(new URL("../../cli/output.ts", import.meta.url));

/** What a shell says of a command whose reader leaves at once. */
async function withoutReader(
  ...args: readonly string[]
): Promise<{ readonly stdout: string; readonly stderr: string }> {
  const script = '"$@" | true; echo "exit $PIPESTATUS"';
  return promisify(execFile)("bash", ["-c", script, "bash", process.execPath, ...args]);
}

// More than a pipe holds, so that the command still writes when its reader leaves.
it("a command whose reader leaves ends like any other program, without a stack trace", async () => {
  const { stdout, stderr } = await withoutReader(BIN, "schema");
  assert.equal(stdout, "exit 141\n");
  assert.equal(stderr, "");
});

it("a command whose reader leaves still does what comes after its result", async () => {
  const command = `
    import { allowReadersToLeave, exitCodeOf, print, say } from ${JSON.stringify(OUTPUT)};
    allowReadersToLeave();
    const line = "x".repeat(1_000_000);
    for (let n = 0; n < 3; n++) {
      print(line);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    say("revoked");
    process.exitCode = exitCodeOf(0);`;
  const { stdout, stderr } = await withoutReader("--input-type=module-typescript", "--no-warnings", "-e", command);
  assert.equal(stdout, "exit 141\n");
  assert.equal(stderr, "revoked\n");
});
