import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { describe, it } from "node:test";

const LOG_LINES = new URL("../../../cli/log-lines.ts", import.meta.url).href;
const LINES = 3_000;

/** A process that writes what `script` says with `lines`, and does not end by itself. */
function logging(script: string): ChildProcess {
  const code = `import { logLines } from ${JSON.stringify(LOG_LINES)}; const lines = logLines(); ${script}; setInterval(() => {}, 1e6);`;
  return spawn(process.execPath, ["--disable-warning=ExperimentalWarning", "--input-type=module", "--eval", code], {
    stdio: ["ignore", "ignore", "pipe"],
  });
}

async function read(child: ChildProcess, isWhole: (text: string) => boolean): Promise<string> {
  let text = "";
  child.stderr?.setEncoding("utf8");
  for await (const part of child.stderr ?? []) {
    text += part;
    if (isWhole(text)) break;
  }
  return text;
}

describe("log lines", () => {
  it("come all before the process ends, also what was logged while a write went on", async () => {
    const whole = `lines.write("x".repeat(5_000) + "\\n"); lines.write("last\\n"); await lines.flushed(); process.exit()`;
    assert.match(await read(logging(whole), () => false), /^x{5000}\nlast\n$/);
  });

  it("hold up no process whose reader is gone", async () => {
    const most = `for (;;) { lines.write("x".repeat(5_000) + "\\n"); await lines.flushed(); if (await isGone()) break; }`;
    const isGone = `const isGone = () => new Promise((resolve) => import("node:fs").then(({ write }) => write(2, "\\n", (error) => resolve(error !== null))))`;
    const child = logging(`${isGone}; ${most} lines.write("last\\n"); await lines.flushed(); process.exit(3)`);
    await read(child, (text) => text.includes("\n"));
    child.stderr?.destroy();
    const [code] = await once(child, "exit");
    assert.equal(code, 3);
  });

  it("come soon, also when no other follows", async () => {
    const child = logging('lines.write("one\\n")');
    assert.equal(await read(child, (text) => text.includes("\n")), "one\n");
    child.kill("SIGKILL");
  });

  it("come all to a reader that was slow, in a process that goes on", async () => {
    const more = `for (let n = 0; n < ${LINES}; n++) { lines.write(n + " " + "x".repeat(90) + "\\n"); if (n % 100 === 0) await new Promise(setImmediate); }`;
    const child = logging(more);
    child.stderr?.pause();
    const text = await read(child, (all) => all.includes(`\n${LINES - 1} `) && all.endsWith("\n"));
    const numbers = text
      .trimEnd()
      .split("\n")
      .map((line) => Number(line.split(" ")[0]));
    assert.deepEqual(
      numbers,
      Array.from({ length: LINES }, (_, n) => n),
    );
    child.kill("SIGKILL");
  });
});
