import { resolve } from "node:path";
import { destination } from "pino";
import {
  besideUs,
  casOf,
  type DryRun,
  INJECTED_POD,
  injectedBy,
  isBeforeUs,
  PLAIN_POD,
  REFUSED_POD,
  reachedBy,
  registered,
} from "../../lib/admission/check.ts";
import { CONFIGURATION } from "../../lib/admission/registration.ts";
import { SECOND_MS, systemClock } from "../../lib/clock.ts";
import { SyncError } from "../../lib/errors.ts";
import { folderFiles } from "../../lib/fleet/files.ts";
import type { FleetCluster } from "../../lib/fleet/fleet.ts";
import { readFleet } from "../../lib/fleet/read-fleet.ts";
import { keyHash } from "../../lib/injector-keys.ts";
import { accepted, type ClusterClients } from "../../lib/kubernetes/cluster-client.ts";
import type { KubeCall } from "../../lib/kubernetes/kube-call.ts";
import { webhookConfigurations } from "../../lib/kubernetes/webhook-configurations.ts";
import { simulatedSqliteStore } from "../../lib/store/sqlite/sqlite-store.ts";
import { jsonLog } from "../../lib/telemetry/log.ts";
import { print, printJson, say } from "../output.ts";
import { reachedFleet } from "../reached-fleet.ts";
import { stopSignal, WITH_HANG_UP } from "../stop-signal.ts";
import { table } from "../table.ts";
import { clusterOf, type KnownCa, knownCa } from "./places.ts";

export interface CheckFlags {
  readonly fleet: string;
  readonly dataDir: string;
  readonly namespace: string;
  readonly kubeconfig?: string;
  readonly context?: string;
  readonly output: "table" | "json";
}

interface Checked {
  readonly cluster: string;
  /** Undefined: these rights are missing. */
  readonly registration?: string;
  readonly vaultK8s?: readonly string[];
  readonly isReached: boolean;
  readonly reached: string;
  readonly isInjected: boolean;
  readonly injected: string;
  readonly ms: number;
  readonly plainMs: number;
}

const CHECK_MS = 60 * SECOND_MS;

/** Creates pods as a dry run, and shows what the webhook did. Exits with 1 unless it injected. */
export async function checkCommand(name: string, flags: CheckFlags): Promise<number> {
  const stop = stopSignal(() => say("stopped"), WITH_HANG_UP);
  const { fleet, folder } = await readFleet(flags.fleet);
  const found = clusterOf(fleet, name, flags.fleet);
  const known = await knownCa({ fleet, folder, cluster: found, dataDir: flags.dataDir, now: systemClock() });
  const cluster = asPerson(found, flags);
  const signal = AbortSignal.any([stop, AbortSignal.timeout(CHECK_MS)]);
  const log = jsonLog("silent", destination({ fd: 2, sync: true }));
  await using leases = simulatedSqliteStore(undefined);
  const own = { ...fleet, clusters: [cluster], hubs: [] };
  const reached = await reachedFleet({ own, files: folderFiles(folder), leases, log, mayExec: true }, signal);
  try {
    const checked = await checkedCluster(reached.clients, { cluster, known }, flags.namespace, signal);
    show(checked, flags.output);
    return checked.isReached && checked.isInjected ? 0 : 1;
  } finally {
    await reached.close();
  }
}

/** With a kubeconfig of the person who asks. */
function asPerson(cluster: FleetCluster, { kubeconfig, context }: CheckFlags): FleetCluster {
  if (kubeconfig === undefined) return cluster;
  const way = { path: resolve(kubeconfig), ...(context === undefined ? {} : { context }) };
  return { ...cluster, connect: { kubeconfig: way } };
}

async function checkedCluster(
  clients: ClusterClients,
  { cluster: settings, known }: { readonly cluster: FleetCluster; readonly known: KnownCa | undefined },
  namespace: string,
  signal: AbortSignal,
): Promise<Checked> {
  const { name: cluster, injector } = settings;
  const configurations = await configurationsOf(clients, cluster, signal);
  const create = (body: object): Promise<DryRun> => dryRun(clients, { cluster, namespace, body }, signal);
  const startedAt = performance.now();
  await create(PLAIN_POD);
  const plainMs = performance.now() - startedAt;
  const reached = reachedBy(await create(REFUSED_POD));
  const injectedAt = performance.now();
  const injected = injectedBy(await create(INJECTED_POD));
  return {
    cluster,
    ...(configurations === undefined
      ? {}
      : { registration: registrationText(configurations, injector?.keys, known), vaultK8s: besideUs(configurations) }),
    isReached: reached.isReached,
    reached: reached.says,
    isInjected: injected.isInjected,
    injected: injected.says,
    ms: performance.now() - injectedAt,
    plainMs,
  };
}

/** Undefined: the login may not list them. */
async function configurationsOf(
  clients: ClusterClients,
  cluster: string,
  signal: AbortSignal,
): Promise<readonly unknown[] | undefined> {
  const api = webhookConfigurations(clients);
  try {
    return await api.list(cluster, signal);
  } catch (error) {
    if (!(error instanceof SyncError) || error.code !== "KUBE_DENIED") throw error;
    const ours = await api.get(cluster, CONFIGURATION, signal).catch(() => undefined);
    return ours === undefined ? undefined : [ours];
  }
}

/** Says whether fleet.yaml has the registered key, and whether the CA is the right one; never the key. */
export function registrationText(
  configurations: readonly unknown[],
  hashes: readonly string[] = [],
  known?: KnownCa,
): string {
  const found = registered(configurations);
  if (found === undefined) return "not registered: apply keyferry injector manifests";
  const isKnown = hashes.includes(keyHash(found.key));
  const key = `, ${isKnown ? "with a key of fleet.yaml" : "with a key that fleet.yaml does not have"}`;
  const ca = known === undefined ? "" : CA_TEXTS[casOf(found.caBundle, known.ca)](known.from);
  return `registered at ${found.host}${hashes.length === 0 ? "" : key}${ca}`;
}

const CA_TEXTS: Readonly<Record<ReturnType<typeof casOf>, (from: string) => string>> = {
  all: () => "",
  some: (from) =>
    `, without the next CA of ${from}: apply keyferry injector manifests again before it signs, or set injector.manage`,
  none: (from) => `, without the CA of ${from}: if keyferry run uses that one, apply keyferry injector manifests again`,
};

async function dryRun(
  clients: ClusterClients,
  { cluster, namespace, body }: { readonly cluster: string; readonly namespace: string; readonly body: object },
  signal: AbortSignal,
): Promise<DryRun> {
  const kind = { group: "", version: "v1", resource: "pods", kind: "Pod" };
  const call: KubeCall = { cluster, verb: "create", kind, namespace, query: { dryRun: "All" }, body };
  const answer = await clients.send(call, signal);
  const admission = "failure" in answer ? answer.failure.status?.admission : undefined;
  if (admission !== undefined) return { refusedBy: admission.name, how: admission.how };
  return { pod: accepted(call, answer) };
}

/** What is beside keyferry: the one that comes first injects. */
export function besideText(names: readonly string[]): string {
  if (names.length === 0) return "none";
  const each = names.map((name) => `${name} comes ${isBeforeUs(name) ? "before" : "after"} keyferry`);
  return `${each.join(", ")} (docs/from-vault-k8s.md)`;
}

function show(checked: Checked, output: CheckFlags["output"]): void {
  if (output === "json") {
    printJson(checked);
    return;
  }
  const { registration, vaultK8s, reached, injected, isReached, isInjected, ms, plainMs } = checked;
  const rows = [
    ["registration", registration ?? "not known: the login may not list mutatingwebhookconfigurations"],
    ["vault-k8s", vaultK8s === undefined ? "not known" : besideText(vaultK8s)],
    ["reached", `${isReached ? "yes" : "no"}: ${reached}`],
    ["injected", `${isInjected ? "yes" : "no"}: ${injected}`],
    ["took", `${ms.toFixed(0)} ms; a pod without annotations: ${plainMs.toFixed(0)} ms`],
  ];
  print(table(["CHECK", "RESULT"], rows));
}
