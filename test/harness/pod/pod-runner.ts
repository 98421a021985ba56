import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import type { Cluster } from "../cluster/cluster.ts";
import { tempFolder } from "../process/temp-folder.ts";
import { inContainer, type Place } from "./container-root.ts";
import { type Isolation, possibleIsolation } from "./isolation.ts";
import { type Ended, launched, type PodProcess } from "./pod-process.ts";
import type { RunnableContainer, RunnablePod, RunnableVariable } from "./pod-shape.ts";
import { startSandbox } from "./sandbox.ts";
import { fillVolumes, makeVolumes } from "./volumes.ts";

/**
 * Runs containers of a pod as processes of this machine, in place of a kubelet: volumes in memory are tmpfs where this
 * machine allows it, tokens come by TokenRequest, and images are this machine's programs beside those that the test names.
 */
export interface RunningPod extends AsyncDisposable {
  readonly isolation: Isolation;
  /** Runs a container to its end, as the kubelet runs an init container. */
  run(name: string, command?: readonly string[]): Promise<Ended>;
  /** Starts a container that stays. */
  start(name: string): Promise<RunningContainer>;
  /** By which path this process finds a path in a container. */
  pathIn(name: string, path: string): string;
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
  /** The best that this machine allows when not given. */
  readonly isolation?: Isolation;
}

/** A kubelet's own. */
const STOP_GRACE_MS = 30_000;

export async function runPod(pod: RunnablePod, options: PodRunnerOptions): Promise<RunningPod> {
  await using started = new AsyncDisposableStack();
  const folder = started.use(await tempFolder("pod"));
  const isolation = options.isolation ?? (await possibleIsolation());
  const { volumes, inMemory } = await makeVolumes(pod, join(folder.path, "volumes"));
  const sandbox = started.use(await startSandbox(isolation, inMemory));
  await fillVolumes(pod, options.cluster, (name) => sandbox.outside(volumes.get(name) ?? ""));
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
  const launch = async (name: string, command?: readonly string[]): Promise<PodProcess> => {
    const container = find(name);
    const run = join(folder.path, `run-${++runs}`);
    const place: Place = { container, sandbox, volumes, programs: options.programs, folder: run };
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
      return join(sandbox.outside(volumes.get(mount.name) ?? ""), path.slice(mount.mountPath.length));
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
