import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { stringify } from "yaml";
import { kubeconfig } from "../harness/cluster/kubeconfig.ts";
import { tempFolder, waitFor } from "../harness/index.ts";

/** It loads its sources. A machine that is busy is no defect. */
const START_MS = 120_000;
const KEYFERRY = fileURLToPath(new URL("../../bin/keyferry.js", import.meta.url));

interface Run {
  readonly child: ChildProcess;
  log(): string;
}

/** Everything, its launcher included, in a group of its own; its one cluster is out of reach. */
async function start(folder: string): Promise<Run> {
  await writeFile(join(folder, "one"), kubeconfig("one", "https://127.0.0.1:1", "none", { token: "none" }));
  const clusters = [{ name: "one", connect: { kubeconfig: { path: "./one" } } }];
  const fleet = join(folder, "fleet.yaml");
  await writeFile(fleet, stringify({ apiVersion: "keyferry.dev/v1alpha1", kind: "Fleet", clusters }));
  const args = ["run", "--fleet", fleet, "--data-dir", join(folder, "data"), "--listen", "none"];
  const child = spawn(process.execPath, [KEYFERRY, ...args], { detached: true, stdio: ["ignore", "ignore", "pipe"] });
  let log = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    log += text;
  });
  await waitFor("the engine to start", async () => log.includes("engine-started"), START_MS);
  return { child, log: () => log };
}

describe("keyferry run stops when it is asked to", () => {
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    it(`takes a ${signal} that reaches its whole group at once for one wish`, async (t) => {
      await using folder = await tempFolder("stop");
      const { child, log } = await start(folder.path);
      t.after(() => child.kill("SIGKILL"));
      await waitFor("its work to be under way", async () => log().includes('"watch-pass-failed"'));
      process.kill(-Number(child.pid), signal);
      assert.deepEqual(await once(child, "close"), [0, null], log());
      assert.match(log(), /"engine-stopped"/);
      assert.equal(log().split('"stop-asked"').length, 2);
    });
  }
});
