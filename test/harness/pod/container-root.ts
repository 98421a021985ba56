import { chmod, copyFile, lstat, mkdir, readlink, symlink, writeFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { type Isolation, isRoot } from "./isolation.ts";
import type { RunnableContainer } from "./pod-shape.ts";
import { quoted } from "./quoted.ts";
import type { Sandbox } from "./sandbox.ts";

export interface Place {
  readonly container: RunnableContainer;
  readonly sandbox: Pick<Sandbox, "enter">;
  /** The folder of each volume. */
  readonly volumes: ReadonlyMap<string, string>;
  /** Programs of the image, beside those of this machine. */
  readonly programs: readonly string[];
  readonly folder: string;
}

type Environment = Readonly<Record<string, string>>;

const IMAGE_PATH = "/programs:/usr/local/bin:/usr/bin:/bin";
const ROOT_FOLDERS = ["bin", "sbin", "lib", "lib64", "usr"];
/** Copied, because a pod may mount something below /etc. */
const ETC_FILES = ["passwd", "group", "hosts", "resolv.conf", "nsswitch.conf", "ld.so.cache"];

/** The words that start this command as a process of the container. */
export async function inContainer(
  isolation: Isolation,
  place: Place,
  command: readonly string[],
  env: Environment,
): Promise<readonly string[]> {
  return isolation === "rewritten" ? rewritten(place, command, env) : inNamespace(place, command, env);
}

async function inNamespace(place: Place, command: readonly string[], env: Environment): Promise<readonly string[]> {
  const { container, sandbox, volumes, programs } = place;
  const root = join(place.folder, "root");
  const mounts = container.volumeMounts ?? [];
  const lines = [
    "set -e",
    `mount --bind ${quoted(root)} ${quoted(root)}`,
    ...(await systemMounts(root)),
    ...(await programMounts(root, programs)),
  ];
  for (const { name, mountPath, readOnly } of mounts) {
    const target = join(root, mountPath);
    await mkdir(target, { recursive: true });
    lines.push(bound(volumes.get(name) ?? "", target, readOnly === true));
  }
  const { runAsUser, runAsGroup } = container.securityContext ?? {};
  // In a user namespace there is one user only.
  const user = isRoot() && runAsUser !== undefined ? `--userspec=${runAsUser}:${runAsGroup ?? runAsUser} ` : "";
  lines.push(`mount -o remount,bind,ro ${quoted(root)} 2>/dev/null || true`, `exec chroot ${user}${quoted(root)} "$@"`);
  // The script needs this machine's PATH; the container's command gets its own environment.
  const inner = inEnvironment("/usr/bin/env", { ...env, PATH: IMAGE_PATH }, command);
  return [...sandbox.enter, "/bin/sh", "-c", lines.join("\n"), "sh", ...inner];
}

function bound(from: string, to: string, isReadOnly: boolean): string {
  const line = `mount --rbind ${quoted(from)} ${quoted(to)}`;
  return isReadOnly ? `${line} && { mount -o remount,bind,ro ${quoted(to)} 2>/dev/null || true; }` : line;
}

async function systemMounts(root: string): Promise<readonly string[]> {
  const lines: string[] = [];
  for (const name of [...ROOT_FOLDERS, "dev", "proc"]) {
    const [from, to] = [`/${name}`, join(root, name)];
    const found = await lstat(from).catch(() => undefined);
    if (found === undefined) continue;
    if (found.isSymbolicLink()) await symlink(await readlink(from), to).catch(ignoreExisting);
    else {
      await mkdir(to, { recursive: true });
      lines.push(bound(from, to, ROOT_FOLDERS.includes(name)));
    }
  }
  await mkdir(join(root, "etc"), { recursive: true });
  for (const name of ETC_FILES) await copyFile(join("/etc", name), join(root, "etc", name)).catch(() => undefined);
  return lines;
}

function ignoreExisting(error: NodeJS.ErrnoException): void {
  if (error.code !== "EEXIST") throw error;
}

async function programMounts(root: string, programs: readonly string[]): Promise<readonly string[]> {
  const folder = join(root, "programs");
  await mkdir(folder, { recursive: true });
  return Promise.all(
    programs.map(async (program) => {
      const target = join(folder, basename(program));
      await writeFile(target, "");
      await chmod(target, 0o755);
      return `mount --bind ${quoted(program)} ${quoted(target)}`;
    }),
  );
}

function inEnvironment(program: string, env: Environment, command: readonly string[]): readonly string[] {
  return [program, "-i", ...Object.entries(env).map(([name, value]) => `${name}=${value}`), ...command];
}

function rewritten(
  { container, volumes, programs }: Place,
  command: readonly string[],
  env: Environment,
): readonly string[] {
  const paths = (container.volumeMounts ?? [])
    .map(({ name, mountPath }) => [mountPath, volumes.get(name) ?? ""] as const)
    .sort(([a], [b]) => b.length - a.length);
  const change = (text: string) => paths.reduce((changed, [from, to]) => changed.replaceAll(from, to), text);
  const config = env.VAULT_CONFIG === undefined ? {} : { VAULT_CONFIG: base64(change(fromBase64(env.VAULT_CONFIG))) };
  const path = [...programs.map(dirname), process.env.PATH].join(":");
  const changed = Object.fromEntries(Object.entries(env).map(([name, value]) => [name, change(value)]));
  return inEnvironment("env", { ...changed, ...config, PATH: path }, command.map(change));
}

function base64(text: string): string {
  return Buffer.from(text).toString("base64");
}

function fromBase64(text: string): string {
  return Buffer.from(text, "base64").toString();
}
