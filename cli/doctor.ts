import { randomUUID } from "node:crypto";
import { destination } from "pino";
import { awsAccess } from "../lib/aws/aws-access.ts";
import { SECOND_MS, systemClock } from "../lib/clock.ts";
import { lazyVault } from "../lib/connect/lazy-vault.ts";
import { notInFleet } from "../lib/connect/not-in-fleet.ts";
import type { ConnectDeps } from "../lib/connect/way.ts";
import { accessTo } from "../lib/connect/ways.ts";
import { type Doctor, examineFleet } from "../lib/doctor/doctor.ts";
import type { Finding, Remedy } from "../lib/doctor/finding.ts";
import { InputError } from "../lib/errors.ts";
import type { Fleet, FleetCluster } from "../lib/fleet/fleet.ts";
import { reachOfFleet, trustAnchors } from "../lib/fleet/vaults.ts";
import { clusterClients } from "../lib/kubernetes/cluster-client.ts";
import { kubernetesApis } from "../lib/kubernetes/kubernetes-apis.ts";
import type { ClusterAccess } from "../lib/ports/cluster-access.ts";
import { caCache } from "../lib/references/ca-cache.ts";
import { jsonLog } from "../lib/telemetry/log.ts";
import { prometheusMetrics } from "../lib/telemetry/metrics.ts";
import { nearest } from "../lib/util/nearest.ts";
import { vaultExaminer } from "../lib/vault/examiner.ts";
import { vaultClient } from "../lib/vault/vault-client.ts";
import { type DoctorInputs, doctorInputs } from "./doctor-inputs.ts";
import { stackFindings } from "./doctor-stack.ts";
import { doctorText, doctorView, exitCodeOf, mendText } from "./doctor-view.ts";
import { print, printJson, say } from "./output.ts";
import type { PlanSource } from "./plan-inputs.ts";
import { stopSignal, WITH_HANG_UP } from "./stop-signal.ts";

export interface DoctorFlags extends PlanSource {
  readonly output: "table" | "json";
  readonly mend?: Remedy["kind"];
}

/** For one connection or request: a dead cluster costs no more. */
const TIMEOUT_MS = 8 * SECOND_MS;
const CONNECTIONS_PER_VAULT = 8;

/** Examines clusters and what they need, and shows what mends them. Exits with 1 if there are errors, else with 0. */
export async function doctorCommand(names: readonly string[], flags: DoctorFlags): Promise<number> {
  const stop = stopSignal(() => say("stopped"), WITH_HANG_UP);
  const inputs = await doctorInputs(flags);
  const clusters = "code" in inputs ? [] : chosen(inputs.fleet, names);
  const ofStack = flags.stack === undefined ? [] : await stackFindings(flags.stack, stop);
  const ofClusters =
    "code" in inputs
      ? [inputs]
      : await examined(inputs, clusters, { mayExec: flags.stack === undefined, signal: stop });
  if (stop.aborted) return 1;
  const findings = [...ofStack, ...ofClusters];
  show(
    findings,
    clusters.map(({ name }) => name),
    flags,
  );
  return exitCodeOf(findings);
}

function show(findings: readonly Finding[], clusters: readonly string[], { output, mend }: DoctorFlags): void {
  if (mend !== undefined) print(mendText(findings, mend));
  else if (output === "json") printJson(doctorView(findings, clusters));
  else print(doctorText(findings, clusters.length));
}

function chosen({ clusters }: Fleet, names: readonly string[]): readonly FleetCluster[] {
  const all = clusters.map(({ name }) => name);
  const complaints = names
    .filter((name) => !all.includes(name))
    .map((name) => {
      const near = nearest(name, all, () => 3);
      return `no such cluster in the fleet: ${name}${near === undefined ? "" : ` (did you mean ${near}?)`}`;
    });
  if (complaints.length > 0) throw new InputError("doctor", complaints);
  return names.length === 0 ? clusters : clusters.filter(({ name }) => names.includes(name));
}

/** Everything that the examination uses can only read, besides logins to Vault, which it revokes. */
async function examined(
  { fleet, files, installation, store }: DoctorInputs,
  clusters: readonly FleetCluster[],
  { mayExec, signal }: { readonly mayExec: boolean; readonly signal: AbortSignal },
): Promise<readonly Finding[]> {
  await using _closed = store;
  const clock = systemClock;
  const log = jsonLog("silent", destination({ fd: 2, sync: true }));
  const reachOf = reachOfFleet(() => fleet);
  const login = lazyVault(() => ({ clock, log, reachOf, files, vaults: () => fleet.vaults }));
  const access = accessOnce({ files, clock, aws: awsAccess(clock), vault: login.open, mayExec });
  const byName = new Map(fleet.clusters.map((cluster) => [cluster.name, cluster]));
  const clients = clusterClients({
    ...{ clock, log, timeoutMs: TIMEOUT_MS },
    resolve: (name, isRefused) => {
      const cluster = byName.get(name);
      if (!cluster) throw notInFleet(name);
      return access(cluster, isRefused);
    },
  });
  const apis = kubernetesApis({ clients, clock, log });
  const client = vaultClient({ clock, maxConnectionsPerVault: CONNECTIONS_PER_VAULT, reachOf });
  const anchors = trustAnchors(() => fleet.vaults, files);
  const doctor: Doctor = {
    ...{ clock, clients, apis, access, files, vaults: fleet.vaults, leases: store, timeoutMs: TIMEOUT_MS },
    examiner: vaultExaminer({ client, credentials: apis.credentials, clock, reachOf }),
    ca: caCache({ credentials: apis.credentials, clock, anchors }),
    ...(installation !== undefined && { installation }),
    discovery: {
      ...{ leases: store, clusters: apis.clusters, clock, log, random: Math.random, metrics: prometheusMetrics() },
      resources: { get: apis.resources.get, ...NO_WRITES },
      installation: installation ?? randomUUID(),
      queue: { send: async () => undefined },
    },
    onDone: (name, found) => say(`${name}: ${summary(found)}`),
  };
  say(`examining ${clusters.length} ${clusters.length === 1 ? "cluster" : "clusters"}`);
  try {
    return await examineFleet(doctor, clusters, signal);
  } finally {
    await client.close();
    clients.close();
    await login.close();
  }
}

/** Some ways make a token for each call: one is enough, unless it is refused. */
function accessOnce(ways: ConnectDeps) {
  const known = new Map<string, Promise<ClusterAccess>>();
  return (cluster: FleetCluster, isRefused = false): Promise<ClusterAccess> => {
    const found = isRefused ? undefined : known.get(cluster.name);
    const made = found ?? accessTo(cluster, ways, isRefused);
    known.set(cluster.name, made);
    return made;
  };
}

function summary(found: readonly Finding[]): string {
  const errors = found.filter(({ severity }) => severity === "error").length;
  return errors === 0 ? "no errors" : `${errors} ${errors === 1 ? "error" : "errors"}`;
}

/** Discovery would remove finalizers and write statuses. */
const NO_WRITES: Pick<Doctor["discovery"]["resources"], "writeStatus" | "emit" | "change" | "removeFinalizers"> = {
  writeStatus: () => Promise.reject(new Error("doctor writes no status")),
  emit: async () => undefined,
  change: async () => undefined,
  removeFinalizers: async () => undefined,
};
