import { circuitOfCluster } from "../../../lib/circuits.ts";
import { SyncError } from "../../../lib/errors.ts";
import type { ClusterClients } from "../../../lib/kubernetes/cluster-client.ts";
import { type KubeCall, objectOf, resourceOf } from "../../../lib/kubernetes/kube-call.ts";
import { failureOf, type KubeAnswer } from "../../../lib/kubernetes/kube-failure.ts";
import { requestCounts } from "../../../lib/kubernetes/request-counts.ts";
import type { Who } from "./api/access.ts";
import { METADATA_ONLY, metadataOnly } from "./api/api-server.ts";
import type { Json } from "./api/fields.ts";
import { watching } from "./api/listing.ts";
import { Refused } from "./api/refusals.ts";
import { type Effect, plainly } from "./effects.ts";
import type { MemoryCluster } from "./memory-cluster.ts";
import type { WorldTime } from "./time.ts";

/** As long as the real client waits for a silent cluster. */
const SILENCE_MS = 8_000;
/** Before the end of a watch, as a real API server does. */
const BOOKMARK_MS = 2_000;

export interface ClientsOptions {
  readonly time: WorldTime;
  readonly clusterOf: (name: string) => MemoryCluster | undefined;
  readonly who?: Who;
  readonly effect?: Effect;
}

/** The clients that keyferry's ends are wired with, over clusters in memory. */
export function memoryClients({ time, clusterOf, who = "admin", effect = plainly }: ClientsOptions): ClusterClients {
  const { counts, counted } = requestCounts();

  const reached = async (call: KubeCall, signal: AbortSignal): Promise<MemoryCluster> => {
    if (signal.aborted) throw givenUp(call);
    const cluster = clusterOf(call.cluster);
    await cluster?.access?.(signal);
    if (cluster?.outage === "silent") await time.sleep(SILENCE_MS, signal);
    if (signal.aborted) throw givenUp(call);
    if (!cluster || cluster.outage !== undefined) throw unreachable(call.cluster);
    return cluster;
  };
  const answered = <T>(work: () => T): KubeAnswer<T> => {
    try {
      return { object: work() };
    } catch (error) {
      if (error instanceof Refused) return { failure: failureOf(error.http, error.body) };
      throw error;
    }
  };
  return {
    async send(call, signal) {
      return effect(
        `${call.verb} ${resourceOf(call)}`,
        async () => {
          const cluster = await reached(call, signal);
          counted(call);
          cluster.noteServed(call);
          const fault = cluster.fault?.(call);
          if (fault !== undefined) return { failure: failureOf(fault.http, fault.body) };
          return answered(() => cluster.server.serve(call, who));
        },
        call,
      );
    },
    async stream(call, _limitMs, signal) {
      return effect(`watch ${resourceOf(call)}`, async () => {
        const cluster = await reached(call, signal);
        counted(call);
        cluster.noteServed(call);
        return answered(() => {
          cluster.server.admit(call, who);
          return watchLines(cluster, call, time, signal);
        });
      });
    },
    requests: counts,
    forget: () => undefined,
    close: () => undefined,
  };
}

/** One watch of an API server: its lines, until its time is over, the cluster goes, or nobody listens any more. */
async function* watchLines(
  { server, onBreak }: MemoryCluster,
  call: KubeCall,
  time: WorldTime,
  signal: AbortSignal,
): AsyncGenerator<Json> {
  const kind = server.admit(call, "admin");
  const lines: Json[] = [];
  let wake = Promise.withResolvers<void>();
  let ending: "time" | "signal" | "break" | undefined;
  const end = (how: NonNullable<typeof ending>) => (): void => {
    ending ??= how;
    wake.resolve();
  };
  const line = (next: Json): void => {
    lines.push(next);
    wake.resolve();
  };
  const { stop, bookmark } = watching(server.objects, { call, kind, line });
  const ms = Number(call.query?.timeoutSeconds ?? 60) * 1_000;
  const timers = [time.after(ms, end("time")), ...(ms > BOOKMARK_MS ? [time.after(ms - BOOKMARK_MS, bookmark)] : [])];
  const onAbort = end("signal");
  signal.addEventListener("abort", onAbort, { once: true });
  const offBreak = onBreak(end("break"));
  try {
    for (;;) {
      for (let next = lines.shift(); next !== undefined; next = lines.shift()) yield shown(next, call);
      if (ending === "time") return;
      if (ending === "break") throw unreachable(call.cluster);
      if (ending === "signal" || signal.aborted) throw givenUp(call);
      await wake.promise;
      wake = Promise.withResolvers<void>();
    }
  } finally {
    stop();
    offBreak();
    for (const cancel of timers) cancel();
    signal.removeEventListener("abort", onAbort);
  }
}

function shown(line: Json, { accept = "" }: KubeCall): Json {
  const isObjectLine = line.type === "ADDED" || line.type === "MODIFIED" || line.type === "DELETED";
  if (!isObjectLine) return line;
  const object = line.object as Json;
  return { type: line.type, object: METADATA_ONLY.test(accept) ? metadataOnly(object) : object };
}

function unreachable(cluster: string): SyncError {
  const circuit = circuitOfCluster(cluster);
  return new SyncError("KUBE_UNREACHABLE", `cluster ${cluster} is out of reach (ECONNREFUSED)`, { circuit });
}

function givenUp(call: KubeCall): SyncError {
  return new SyncError("DEADLINE_EXCEEDED", `keyferry ran out of time to ${call.verb} ${objectOf(call)}`);
}
