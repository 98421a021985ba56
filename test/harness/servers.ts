// Obtains the servers that tests and the demo use, and prints where each is (JSON when not to a terminal):
//   node bin/node24.js test/harness/servers.ts [openbao | vault | kubernetes | aws | postgres | NAME ...]
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { Listr, PRESET_TIMER } from "listr2";
import { INVENTORY, type ServerName } from "./obtain/inventory.ts";
import { type ObtainOptions, obtain } from "./obtain/obtain.ts";
import { obtainPostgres, POSTGRES_VERSION } from "./obtain/postgres.ts";
import { obtainVenv, type PythonTool } from "./obtain/venv.ts";

type Name = ServerName | PythonTool | "postgres";

const PYTHON: readonly PythonTool[] = ["ministack", "cfn-lint"];
const NAMES: readonly Name[] = [...(Object.keys(INVENTORY) as ServerName[]), ...PYTHON, "postgres"];
const PLUGINS = NAMES.filter((name) => name.startsWith("vault-plugin-"));
const GROUPS: Readonly<Record<string, readonly Name[]>> = {
  aws: PYTHON,
  openbao: ["bao"],
  vault: ["vault", ...PLUGINS],
  kubernetes: ["etcd", "kube-apiserver", "kube-controller-manager", "kubectl"],
};

/** An official Vault says of which revision it is, and has all plugins inside; one that `go build` made has neither. */
const bringsItsPlugins = async (vault: string): Promise<boolean> =>
  /\([0-9a-f]{40}\)/.test((await promisify(execFile)(vault, ["version"])).stdout);

/** The servers that these words mean, all of them when there is no word; `undefined` when a word means nothing. */
function wanted(words: readonly string[]): readonly Name[] | undefined {
  const meant = words.map((word) => GROUPS[word] ?? NAMES.filter((name) => name === word));
  if (meant.some((names) => names.length === 0)) return undefined;
  return words.length === 0 ? NAMES : [...new Set(meant.flat())];
}

type Found = Map<Name, string>;
type Failed = Map<Name, string>;

const isPython = (name: Name): name is PythonTool => PYTHON.some((tool) => tool === name);

function versionOf(name: Name): string {
  if (isPython(name)) return "(Python)";
  return name === "postgres" ? POSTGRES_VERSION : INVENTORY[name].version;
}

function obtainAny(name: Name, options: ObtainOptions): Promise<string> {
  if (isPython(name)) return obtainVenv(name, options);
  return name === "postgres" ? obtainPostgres(options) : obtain(name, options);
}

async function obtainAll(names: readonly Name[]): Promise<{ found: Found; failed: Failed }> {
  const [found, failed]: [Found, Failed] = [new Map(), new Map()];
  const isLive = process.stdout.isTTY && process.stderr.isTTY;
  const tasks = names.map((name) => ({
    title: `${name} ${versionOf(name)}`,
    task: async (_: unknown, task: { output: string }) => {
      const show = (text: string): void => {
        task.output = text;
      };
      try {
        if (PLUGINS.includes(name) && (await bringsItsPlugins(await obtain("vault")))) return;
        const options = isLive ? { progress: show } : {};
        found.set(name, await obtainAny(name, options));
      } catch (error) {
        failed.set(name, String(error));
        throw new Error(`${name} cannot be obtained`);
      }
    },
  }));
  await new Listr(tasks, {
    concurrent: true,
    exitOnError: false,
    // Without a terminal `obtain` prints its own plain lines.
    renderer: isLive ? "default" : "silent",
    rendererOptions: { timer: PRESET_TIMER },
  }).run();
  return { found, failed };
}

const names = wanted(process.argv.slice(2));
if (names === undefined) {
  process.stderr.write(`Known are: ${[...Object.keys(GROUPS), ...NAMES].join(", ")}\n`);
  process.exit(2);
}
const { found, failed } = await obtainAll(names);
if (process.stdout.isTTY) for (const [name, path] of found) process.stdout.write(`${name.padEnd(30)} ${path}\n`);
else process.stdout.write(`${JSON.stringify(Object.fromEntries(found), undefined, 2)}\n`);
for (const reason of failed.values()) process.stderr.write(`${reason}\n`);
process.exitCode = failed.size === 0 ? 0 : 1;
