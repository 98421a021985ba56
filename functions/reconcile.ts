import { randomBytes } from "node:crypto";
import { SSMClient } from "@aws-sdk/client-ssm";
import { sqsDeadLetters } from "../lib/aws/dead-letters.ts";
import { sharedDigestKey } from "../lib/aws/digest-key.ts";
import { toldOfWork } from "../lib/aws/told.ts";
import { workRecord } from "../lib/aws/work-record.ts";
import { systemDeadline, systemSleep } from "../lib/clock.ts";
import { keysWithIssues } from "../lib/issues/rows-with-issues.ts";
import { KINDS } from "../lib/kinds/registry.ts";
import { warnOfOneVault } from "../lib/nudging/same-vault.ts";
import type { Lane } from "../lib/ports/rows.ts";
import { type Reconciler, reconciler } from "../lib/reconcile/reconcile.ts";
import { goTemplates } from "../lib/templates/template-engine.ts";
import { notedCalls } from "../lib/vault/own-calls.ts";
import { tokenSeals } from "../lib/vault/token-seals.ts";
import { vaultApi } from "../lib/vault/vault-api.ts";
import { baseOf } from "./wiring/base.ts";
import { clustersOf } from "./wiring/clusters.ts";
import { queueHandler } from "./wiring/queue-handler.ts";
import { REQUESTS } from "./wiring/requests.ts";
import { tokenCacheOf } from "./wiring/token-cache.ts";

const base = baseOf(process.env);
const { config, sqs, clock, leases, events, queue, log, metrics } = base;
const clusters = clustersOf(base);
const templates = goTemplates(clock);
const ssm = new SSMClient({ requestHandler: REQUESTS });
const cache = tokenCacheOf(base);
const { credentials, reachOf, budgetOf } = clusters;
const own = notedCalls(leases.ownCalls(clock));
const vault = vaultApi({ clock, credentials, log, metrics, cache, reachOf, budgetOf, own });

let ready: Promise<Reconciler> | undefined;

async function start(): Promise<Reconciler> {
  const { parameter, kmsKey } = config.digestKey;
  const digestKey = await sharedDigestKey({ client: ssm, parameter, kmsKey, randomBytes });
  return reconciler({
    kinds: KINDS,
    leases,
    queue,
    vault,
    issues: vault.issues,
    writes: vault.writes,
    seals: tokenSeals(cache),
    ...clusters,
    templates,
    digestKey,
    installation: config.installation,
    ...(events === undefined ? {} : { events }),
    clock,
    random: Math.random,
    sleep: systemSleep,
    withDeadline: systemDeadline,
    log,
    metrics,
  });
}

/** The reconciler of this process; after a failed start the next invocation tries again. */
async function started(): Promise<Reconciler> {
  ready ??= start();
  try {
    return await ready;
  } catch (error) {
    ready = undefined;
    throw error;
  }
}

/**
 * With each sweep of all tokens, a count of the syncs that have something in Vault, a read of indexes alone, and a
 * warning of names in fleet.yaml that lead to one Vault.
 */
const handle: Reconciler["handle"] = async (message, signal, ...more) => {
  const { handle: work, ca } = await started();
  const report = await work(message, signal, ...more);
  if (message.kind !== "token-sweep" || message.cluster !== undefined) return report;
  await warnOfOneVault({ vault, log }, ca, base.fleet.known()?.current().vaults ?? [], signal);
  const keys = await keysWithIssues(leases);
  if (keys.length > 0) metrics.count("keyferry_syncs_with_issues", {}, keys.length);
  return report;
};

const ofLane = (lane: Lane) => ({
  handle,
  queue,
  deadLetters: sqsDeadLetters({ client: sqs, url: config[lane].deadLetters }),
  clock,
  log,
  metrics,
});
const LANES = ["renew", "now", "refresh"] as const satisfies readonly Lane[];
const lanes = new Map(LANES.map((lane) => [config[lane].url.split("/").at(-1) ?? "", ofLane(lane)]));
const now = ofLane("now");

/** Processes a batch of messages of one lane: each key reaches its declared state. */
export const handler = queueHandler(
  base,
  async () => void (await Promise.all([clusters.refresh(), started()])),
  (record, deadline) => {
    const lane = lanes.get(record.eventSourceARN.split(":").at(-1) ?? "") ?? now;
    return workRecord(lane, record, deadline);
  },
  toldOfWork,
);
