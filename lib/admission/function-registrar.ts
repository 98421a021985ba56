import { type Clock, type EpochMs, HOUR_MS, MINUTE_MS, SECOND_MS } from "../clock.ts";
import { described } from "../described.ts";
import { SyncError } from "../errors.ts";
import { KEY_PATTERN, keyHash } from "../injector-keys.ts";
import type { FleetFiles } from "../ports/fleet-files.ts";
import type { Log, Metrics } from "../ports/telemetry.ts";
import { type Registered, type Registrations, register } from "./register.ts";
import { clientConfig } from "./registration.ts";

/**
 * Registers the webhook of the function in clusters with `injector.manage`. The function that reads the clusters does it:
 * the one that reviews pods reaches nothing.
 */
export interface FunctionRegistrar {
  /** Every few minutes, looks at the registration of a cluster. Never rejects: a failure is logged, and comes again. */
  keep(cluster: ManagedCluster, place: WebhookPlace, signal: AbortSignal): Promise<void>;
}

/** Where API servers find the webhook, as fleet.yaml says it. */
export interface WebhookPlace {
  readonly url: string | undefined;
  /** Of what stands before the function; undefined: API servers trust its certificate anyway. */
  readonly caFile: string | undefined;
}

/** The parts of a cluster of the fleet that count here. */
export interface ManagedCluster {
  readonly name: string;
  readonly injector?: {
    readonly manage?: boolean;
    readonly keys?: readonly string[];
    readonly managedKeyFile?: string;
  };
}

export interface FunctionRegistrarDeps {
  readonly registrations: Registrations;
  readonly files: Pick<FleetFiles, "text">;
  /** Whether the function behind this URL knows the key in it; undefined: it can't be told. */
  readonly knowsKeyAt: (url: string, ca: string | undefined, signal: AbortSignal) => Promise<boolean | undefined>;
  readonly clock: Clock;
  readonly log: Pick<Log, "info" | "error">;
  readonly metrics: Pick<Metrics, "count">;
}

const AGAIN_MS = 5 * MINUTE_MS;
/** How often the function is asked about a registration that stays: each time is an invocation. */
const ASK_MS = HOUR_MS;
/** One that does not answer must not take the time of the watch pass. */
const CLUSTER_MS = 10 * SECOND_MS;

const LEFT =
  "the registration has a key that fleet.yaml does not have, so it belongs to another keyferry: set injector.manage in one of them only, or delete the MutatingWebhookConfiguration, and keyferry registers again";

export function functionRegistrar(deps: FunctionRegistrarDeps): FunctionRegistrar {
  const { clock, log, metrics } = deps;
  const lookedAt = new Map<string, EpochMs>();
  const askedAt = new Map<string, EpochMs>();
  return {
    async keep(cluster, place, signal) {
      const { name, injector } = cluster;
      if (injector?.manage !== true || clock() - (lookedAt.get(name) ?? Number.NEGATIVE_INFINITY) < AGAIN_MS) return;
      lookedAt.set(name, clock());
      const count = (result: Registered | "failed"): void =>
        metrics.count("keyferry_injector_registrations_total", { cluster: name, result });
      try {
        const limits = AbortSignal.any([signal, AbortSignal.timeout(CLUSTER_MS)]);
        const did = await registered(deps, askedAt, cluster, place, limits);
        count(did);
        if (did === "left") log.error("injector-registration-left", { cluster: name, message: LEFT });
        else if (did !== "unchanged") log.info("injector-registered", { cluster: name, did });
      } catch (error) {
        log.error("injector-not-registered", { cluster: name, ...described(error) });
        count("failed");
      }
    },
  };
}

async function registered(
  { registrations, files, knowsKeyAt, clock }: FunctionRegistrarDeps,
  askedAt: Map<string, EpochMs>,
  { name, injector }: ManagedCluster,
  { url, caFile }: WebhookPlace,
  signal: AbortSignal,
): Promise<Registered> {
  const { keys = [], managedKeyFile } = injector ?? {};
  if (url === undefined) throw invalid("injector.manage needs injector.url in fleet.yaml: the output InjectorUrl");
  if (managedKeyFile === undefined) {
    throw invalid(
      `injector.manage of cluster ${name} needs managedKeyFile on AWS: the function knows no keys but those of fleet.yaml, and so none of a hub's clusters`,
    );
  }
  const key = (await files.text(managedKeyFile)).trim();
  if (!KEY_PATTERN.test(key) || !keys.includes(keyHash(key))) {
    throw invalid(
      `${managedKeyFile} holds no key whose hash is among injector.keys of cluster ${name}: write it with keyferry injector key, and deploy its hash first`,
    );
  }
  const isOwn = (one: string): boolean => keys.includes(keyHash(one));
  const ca = caFile === undefined ? undefined : await files.text(caFile);
  const wanted = clientConfig({ url, cluster: name, key, ...(ca === undefined ? {} : { ca }) });
  /** The function knows the keys of its package, whatever fleet.yaml has. Without the key, it would refuse every pod. */
  const ask = async (): Promise<void> => {
    if ((await knowsKeyAt(wanted.url, ca, signal)) === false) {
      throw invalid(
        `the function does not know the key of ${managedKeyFile}, and would refuse every pod of cluster ${name} with annotations: deploy its hash first`,
      );
    }
    askedAt.set(name, clock());
  };
  const did = await register(
    asking(registrations, ask),
    name,
    wanted,
    { isOwn, mayTakeOver: async () => false },
    signal,
  );
  const isDue = clock() - (askedAt.get(name) ?? Number.NEGATIVE_INFINITY) >= ASK_MS;
  if (did === "unchanged" && isDue) await ask();
  return did;
}

/** Nothing is written before the question is answered. */
function asking({ get, apply, patch }: Registrations, ask: () => Promise<void>): Registrations {
  return {
    get,
    apply: async (...call) => {
      await ask();
      await apply(...call);
    },
    patch: async (...call) => {
      await ask();
      await patch(...call);
    },
  };
}

function invalid(message: string): SyncError {
  return new SyncError("REFERENCE_INVALID", message);
}
