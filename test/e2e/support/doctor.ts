import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFile, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { parse } from "yaml";
import type { Finding, FindingCode, Remedy } from "../../../lib/doctor/finding.ts";
import { type Cluster, obtain } from "../../harness/index.ts";
import { tempFolder } from "../../harness/process/temp-folder.ts";
import { dataDirOf, keyferry } from "./engine.ts";
import type { World } from "./world.ts";

/** What `keyferry doctor -o json` found. */
export interface Examination {
  readonly code: number | null;
  readonly findings: readonly Finding[];
  readonly errors: readonly Finding[];
  /** Everything that it printed, on either stream. */
  readonly output: string;
}

/** A world, an administrator's shell in it, and doctor. */
export interface Practice extends AsyncDisposable {
  examine(args?: readonly string[]): Promise<Examination>;
  /** Does exactly what a finding says: by kubectl, a shell, or in fleet.yaml. */
  mend(remedy: Remedy | undefined): Promise<void>;
  /** Runs lines in the administrator's shell. */
  shell(lines: string): Promise<string>;
}

/** The administrator has kubectl, jq and `vault`, which is the server's own program. */
export async function practiceIn(world: World, cluster: Cluster): Promise<Practice> {
  await using started = new AsyncDisposableStack();
  const folder = started.use(await tempFolder("practice"));
  await symlink(await obtain(world.vault.flavor === "vault" ? "vault" : "bao"), join(folder.path, "vault"));
  for (const tool of ["kubectl", "jq"] as const) await symlink(await obtain(tool), join(folder.path, tool));
  const caFile = join(folder.path, "vault-ca.pem");
  await writeFile(caFile, world.vault.caPem ?? "");
  const env = {
    ...process.env,
    PATH: `${folder.path}:${process.env.PATH ?? ""}`,
    HOME: folder.path,
    KUBECONFIG: cluster.kubeconfigPath,
    ...Object.fromEntries(
      ["VAULT", "BAO"].flatMap((name) => [
        [`${name}_ADDR`, world.vault.address],
        [`${name}_TOKEN`, world.vault.token],
        ...(world.vault.caPem === undefined ? [] : [[`${name}_CACERT`, caFile]]),
      ]),
    ),
  };
  const shell = (lines: string, input?: string) => run(lines, { ...env }, input);
  const practice: Omit<Practice, keyof AsyncDisposable> = {
    async examine(args = []) {
      const { code, stdout, stderr } = await keyferry([
        ...["doctor", "--fleet", world.fleetPath, "--data-dir", dataDirOf(world), "-o", "json"],
        ...args,
      ]);
      assert.ok(stdout.startsWith("{"), stderr);
      const { findings } = JSON.parse(stdout) as { findings: readonly Finding[] };
      const errors = findings.filter(({ severity }) => severity === "error");
      assert.equal(code, errors.length > 0 ? 1 : 0, stderr);
      return { code, findings, errors, output: stdout + stderr };
    },
    shell,
    async mend(remedy) {
      assert.ok(remedy, "a remedy");
      if (remedy.kind === "manifest") await shell("kubectl apply -f -", remedy.text);
      else if (remedy.kind === "commands") await shell(`set -e\n${remedy.text}`);
      else if (remedy.kind === "fleet") await changeFleet(world, parse(remedy.text) as Members);
      else assert.fail(`only a person can do this: ${remedy.text}`);
    },
  };
  const parts = started.move();
  return { ...practice, [Symbol.asyncDispose]: () => parts.disposeAsync() };
}

async function run(lines: string, env: NodeJS.ProcessEnv, input = ""): Promise<string> {
  const child = spawn("bash", ["-c", lines], { env, stdio: ["pipe", "pipe", "pipe"] });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (chunk: string) => {
      output += chunk;
    });
  }
  child.stdin.end(input);
  const [code] = (await once(child, "close")) as [number | null];
  assert.equal(code, 0, `${lines}\n${input}\n${output}`);
  return output;
}

type Members = Readonly<Record<string, unknown>>;

/** As a person would: members of maps are set, and entries of lists found by their names. */
async function changeFleet(world: World, change: Members): Promise<void> {
  const fleet = JSON.parse(await readFile(world.fleetPath, "utf8")) as Members;
  await writeFile(world.fleetPath, JSON.stringify(merged(fleet, change), undefined, 2));
}

function merged(before: unknown, change: unknown): unknown {
  if (Array.isArray(before) && Array.isArray(change) && change.every((entry) => nameOf(entry) !== undefined)) {
    const added = change.filter((entry) => !before.some((known) => nameOf(known) === nameOf(entry)));
    const changed = before.map((known) => {
      const entry = change.find((candidate) => nameOf(candidate) === nameOf(known));
      return entry === undefined ? known : merged(known, entry);
    });
    return [...changed, ...added];
  }
  if (!isMap(before) || !isMap(change)) return change;
  const members = Object.entries(change).map(([name, value]) => [name, merged(before[name], value)] as const);
  return { ...before, ...Object.fromEntries(members) };
}

function isMap(value: unknown): value is Members {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function nameOf(entry: unknown): string | undefined {
  return isMap(entry) && typeof entry.name === "string" ? entry.name : undefined;
}

/** Each remedy may show the next problem; a chain longer than this is none. */
const MAX_ROUNDS = 6;

/** How long an API server may take to follow a change of rights or definitions. */
const FOLLOWED_MS = 30_000;

/** Examines until this is found: what was changed a moment ago may not hold yet. */
async function examined(
  practice: Practice,
  what: string,
  isSo: (examination: Examination) => boolean,
): Promise<Examination> {
  const end = performance.now() + FOLLOWED_MS;
  for (;;) {
    const examination = await practice.examine();
    if (isSo(examination)) return examination;
    if (performance.now() > end) {
      assert.fail(`looked in vain for: ${what}\n${JSON.stringify(examination.findings, undefined, 2)}`);
    }
  }
}

/** Finds it by its code, mends it by what it printed, and so on until there is no error. Answers the codes of the way. */
export async function foundAndMended(practice: Practice, code: FindingCode, where: RegExp): Promise<readonly string[]> {
  const isIt = (one: Finding) => one.code === code && where.test(one.where);
  const first = await examined(practice, `${code} ${where}`, ({ findings }) => findings.some(isIt));
  const found = first.findings.find(isIt);
  await practice.mend(found?.remedy);
  const isMended = ({ findings }: Examination) =>
    !findings.some((one) => one.code === code && one.where === found?.where);
  const way: string[] = [code];
  for (let round = 0; round < MAX_ROUNDS; round++) {
    const { errors } = await examined(practice, `no ${code} any more after ${found?.remedy?.text}`, isMended);
    const [next] = errors;
    if (next === undefined) return way;
    way.push(next.code);
    await practice.mend(next.remedy);
  }
  return assert.fail(`no end: ${way.join(", ")}`);
}
