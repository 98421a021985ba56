import { type ChildProcess, spawn } from "node:child_process";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import type { Cluster } from "../cluster/cluster.ts";
import { outputTail } from "../process/output-tail.ts";
import { tempFolder } from "../process/temp-folder.ts";
import { forgetGroup, watchGroup } from "../process/watchdog.ts";
import { type Isolation, inContainer, type Place, possibleIsolation } from "./container-root.ts";
import type { RunnableContainer, RunnablePod, RunnableVariable } from "./pod-shape.ts";
import { makeVolumes } from "./volumes.ts";

/**
 * Runs containers of a pod as processes of this machine, in place of a kubelet: volumes are folders, tokens come by
 * TokenRequest, and images are this machine's programs beside those that the test names.
 */
export interface RunningPod extends AsyncDisposable {
  readonly isolation: Isolation;
  /** Runs a container to its end, as the kubelet runs an init container. */
  run(name: string, command?: readonly string[]): Promise<Ended>;
  /** Starts a container that stays. */
  start(name: string): Promise<RunningContainer>;
  /** Where a path in a container really is. */
  pathIn(name: string, path: string): string;
}

export interface Ended {
  readonly code: number;
  /** The last lines of its output. */
  readonly output: string;
}

export interface RunningContainer {
  output(): string;
  isRunning(): boolean;
  readonly ended: Promise<Ended>;
  /** Runs its preStop hook, then asks it to end, and ends it after the grace. */
  stop(graceMs?: number): Promise<{ readonly preStop?: Ended }>;
}

export interface PodRunnerOptions {
  readonly cluster: Cluster;
  /** Paths of programs that the image has. */
  readonly programs: readonly string[];
  /** The home folder of the image's user. */
  readonly home?: string;
  /** A mount namespace when not given, where this machine allows one. */
  readonly isolation?: Isolation;
}

const STOP_GRACE_MS = 10_000;

export async function runPod(pod: RunnablePod, options: PodRunnerOptions): Promise<RunningPod> {
  await using started = new AsyncDisposableStack();
  const folder = started.use(await tempFolder("pod"));
  const volumes = await makeVolumes(pod, options.cluster, join(folder.path, "volumes"));
  const isolation = options.isolation ?? (await possibleIsolation());
  const containers = new Map(
    [...(pod.spec.initContainers ?? []), ...pod.spec.containers].map((one) => [one.name, one] as const),
  );
  const find = (name: string): RunnableContainer => {
    const found = containers.get(name);
    if (found === undefined) throw new Error(`the pod has no container ${name}`);
    return found;
  };
  let runs = 0;
  const parts = started.move();
  const launch = async (name: string, command?: readonly string[]): Promise<Process> => {
    const container = find(name);
    const place: Place = { container, volumes, programs: options.programs, folder: join(folder.path, `run-${++runs}`) };
    await mkdir(join(place.folder, "root"), { recursive: true });
    const words = command ?? [...(container.command ?? []), ...(container.args ?? [])];
    const env = { HOME: options.home ?? "/", ...environment(container.env ?? [], pod) };
    const process = launched(await inContainer(isolation, place, words, env));
    parts.defer(() => process.kill());
    return process;
  };
  return {
    isolation,
    run: async (name, command) => (await launch(name, command)).ended,
    async start(name) {
      const process = await launch(name);
      const hook = find(name).lifecycle?.preStop?.exec?.command;
      return {
        output: process.output,
        isRunning: process.isRunning,
        ended: process.ended,
        async stop(graceMs = STOP_GRACE_MS) {
          const preStop = hook === undefined ? undefined : await (await launch(name, hook)).ended;
          await process.stop(graceMs);
          return preStop === undefined ? {} : { preStop };
        },
      };
    },
    pathIn(name, path) {
      const mount = (find(name).volumeMounts ?? []).find(({ mountPath }) => path.startsWith(`${mountPath}/`));
      if (mount === undefined) throw new Error(`${path} is in no volume of ${name}`);
      return join(volumes.get(mount.name) ?? "", path.slice(mount.mountPath.length));
    },
    [Symbol.asyncDispose]: () => parts.disposeAsync(),
  };
}

const FIELDS: Readonly<Record<string, (pod: RunnablePod) => string>> = {
  "metadata.namespace": (pod) => pod.metadata.namespace,
  "status.hostIP": () => "127.0.0.1",
  "status.podIP": () => "127.0.0.1",
};

function environment(env: readonly RunnableVariable[], pod: RunnablePod): Readonly<Record<string, string>> {
  return Object.fromEntries(
    env.map(({ name, value, valueFrom }) => [name, value ?? FIELDS[valueFrom?.fieldRef?.fieldPath ?? ""]?.(pod) ?? ""]),
  );
}

interface Process {
  readonly ended: Promise<Ended>;
  output(): string;
  isRunning(): boolean;
  stop(graceMs: number): Promise<void>;
  kill(): Promise<void>;
}

/** Starts only after the watchdog knows about it, as servers do. */
const GATE = 'read -r go && exec "$@" </dev/null';

function launched({ command, args, env }: Awaited<ReturnType<typeof inContainer>>): Process {
  const tail = outputTail();
  // The program that makes the namespace is this machine's own.
  const outer = { PATH: process.env.PATH ?? "" };
  const inner = Object.entries(env).map(([name, value]) => `${name}=${value}`);
  const words = command === "unshare" ? inNewEnvironment(args, inner) : ["env", "-i", ...inner, command, ...args];
  const child: ChildProcess = spawn("/bin/sh", ["-c", GATE, "container", ...words], {
    stdio: ["pipe", "pipe", "pipe"],
    env: outer,
    detached: true,
  });
  const { pid, stdin, stdout, stderr } = child;
  if (pid === undefined || !stdin || !stdout || !stderr) throw new Error("a container cannot be run");
  let isOver = false;
  const ended = new Promise<Ended>((resolve) => {
    child.once("close", (code) => {
      isOver = true;
      forgetGroup(pid);
      resolve({ code: code ?? -1, output: tail.text() });
    });
  });
  child.once("exit", () => signal(pid, "SIGKILL"));
  tail.follow(stdout);
  tail.follow(stderr);
  stdin.on("error", () => undefined);
  watchGroup(pid);
  stdin.end("go\n");
  const end = async (first: NodeJS.Signals, graceMs: number): Promise<void> => {
    if (isOver) return;
    signal(pid, first);
    const timer = setTimeout(() => signal(pid, "SIGKILL"), graceMs);
    await ended;
    clearTimeout(timer);
  };
  return {
    ended,
    output: tail.text,
    isRunning: () => !isOver,
    stop: (graceMs) => end("SIGTERM", graceMs),
    kill: () => end("SIGKILL", 0),
  };
}

/** The script needs this machine's PATH; the container's command gets its own environment. */
function inNewEnvironment(args: readonly string[], env: readonly string[]): readonly string[] {
  const at = args.indexOf("sh");
  return ["unshare", ...args.slice(0, at + 1), "/usr/bin/env", "-i", ...env, ...args.slice(at + 1)];
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(-pid, name);
  } catch {
    // It has ended already.
  }
}
