import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, readFile, symlink, writeFile } from "node:fs/promises";
import { delimiter, join } from "node:path";
import { describe, it, type TestContext } from "node:test";
import { fileURLToPath } from "node:url";
import { blocks } from "../docs/pages.ts";
import { type Cluster, obtain, startCluster, startVault, tempFolder, type Vault } from "../harness/index.ts";

const PAGE = "docs/getting-started.md";
const MAIN = process.env.KEYFERRY_MAIN ?? fileURLToPath(new URL("../../cli/main.ts", import.meta.url));

/** The page takes less than ten minutes to read and type; its commands alone take a few seconds. */
const LIMIT_MS = 300_000;

/** A command of the page, with the lines that the page shows below it. */
interface Step {
  readonly command: string;
  readonly shown: readonly string[];
}

/** The lines after `$ ` are commands, those of a here-document belong to it, and the rest is what is shown. */
function stepsOf(text: string): readonly Step[] {
  const steps: { command: string; shown: string[] }[] = [];
  for (const block of blocks({ path: PAGE, text }, "console")) {
    let end: string | undefined;
    for (const line of block.trimEnd().split("\n")) {
      const last = steps.at(-1);
      if (end !== undefined && last !== undefined) {
        last.command += `\n${line}`;
        if (line === end) end = undefined;
      } else if (line.startsWith("$ ")) {
        steps.push({ command: line.slice(2), shown: [] });
        end = /<<'(\w+)'/.exec(line)?.[1];
      } else last?.shown.push(line);
    }
  }
  return steps;
}

/** As the page says: for HashiCorp Vault, write `vault` for `bao`. */
function forFlavor(text: string, flavor: Vault["flavor"]): string {
  return flavor === "openbao" ? text : text.replaceAll("BAO_ADDR", "VAULT_ADDR").replaceAll(/\bbao\b/g, "vault");
}

/** A KV 2 mount refuses everything until it has made itself one: people are slower than that, this shell may be faster. */
function settled(command: string): readonly string[] {
  const [, cli, mount] = /^(\w+) secrets enable -path=(\S+) kv-v2$/.exec(command) ?? [];
  return cli === undefined ? [] : [`until ${cli} read ${mount}/config > /dev/null 2>&1; do sleep 0.1; done`];
}

/** One shell for all commands, as a person has one terminal; a mark before the output of each. */
function scriptOf(steps: readonly Step[]): string {
  return [
    "set -eu -o pipefail",
    ...steps.flatMap(({ command }, at) => [`echo "@@ ${at}"`, command, ...settled(command)]),
    "wait || true",
    'echo "@@ end"',
  ].join("\n");
}

async function folderFor(t: TestContext, flavor: Vault["flavor"]): Promise<{ bin: string; work: string }> {
  const folder = await tempFolder(`started-${flavor}`);
  t.after(() => folder[Symbol.asyncDispose]());
  const [bin, work] = [join(folder.path, "bin"), join(folder.path, "work")];
  await Promise.all([mkdir(bin), mkdir(work)]);
  const [command, server] = flavor === "openbao" ? (["bao", "bao"] as const) : (["vault", "vault"] as const);
  const programs = [
    symlink(await obtain(server), join(bin, command)),
    symlink(await obtain("kubectl"), join(bin, "kubectl")),
  ];
  await Promise.all(programs);
  const launcher = `#!/bin/sh\nexec '${process.execPath}' --disable-warning=ExperimentalWarning '${MAIN}' "$@"\n`;
  await writeFile(join(bin, "keyferry"), launcher, { mode: 0o755 });
  return { bin, work };
}

interface Outcome {
  readonly code: number | null;
  readonly output: string;
}

async function typed(script: string, cwd: string, env: NodeJS.ProcessEnv, signal: AbortSignal): Promise<Outcome> {
  const shell = spawn("bash", ["-c", script], { cwd, env, signal, detached: true, stdio: ["ignore", "pipe", "pipe"] });
  let output = "";
  for (const stream of [shell.stdout, shell.stderr]) {
    stream.setEncoding("utf8").on("data", (text: string) => {
      output += text;
    });
  }
  try {
    const [code] = (await once(shell, "close")) as [number | null];
    return { code, output };
  } finally {
    // keyferry runs in the background of a shell that failed.
    if (shell.pid !== undefined) endGroup(shell.pid);
  }
}

function endGroup(pid: number): void {
  try {
    process.kill(-pid, "SIGTERM");
  } catch {
    // All have ended.
  }
}

async function serversFor(t: TestContext, flavor: Vault["flavor"]): Promise<[Cluster, Vault]> {
  const [cluster, vault] = await Promise.all([
    startCluster({ name: "started", controllers: ["serviceaccount-token-controller"] }),
    startVault({ flavor }),
  ]);
  t.after(() => cluster[Symbol.asyncDispose]());
  t.after(() => vault[Symbol.asyncDispose]());
  // A Vault that is built with few plugins gets that of the login.
  if (flavor === "vault") await vault.enableKubernetesAuth(cluster, { mount: "plugin" });
  return [cluster, vault];
}

describe("docs/getting-started.md", { concurrency: 1 }, () => {
  for (const flavor of ["openbao", "vault"] as const) {
    it(`works as it stands, with ${flavor}`, { timeout: LIMIT_MS }, async (t) => {
      const [cluster, vault] = await serversFor(t, flavor);
      const { bin, work } = await folderFor(t, flavor);
      const page = await readFile(new URL(`../../${PAGE}`, import.meta.url), "utf8");
      const steps = stepsOf(forFlavor(page, flavor));
      assert.ok(steps.length > 10 && steps.filter(({ shown }) => shown.length > 0).length >= 2);
      assert.equal(steps.flatMap(({ command }) => settled(command)).length, 1);

      const prefix = flavor === "openbao" ? "BAO" : "VAULT";
      const kubeconfig = join(bin, "admin.kubeconfig");
      await writeFile(kubeconfig, cluster.adminKubeconfig, { mode: 0o600 });
      const env = {
        ...process.env,
        PATH: `${bin}${delimiter}${process.env.PATH}`,
        HOME: work,
        KUBECONFIG: kubeconfig,
        KEYFERRY_LISTEN: "none",
        [`${prefix}_ADDR`]: vault.address,
        [`${prefix}_TOKEN`]: vault.token,
      };
      const { code, output } = await typed(scriptOf(steps), work, env, t.signal);
      const log = await readFile(join(work, "keyferry.log"), "utf8").catch(() => "");
      assert.equal(code, 0, `${output}\n${log}`);
      for (const [at, { command, shown }] of steps.entries()) {
        const answer = output.split(`@@ ${at}\n`)[1]?.split("@@ ")[0] ?? "";
        for (const line of shown) assert.ok(answer.split("\n").includes(line), `${command}\n${answer}\n${log}`);
      }
      assert.ok(!output.includes(vault.token), "a token was printed");
      assert.doesNotMatch(output, /eyJhbGciOi/, "a service account's token was printed");
    });
  }
});
