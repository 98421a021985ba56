import assert from "node:assert/strict";
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { readdir } from "node:fs/promises";
import { describe, it, type TestContext } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { tempFolder, waitFor } from "../harness/index.ts";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const LIMIT_MS = 600_000;
/** The demo takes half a minute where nothing else runs; here other tests have the machine, too. */
const DEMO_MS = 120_000;

/** How every password of the demo begins, as text and as base64 at each of its three places in a longer text. */
const TRACES = ["tr0ub4dor-", "dHIwdWI0ZG9y", "RyMHViNGRvc", "0cjB1YjRkb3It"];

interface Demo {
  readonly child: ChildProcess;
  readonly folder: string;
  stdout(): string;
  output(): string;
  /** The exit code, once it has ended. */
  readonly ended: Promise<number | null>;
}

/** Starts it with a folder of its own for everything temporary, so that what it leaves behind can be seen. */
async function start(t: TestContext, command: string, args: readonly string[]): Promise<Demo> {
  const folder = await tempFolder("demo-test");
  t.after(() => folder[Symbol.asyncDispose]());
  const child = spawn(command, args, {
    cwd: ROOT,
    stdio: ["ignore", "pipe", "pipe"],
    // npm itself, on a newer Node, would leave its compile cache there.
    env: { ...process.env, TMPDIR: folder.path, NODE_DISABLE_COMPILE_CACHE: "1" },
  });
  t.after(() => child.kill("SIGTERM"));
  let [stdout, stderr] = ["", ""];
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    stdout += text;
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    stderr += text;
  });
  return {
    child,
    folder: folder.path,
    stdout: () => stdout,
    output: () => stdout + stderr,
    ended: once(child, "close").then(([code]) => code as number | null),
  };
}

/** Processes whose arguments name the demo's folder, and what is left in it. */
async function remains(demo: Demo): Promise<readonly string[]> {
  const { stdout } = await promisify(execFile)("ps", ["-eo", "pid,args"]);
  return [...stdout.split("\n").filter((line) => line.includes(demo.folder)), ...(await readdir(demo.folder))];
}

/** The watchdog of the harness needs a moment after its process. */
async function mustLeaveNothing(demo: Demo): Promise<void> {
  let left: readonly string[] = [];
  const isGone = async (): Promise<boolean> => {
    left = await remains(demo);
    return left.length === 0;
  };
  await waitFor("everything of the demo to be gone", isGone, 30_000).catch(() => assert.deepEqual(left, []));
}

function mustHideSecrets(demo: Demo): void {
  for (const trace of TRACES) assert.ok(!demo.output().includes(trace), `a secret was printed: ${trace}`);
}

describe("the demo", { timeout: LIMIT_MS }, () => {
  it("shows everything with its delays in a short time, exits 0, leaves nothing behind and prints no secret", async (t) => {
    const startedAt = performance.now();
    const demo = await start(t, "npm", ["run", "demo"]);
    assert.equal(await demo.ended, 0, demo.output());
    assert.ok(performance.now() - startedAt < DEMO_MS, `it took longer than ${DEMO_MS / 1_000} s`);
    const happened = ["declared", "changed in Vault", "edited by hand", "deleted by hand", "declaration deleted"];
    for (const what of happened) {
      for (const cluster of ["prod-eu", "prod-us"]) {
        assert.match(demo.stdout(), new RegExp(`^${what}.* ${cluster} +\\d.* s$`, "m"));
      }
    }
    assert.match(demo.stdout(), /^prod-us\/VaultStaticSecret\/shop\/database +synced /m);
    assert.doesNotMatch(demo.stdout(), /shop\/mail|BAO_TOKEN/);
    mustHideSecrets(demo);
    await mustLeaveNothing(demo);
  });

  it("says with --keep how to look at what keeps running, and stops all of it on Ctrl-C", async (t) => {
    const demo = await start(t, process.execPath, ["bin/node24.js", "demo/demo.ts", "--keep"]);
    const hints = await waitFor(
      "the hints",
      async () => demo.child.exitCode !== null || /^ {2}curl .*metrics.*$/m.exec(demo.stdout()),
      DEMO_MS,
    );
    assert.ok(hints !== true, `it ended early:\n${demo.output()}`);
    const url = /http:\S+metrics/.exec(hints[0])?.[0] ?? "";
    assert.match(await (await fetch(url)).text(), /keyferry_syncs_total\{cluster="prod-eu"/);
    assert.match(demo.stdout(), /kubectl --context prod-eu get vaultstaticsecret -A/);
    assert.ok((await remains(demo)).length > 0);
    demo.child.kill("SIGINT");
    assert.equal(await demo.ended, 0, demo.output());
    mustHideSecrets(demo);
    await mustLeaveNothing(demo);
  });

  it("leaves nothing behind when it is stopped on its way", async (t) => {
    const demo = await start(t, process.execPath, ["bin/node24.js", "demo/demo.ts"]);
    await waitFor("a server to run", async () => demo.output().includes("OpenBao answers"), DEMO_MS);
    demo.child.kill("SIGINT");
    assert.equal(await demo.ended, 130);
    await mustLeaveNothing(demo);
  });

  it("says how it is used", async () => {
    const { stdout } = await promisify(execFile)(process.execPath, ["bin/node24.js", "demo/demo.ts", "--help"], {
      cwd: ROOT,
    });
    assert.match(stdout, /--keep/);
  });
});
