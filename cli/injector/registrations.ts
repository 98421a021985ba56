import { type Ownership, type Registered, register } from "../../lib/admission/register.ts";
import { type ClientConfig, clientConfig } from "../../lib/admission/registration.ts";
import { type EpochMs, SECOND_MS } from "../../lib/clock.ts";
import { described } from "../../lib/described.ts";
import { SyncError } from "../../lib/errors.ts";
import type { Fleet, FleetCluster } from "../../lib/fleet/fleet.ts";
import { keyHash } from "../../lib/injector-keys.ts";
import type { ClusterClients } from "../../lib/kubernetes/cluster-client.ts";
import { webhookConfigurations } from "../../lib/kubernetes/webhook-configurations.ts";
import type { Log, Metrics } from "../../lib/ports/telemetry.ts";
import { parallel } from "../../lib/util/parallel.ts";
import type { ManagedKeys } from "./managed-keys.ts";
import { type Reached, whoIsAt } from "./self-probe.ts";

/** One cluster that does not answer must not hold up the others. */
const CLUSTER_MS = 10 * SECOND_MS;

export interface RegistrationDeps {
  readonly clients: Pick<ClusterClients, "send">;
  readonly keys: ManagedKeys;
  readonly clock: () => EpochMs;
  readonly log: Log;
  readonly metrics: Pick<Metrics, "count">;
  /** What this process did last in each cluster. */
  readonly done: Map<string, Registered>;
}

/**
 * Brings the registrations of all clusters with `injector.manage` up to date. A failure is logged. Whether all answered:
 * otherwise it is worth while to come again soon.
 */
export async function keepRegistered(
  deps: RegistrationDeps,
  { injector, clusters }: Fleet,
  ca: string | undefined,
  stop: AbortSignal,
): Promise<boolean> {
  const { log, metrics } = deps;
  let haveAnswered = true;
  // With managedKeyFile, the webhook is the function, and its stack registers it.
  const managed = clusters.filter(({ injector: one }) => one?.manage === true && one.managedKeyFile === undefined);
  endOthers(deps, new Set(managed.map(({ name }) => name)));
  await parallel(managed, async (cluster) => {
    const { name } = cluster;
    const count = (result: Registered | "failed"): void =>
      metrics.count("keyferry_injector_registrations_total", { cluster: name, result });
    const url = cluster.injector?.url ?? injector?.url;
    if (url === undefined) {
      const error = "injector.manage needs injector.url in fleet.yaml";
      log.error("injector-not-registered", { cluster: name, error });
      count("failed");
      return;
    }
    try {
      const signal = AbortSignal.any([stop, AbortSignal.timeout(CLUSTER_MS)]);
      const did = await registerOne(deps, cluster, { url, ca }, signal);
      count(did);
      tell(deps, name, did);
    } catch (error) {
      if (stop.aborted) return;
      haveAnswered = false;
      log.error("injector-not-registered", { cluster: name, ...described(error) });
      count("failed");
    }
  });
  return haveAnswered;
}

/** Keys of clusters that are no longer managed end: nobody replaces them. */
function endOthers({ keys, clock, log, done }: RegistrationDeps, managed: ReadonlySet<string>): void {
  // Managed again one day, the cluster is a new one to this process, as after a restart.
  for (const name of done.keys()) if (!managed.has(name)) done.delete(name);
  const { ending, ended } = keys.manages(managed, clock());
  for (const { cluster, by } of ending) {
    const message =
      "keyferry no longer manages the registration, and refuses its key from then on: delete the registration, or apply one with a key of keyferry injector key";
    log.warn("injector-key-ends", { cluster, by: new Date(by).toISOString(), message });
  }
  for (const cluster of ended) log.info("injector-key-ended", { cluster });
}

interface Place {
  readonly url: string;
  readonly ca: string | undefined;
}

async function registerOne(
  { clients, keys, clock, done }: RegistrationDeps,
  { name, injector }: FleetCluster,
  { url, ca }: Place,
  signal: AbortSignal,
): Promise<Registered> {
  const key = keys.wanted(name, clock());
  const wanted = clientConfig({ url, cluster: name, key, ...(ca === undefined ? {} : { ca }) });
  const ownership: Ownership = {
    isOwn: (one) =>
      keys.of(name, clock()).includes(one) ||
      keys.hasEnded(name, one, clock()) ||
      (injector?.keys ?? []).includes(keyHash(one)),
    mayTakeOver: async (found) => isOurs(found, wanted, done.get(name), () => whoIsAt(wanted.url, ca, signal)),
  };
  const attempt = (): Promise<Registered> => register(webhookConfigurations(clients), name, wanted, ownership, signal);
  const did = await attempt().catch((error: unknown) => {
    // Somebody changed it after it was read: what is there now decides.
    if (error instanceof SyncError && error.code === "KUBE_CONFLICT") return attempt();
    throw error;
  });
  if (did !== "left") keys.registered(name, key, clock());
  return did;
}

/**
 * Whether this process registers in place of another keyferry. Of two with one URL, the one that it leads to does. Of two
 * with URLs of their own, the one that came last: the other one, which has registered before, leaves it.
 */
async function isOurs(
  found: ClientConfig,
  wanted: ClientConfig,
  before: Registered | undefined,
  whoIsThere: () => Promise<Reached>,
): Promise<boolean> {
  const reached = originOf(found) === originOf(wanted) ? await whoIsThere() : "unknown";
  return reached === "unknown" ? before === undefined : reached === "this";
}

function originOf({ url }: ClientConfig): string | undefined {
  return URL.parse(url)?.origin;
}

const MESSAGES: Readonly<Partial<Record<Registered, string>>> = {
  left: "another keyferry manages the registration of this cluster: set injector.manage in one of them only",
  "taken-over": "the registration had a key that is not known here: another keyferry, or another data directory",
};

/** Once for each change: a registration that is left is looked at every few minutes. */
function tell({ log, done }: RegistrationDeps, cluster: string, did: Registered): void {
  const before = done.get(cluster);
  done.set(cluster, did);
  if (did === "unchanged" || (did === "left" && before === "left")) return;
  const message = MESSAGES[did];
  if (did === "left") log.error("injector-registration-left", { cluster, message });
  else
    log[message === undefined ? "info" : "warn"]("injector-registered", { cluster, did, ...(message && { message }) });
}
