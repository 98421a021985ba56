import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { it } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const BIN = fileURLToPath(new URL("../../bin/keyferry.js", import.meta.url));

// More than a pipe holds, so that the command still writes when its reader leaves.
it("a command whose reader leaves ends like any other program, without a stack trace", async () => {
  const script = '"$0" "$1" schema | true; echo "exit $PIPESTATUS"';
  const { stdout, stderr } = await promisify(execFile)("bash", ["-c", script, process.execPath, BIN]);
  assert.equal(stdout, "exit 141\n");
  assert.equal(stderr, "");
});
