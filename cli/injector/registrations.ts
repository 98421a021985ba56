import { register } from "../../lib/admission/register.ts";
import { clientConfig } from "../../lib/admission/registration.ts";
import { type EpochMs, SECOND_MS } from "../../lib/clock.ts";
import { described } from "../../lib/described.ts";
import type { Fleet } from "../../lib/fleet/fleet.ts";
import type { ClusterClients } from "../../lib/kubernetes/cluster-client.ts";
import { webhookConfigurations } from "../../lib/kubernetes/webhook-configurations.ts";
import type { Log } from "../../lib/ports/telemetry.ts";
import { parallel } from "../../lib/util/parallel.ts";
import type { ManagedKeys } from "./managed-keys.ts";

/** One cluster that does not answer must not hold up the others. */
const CLUSTER_MS = 10 * SECOND_MS;

export interface RegistrationDeps {
  readonly clients: Pick<ClusterClients, "send">;
  readonly keys: Pick<ManagedKeys, "wanted" | "registered">;
  readonly clock: () => EpochMs;
  readonly log: Log;
}

/** Brings the registrations of all clusters with `injector.manage` up to date. A failure is logged, and comes again. */
export async function keepRegistered(
  { clients, keys, clock, log }: RegistrationDeps,
  { injector, clusters }: Fleet,
  ca: string | undefined,
  stop: AbortSignal,
): Promise<void> {
  const api = webhookConfigurations(clients);
  const managed = clusters.filter((cluster) => cluster.injector?.manage === true);
  await parallel(managed, async ({ name, injector: own }) => {
    const url = own?.url ?? injector?.url;
    if (url === undefined) {
      log.error("injector-not-registered", {
        cluster: name,
        error: "injector.manage needs injector.url in fleet.yaml",
      });
      return;
    }
    const key = keys.wanted(name, clock());
    const wanted = clientConfig({ url, cluster: name, key, ...(ca === undefined ? {} : { ca }) });
    try {
      const did = await register(api, name, wanted, AbortSignal.any([stop, AbortSignal.timeout(CLUSTER_MS)]));
      keys.registered(name, key, clock());
      if (did !== "unchanged") log.info("injector-registered", { cluster: name, did });
    } catch (error) {
      if (!stop.aborted) log.error("injector-not-registered", { cluster: name, ...described(error) });
    }
  });
}
