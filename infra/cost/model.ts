import { periodFor } from "../../lib/schedule/wheel.ts";
import { ASSUMED, COUNTED, PRICES } from "./counted.ts";

/** The properties of a fleet that determine its cost. */
export interface Workload {
  readonly clusters: number;
  /** Each with its own path in Vault. */
  readonly syncs: number;
  readonly refreshAfterMs: number;
  /** The number of alarms in the stack. */
  readonly alarms: number;
}

/** Operations in a month of 30 days. */
export interface Operations {
  readonly refreshes: number;
  readonly messages: number;
  readonly passes: number;
  readonly passMessages: number;
  readonly invocations: number;
  readonly gbSeconds: number;
  readonly sqsRequests: number;
  readonly readUnits: number;
  readonly writeUnits: number;
  readonly traces: number;
  readonly logGb: number;
  readonly transferGb: number;
}

/** USD per month. */
export interface Cost {
  readonly lambda: number;
  readonly sqs: number;
  readonly dynamodb: number;
  readonly cloudwatch: number;
  readonly xray: number;
  /** KMS, S3, EventBridge, data transfer. */
  readonly rest: number;
  readonly total: number;
}

const MINUTES = 30 * 24 * 60;
const SECONDS = MINUTES * 60;
const KB_PER_GB = 1e6;
/** Queues with an event source: lanes, watch passes, events of audit lines that failed. */
const QUEUES = 5;

/** The stack's operations for a workload. */
export function operationsOf({ clusters, syncs, refreshAfterMs }: Workload): Operations {
  const { tick, pass, refresh, difference, events, sizes } = COUNTED;
  const periodS = periodFor(refreshAfterMs);
  const refreshes = (syncs * SECONDS) / periodS;
  const messages = SECONDS * messagesOfOneSecond(syncs / periodS);
  // Every tick finds every cluster due, because a watch pass requests the next one after 30 s.
  const passes = clusters * MINUTES;
  const passMessages = Math.ceil(clusters / sizes.passesPerMessage) * MINUTES;
  const changes = syncs * ASSUMED.changesPerMonth;
  const invocations = MINUTES + messages + passMessages;
  const sends = Math.max(messages / sizes.messagesPerRequest, Math.min(messages, 4 * MINUTES)) + passMessages;
  const tickReads =
    tick.reads + (syncs > 0 ? tick.readsPerPeriod : 0) + Math.ceil(clusters / ASSUMED.clustersPerReadUnit) - 1;
  return {
    refreshes,
    messages,
    passes,
    passMessages: passMessages,
    invocations,
    gbSeconds:
      MINUTES * ASSUMED.tick.seconds * ASSUMED.tick.gb +
      passMessages * ASSUMED.pass.seconds * ASSUMED.pass.gb +
      messages * ASSUMED.message.seconds * ASSUMED.message.gb,
    // A tick reads the queue's length; a message is sent, received and deleted; pollers also receive nothing.
    sqsRequests: MINUTES + sends + 2 * (messages + passMessages) + QUEUES * ASSUMED.pollsPerQueueMinute * MINUTES,
    readUnits:
      MINUTES * tickReads +
      passes * pass.reads +
      refreshes * (refresh.readsPerRow + ASSUMED.referencesPerKey * refresh.readsPerReference) +
      messages * refresh.readsPerMessage,
    writeUnits: MINUTES * tick.writes + passes * pass.writes + changes * (difference.writes + events.writes),
    // X-Ray samples the first request of each second, and one in twenty of the others.
    traces: Math.min(invocations, SECONDS) + Math.max(0, invocations - SECONDS) / 20,
    logGb: (invocations * ASSUMED.logKbPerInvocation) / KB_PER_GB,
    transferGb: (refreshes * ASSUMED.kbPerVaultRead + passes * ASSUMED.kbPerPass) / KB_PER_GB,
  };
}

/** The list price of the operations. */
export function costOf(workload: Workload): Cost {
  const did = operationsOf(workload);
  const tableGb = (workload.syncs * ASSUMED.rowKb) / KB_PER_GB;
  const lambda = did.gbSeconds * PRICES.lambdaGbSecond + did.invocations * PRICES.lambdaRequest;
  const sqs = did.sqsRequests * PRICES.sqsRequest;
  const dynamodb =
    did.readUnits * PRICES.readUnit +
    did.writeUnits * PRICES.writeUnit +
    tableGb * (PRICES.tableGbMonth + PRICES.backupGbMonth);
  const cloudwatch =
    did.logGb * PRICES.logGb +
    ASSUMED.metrics * PRICES.metricMonth +
    workload.alarms * PRICES.alarmMonth +
    PRICES.dashboardMonth;
  const xray = did.traces * PRICES.trace;
  // Two keys; DynamoDB requests the table's key every 5 minutes for each role.
  const kms = 2 * PRICES.kmsKeyMonth + ((3 * MINUTES) / 5) * PRICES.kmsRequest;
  const s3 = ASSUMED.fleetReaders * 2 * MINUTES * PRICES.s3Get;
  const events = MINUTES + workload.syncs * ASSUMED.changesPerMonth;
  const rest = kms + s3 + events * PRICES.event + did.transferGb * PRICES.transferGb;
  return {
    lambda,
    sqs,
    dynamodb,
    cloudwatch,
    xray,
    rest,
    total: lambda + sqs + dynamodb + cloudwatch + xray + rest,
  };
}

/** Messages per second, for `mean` keys on average at random times: a second without keys has none. */
function messagesOfOneSecond(mean: number): number {
  const most = Math.ceil(mean + 10 * Math.sqrt(mean) + 50);
  // A logarithm, because the probability of no key at all underflows when the mean is large.
  let share = -mean;
  let messages = 0;
  for (let keys = 1; keys <= most; keys++) {
    share += Math.log(mean / keys);
    messages += Math.exp(share) * Math.ceil(keys / COUNTED.sizes.keysPerMessage);
  }
  return messages;
}
