import { randomUUID } from "node:crypto";
import { destination } from "pino";
import { SECOND_MS, systemClock } from "../lib/clock.ts";
import { type Doctor, examineFleet } from "../lib/doctor/doctor.ts";
import type { Finding, Remedy } from "../lib/doctor/finding.ts";
import { hubFindings } from "../lib/doctor/hubs.ts";
import { nameFindings } from "../lib/doctor/vault/names.ts";
import { reachOfFleet, trustAnchors } from "../lib/fleet/vaults.ts";
import { caCache } from "../lib/references/ca-cache.ts";
import { jsonLog } from "../lib/telemetry/log.ts";
import { prometheusMetrics } from "../lib/telemetry/metrics.ts";
import { vaultExaminer } from "../lib/vault/examiner.ts";
import { vaultClient } from "../lib/vault/vault-client.ts";
import { type DoctorInputs, doctorInputs } from "./doctor-inputs.ts";
import { stackFindings } from "./doctor-stack.ts";
import { doctorText, doctorView, exitCodeOf, mendText } from "./doctor-view.ts";
import { mustBeOne, namedClusters } from "./named-clusters.ts";
import { print, printJson, say } from "./output.ts";
import type { PlanSource } from "./plan-inputs.ts";
import { reachedFleet } from "./reached-fleet.ts";
import { stopSignal, WITH_HANG_UP } from "./stop-signal.ts";

export interface DoctorFlags extends PlanSource {
  readonly output: "table" | "json";
  readonly mend?: Remedy["kind"];
  /** The kubectl context in the printed commands. */
  readonly context?: string;
}

/** For one connection or request: a dead cluster costs no more. */
const TIMEOUT_MS = 8 * SECOND_MS;
const CONNECTIONS_PER_VAULT = 8;

/** Examines clusters and what they need, and shows what mends them. Exits with 1 if there are errors, else with 0. */
export async function doctorCommand(names: readonly string[], flags: DoctorFlags): Promise<number> {
  const stop = stopSignal(() => say("stopped"), WITH_HANG_UP);
  const inputs = await doctorInputs(flags);
  const ofStack = flags.stack === undefined ? [] : await stackFindings(flags.stack, stop);
  const { clusters, findings: ofClusters } =
    "code" in inputs
      ? { clusters: [], findings: [inputs] }
      : await examined(inputs, names, { ...flags, mayExec: flags.stack === undefined, signal: stop });
  if (stop.aborted) return 1;
  const findings = [...ofStack, ...ofClusters];
  show(findings, clusters, flags);
  return exitCodeOf(findings);
}

function show(findings: readonly Finding[], clusters: readonly string[], flags: DoctorFlags): void {
  const { output, mend, context } = flags;
  const [cluster] = forOne(flags) === undefined ? [] : clusters;
  if (mend !== undefined) {
    print(
      mendText(findings, mend, {
        ...(cluster !== undefined && { cluster }),
        ...(context !== undefined && { context }),
      }),
    );
    return;
  }
  if (output === "json") printJson(doctorView(findings, clusters));
  else print(doctorText(findings, clusters.length, context));
}

/**
 * The option that is for one cluster, because kubectl works in one: what is piped to it, or to a shell, must not mix
 * several. What to set in fleet.yaml names its clusters.
 */
function forOne({ mend, context }: Pick<DoctorFlags, "mend" | "context">): string | undefined {
  if (mend === "manifest" || mend === "commands") return `--mend ${mend}`;
  return context === undefined ? undefined : "--context";
}

interface Examination {
  /** The names of the clusters. */
  readonly clusters: readonly string[];
  readonly findings: readonly Finding[];
}

/** Everything that the examination uses can only read, besides logins to Vault, which it revokes. */
async function examined(
  { fleet: own, files, installation, store }: DoctorInputs,
  names: readonly string[],
  how: Pick<DoctorFlags, "mend" | "context"> & { readonly mayExec: boolean; readonly signal: AbortSignal },
): Promise<Examination> {
  await using leases = store;
  const { mayExec, signal, context } = how;
  const clock = systemClock;
  const log = jsonLog("silent", destination({ fd: 2, sync: true }));
  const { clients, apis, access, fleet, close } = await reachedFleet({ own, files, leases, log, mayExec }, signal);
  const reachOf = reachOfFleet(() => fleet);
  const client = vaultClient({ clock, maxConnectionsPerVault: CONNECTIONS_PER_VAULT, reachOf });
  const anchors = trustAnchors(() => fleet.vaults, files);
  const doctor: Doctor = {
    ...{ clock, clients, apis, access, files, vaults: fleet.vaults, leases, timeoutMs: TIMEOUT_MS },
    examiner: vaultExaminer({ client, credentials: apis.credentials, clock, reachOf }),
    ca: caCache({ credentials: apis.credentials, clock, anchors }),
    ...(installation !== undefined && { installation }),
    ...(context !== undefined && { context }),
    discovery: {
      ...{ leases, clusters: apis.clusters, clock, log, random: Math.random, metrics: prometheusMetrics() },
      resources: { get: apis.resources.get, ...NO_WRITES },
      installation: installation ?? randomUUID(),
      queue: { send: async () => undefined },
    },
    onDone: (name, found) => say(`${name}: ${summary(found)}`),
  };
  try {
    const clusters = namedClusters(fleet, names, "doctor");
    const one = forOne(how);
    if (one !== undefined) mustBeOne(clusters, one, "doctor");
    say(`examining ${clusters.length} ${clusters.length === 1 ? "cluster" : "clusters"}`);
    const findings = [
      ...hubFindings(fleet),
      ...(await nameFindings(doctor, signal)),
      ...(await examineFleet(doctor, clusters, signal)),
    ];
    return { clusters: clusters.map(({ name }) => name), findings };
  } finally {
    await client.close();
    await close();
  }
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
