import { randomBytes } from "node:crypto";
import { setTimeout as sleepFor } from "node:timers/promises";
import { functionRegistrar } from "../lib/admission/function-registrar.ts";
import { knowsKeyAt } from "../lib/admission/probe.ts";
import { sqsDeadLetters } from "../lib/aws/dead-letters.ts";
import { sqsDiscoveryQueue } from "../lib/aws/discovery-queue.ts";
import { discoveryRecord } from "../lib/aws/discovery-record.ts";
import { toldOfWatchPasses } from "../lib/aws/told.ts";
import { SECOND_MS } from "../lib/clock.ts";
import { runWatchPass } from "../lib/discovery/watch-pass.ts";
import type { Hub } from "../lib/fleet/hub-schema.ts";
import { isFunctionUrl } from "../lib/fleet/injector-serving-schema.ts";
import { hubPass } from "../lib/hubs/pass.ts";
import { partsOfPlace } from "../lib/hubs/places.ts";
import { hubTeller } from "../lib/hubs/tell.ts";
import { webhookConfigurations } from "../lib/kubernetes/webhook-configurations.ts";
import { circuitOpener } from "../lib/outage/circuit.ts";
import { baseOf } from "./wiring/base.ts";
import { clustersOf } from "./wiring/clusters.ts";
import { queueHandler } from "./wiring/queue-handler.ts";

/** Long enough for bookmarks, which need watches of 3 s or more (lease-table 19). */
const WATCH_SECONDS = 5;
/** Each function reads a changed fleet.yaml again within half a minute. */
const SETTINGS_LAG_MS = 35 * SECOND_MS;
/** Less than a minute, so that the cluster is due at each tick. */
const AGAIN_MS = 30 * SECOND_MS;

const base = baseOf(process.env);
const { config, sqs, clock, leases, queue, log, metrics } = base;
const clusters = clustersOf(base);
const deps = {
  leases,
  queue,
  ...clusters,
  installation: config.installation,
  clock,
  random: Math.random,
  newHmacKey: () => randomBytes(16),
  log,
  metrics,
};
const circuits = circuitOpener(deps);
const acceptMissing = new Set(config.acceptMissing);
const registrar = functionRegistrar({
  registrations: webhookConfigurations(clusters.clients),
  files: base.fleet.files,
  knowsKeyAt,
  clock,
  log,
  metrics,
});
const tellHub = hubTeller(log);

/** Processes a batch of clusters: changes since the stored resourceVersion become rows and nudges. */
export const handler = queueHandler(
  base,
  () => clusters.refresh(),
  (record, deadline) =>
    discoveryRecord(
      {
        fenceOf,
        watchPass: runPass,
        queue: sqsDiscoveryQueue({ client: sqs, url: config.discovery.url }),
        deadLetters: sqsDeadLetters({ client: sqs, url: config.discovery.deadLetters }),
        log,
        metrics,
      },
      record,
      deadline,
    ),
  toldOfWatchPasses,
);

async function fenceOf(name: string): Promise<number | undefined> {
  const hub = hubOf(name);
  if (hub !== undefined) return (await leases.hubs()).find((row) => row.name === hub.name)?.fence ?? 0;
  return clusters.fleet(name) && ((await leases.cluster(name))?.fence ?? 0);
}

function hubOf(name: string): Hub | undefined {
  const place = partsOfPlace(name);
  return place && base.fleet.live().hub(place.hub);
}

async function runHubPass(hub: Hub, signal: AbortSignal): Promise<void> {
  const fleet = base.fleet.live().current();
  const { state } = await hubPass(
    { ...deps, forget: clusters.forget },
    { fleet, hub, accepted: acceptMissing, hasTimeLimit: true },
    signal,
  );
  if (state !== undefined) tellHub(hub.name, state, await base.fleet.renewed());
}

async function runPass(name: string, signal: AbortSignal): Promise<void> {
  const hub = hubOf(name);
  if (hub !== undefined) return runHubPass(hub, signal);
  const settings = clusters.fleet(name);
  if (!settings) return;
  const options = {
    seconds: WATCH_SECONDS,
    againMs: AGAIN_MS,
    probeRevision: false,
    acceptMissing: acceptMissing.has(name),
    settingsLagMs: SETTINGS_LAG_MS,
    hasTimeLimit: true,
    sleep,
  };
  const { injector } = base.fleet.live().current();
  const url = settings.injector?.url ?? injector?.url;
  const caFile = url !== undefined && isFunctionUrl(url) ? undefined : injector?.caFile;
  await Promise.all([
    runWatchPass(deps, circuits, settings, options, signal),
    registrar.keep(settings, { url, caFile }, signal),
  ]);
}

/** Resolves early, without an error, when the signal aborts. */
async function sleep(ms: number, signal: AbortSignal): Promise<void> {
  await sleepFor(ms, undefined, { signal }).catch(() => undefined);
}
