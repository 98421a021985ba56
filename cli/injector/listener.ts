import { readFile } from "node:fs/promises";
import { resolve } from "node:path";
import type { ConnectionLimits } from "../../lib/admission/connections.ts";
import { type TlsFiles, type WebhookServer, webhookServer } from "../../lib/admission/server.ts";
import { telling } from "../../lib/admission/telling.ts";
import { webhook } from "../../lib/admission/webhook.ts";
import { type Clock, MINUTE_MS, SECOND_MS } from "../../lib/clock.ts";
import { described } from "../../lib/described.ts";
import { InputError } from "../../lib/errors.ts";
import type { Fleet } from "../../lib/fleet/fleet.ts";
import type { ClusterClients } from "../../lib/kubernetes/cluster-client.ts";
import type { Log, Metrics } from "../../lib/ports/telemetry.ts";
import { codeOf } from "../../lib/util/error-code.ts";
import { parseAddress } from "../listen.ts";
import { type ManagedKeys, managedKeys } from "./managed-keys.ts";
import { type OwnCa, ownCa } from "./own-ca.ts";
import { keepRegistered, type RegistrationDeps } from "./registrations.ts";
import { servedByFleet } from "./served.ts";

/** The webhook of `keyferry run`: its listener, its certificate, and the registrations that keyferry manages. */

export interface InjectorOptions {
  /** `--injector-listen`; missing: `injector.listen` of fleet.yaml. */
  readonly listen: string | undefined;
  readonly fleet: () => Fleet;
  /** The folder of fleet.yaml. */
  readonly folder: string;
  readonly dataDir: string;
  readonly clients: Pick<ClusterClients, "send">;
  readonly clock: Clock;
  readonly randomBytes: (bytes: number) => Buffer;
  /** Waits, and resolves early when the signal aborts. */
  readonly sleep: (ms: number, signal: AbortSignal) => Promise<void>;
  readonly log: Log;
  readonly metrics: Pick<Metrics, "count" | "observe">;
  /** Enough for a large fleet when not given. */
  readonly limits?: ConnectionLimits;
}

/** How often certificates and registrations are looked after. */
const AGAIN_MS = 30 * SECOND_MS;
/** How often registrations are compared; sooner, with pauses that double, while a cluster does not answer. */
const REGISTER_MS = 5 * MINUTE_MS;

/** Serves the webhook until it is disposed of. Undefined: nothing is to be served. */
export async function startInjector(options: InjectorOptions): Promise<AsyncDisposable | undefined> {
  const listen = options.listen ?? options.fleet().injector?.listen ?? "none";
  if (listen === "none") {
    warnOfManaged(options);
    return undefined;
  }
  const { hostname, port } = parseAddress(listen, "--injector-listen");
  const keys = managedKeys(options.dataDir, options.randomBytes);
  const own = ownCa(options.dataDir);
  const tls = await tlsAt(options, own, hostname);
  const { log, metrics } = options;
  const elapsed = (): number => performance.now();
  const server = await webhookServer({
    host: hostname,
    port,
    ...(options.limits === undefined ? {} : { limits: options.limits }),
    tls: tls.tls,
    webhook: webhook({
      served: servedByFleet(options.fleet, keys, options.clock),
      elapsed,
      ...telling(options),
    }),
    elapsed,
    onDropped: (whose) => metrics.count("keyferry_injector_connections_dropped_total", { whose }),
    onCrash: (error) => log.error("webhook-crashed", described(error)),
  }).catch((error: unknown) => {
    const why = codeOf(error) ?? "its certificate or its key can't be used";
    throw new InputError("--injector-listen", [`${listen} cannot be used (${why}): choose another address, or none`]);
  });
  log.info("injector-started", { listening: `https://${hostname}:${server.port}` });
  const stop = new AbortController();
  const looking = lookAfter({ ...options, hostname, server, keys, own, first: tls, done: new Map() }, stop.signal);
  return {
    async [Symbol.asyncDispose]() {
      stop.abort();
      await Promise.all([looking, server[Symbol.asyncDispose]()]);
    },
  };
}

/** Registrations come from a process with a listener. */
function warnOfManaged({ fleet, log }: Pick<InjectorOptions, "fleet" | "log">): void {
  const managed = fleet().clusters.flatMap(({ name, injector }) => (injector?.manage === true ? [name] : []));
  if (managed.length === 0) return;
  const message = "injector.manage has no effect without a listener: set injector.listen or --injector-listen";
  log.warn("injector-not-registered", { message, clusters: managed });
}

interface Served extends InjectorOptions {
  readonly hostname: string;
  readonly server: WebhookServer;
  readonly keys: ManagedKeys;
  readonly own: OwnCa;
  readonly first: ServedTls;
  readonly done: RegistrationDeps["done"];
}

interface ServedTls {
  readonly tls: TlsFiles;
  /** What registrations hold; missing: API servers trust it anyway. */
  readonly ca?: string;
}

/** Gives the listener certificates that changed, and brings managed registrations up to date. */
async function lookAfter(served: Served, stop: AbortSignal): Promise<void> {
  const { log, sleep, server, own, hostname } = served;
  const registrations = registering(served, stop);
  let now = served.first;
  while (!stop.aborted) {
    try {
      const next = await tlsAt(served, own, hostname);
      if (next.tls.cert !== now.tls.cert) {
        server.use(next.tls);
        log.info("injector-certificate-changed", {});
      }
      now = next;
    } catch (error) {
      // The listener keeps what it has.
      const why = error instanceof InputError ? { error: error.message } : described(error);
      log.error("injector-certificate-unusable", why);
    }
    await registrations(now.ca);
    await sleep(AGAIN_MS, stop);
  }
}

/** Registers when the fleet or the CA changed, each five minutes, and soon after a failure. */
function registering(served: Served, stop: AbortSignal): (ca: string | undefined) => Promise<void> {
  const { clock, log } = served;
  let registered: { readonly fleet: Fleet; readonly ca: string | undefined } | undefined;
  let [nextAt, pauseMs] = [0, AGAIN_MS];
  return async (ca) => {
    const fleet = served.fleet();
    if (fleet === registered?.fleet && ca === registered.ca && clock() < nextAt) return;
    registered = { fleet, ca };
    const isDone = await keepRegistered(served, fleet, ca, stop).catch((error: unknown) => {
      // Its keys can't be stored, for example.
      log.error("injector-not-registered", described(error));
      return false;
    });
    nextAt = clock() + (isDone ? REGISTER_MS : pauseMs);
    pauseMs = isDone ? AGAIN_MS : Math.min(2 * pauseMs, REGISTER_MS);
  };
}

async function tlsAt(options: InjectorOptions, own: OwnCa, hostname: string): Promise<ServedTls> {
  const { clock, folder, log } = options;
  const fleet = options.fleet();
  const { certFile, keyFile, caFile } = fleet.injector ?? {};
  const registered = caFile === undefined ? undefined : await pem(folder, caFile);
  if (certFile !== undefined && keyFile !== undefined) {
    const [cert, key] = await Promise.all([pem(folder, certFile), pem(folder, keyFile)]);
    return { tls: { cert, key }, ...(registered === undefined ? {} : { ca: registered }) };
  }
  const { tls, ca, isFirst, successorBy } = await own.at(hostsOf(fleet, hostname), clock());
  if (isFirst) {
    const message =
      "there was none in the data directory: registrations with the CA of another one refuse it, so print them with this data directory";
    log.info("injector-ca-made", { message });
  }
  if (successorBy !== undefined) {
    const isByHand = fleet.clusters.some(({ injector }) => injector?.manage !== true && injector?.keys?.length);
    log[isByHand ? "warn" : "info"]("injector-ca-renewed", {
      message: "apply the output of keyferry injector manifests again in clusters without injector.manage",
      by: new Date(successorBy).toISOString(),
    });
  }
  return { tls, ca: registered ?? ca };
}

async function pem(folder: string, path: string): Promise<string> {
  const at = resolve(folder, path);
  return readFile(at, "utf8").catch((error: unknown) => {
    throw new InputError(at, [`it can't be read (${codeOf(error) ?? "unknown"})`]);
  });
}

const ANY_ADDRESS = new Set(["0.0.0.0", "::"]);

/** The names that API servers ask for, and that of the listener. */
function hostsOf({ injector, clusters }: Fleet, hostname: string): readonly string[] {
  const urls = [injector?.url, ...clusters.map((cluster) => cluster.injector?.url)];
  const named = urls.flatMap((url) => (url === undefined ? [] : [new URL(url).hostname.replace(/^\[|\]$/g, "")]));
  const listening = ANY_ADDRESS.has(hostname) ? [] : [hostname];
  const hosts = [...new Set([...named, ...listening])].sort();
  return hosts.length === 0 ? ["localhost"] : hosts;
}
