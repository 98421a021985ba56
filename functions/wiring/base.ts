import { Logger } from "@aws-lambda-powertools/logger";
import { Metrics as Emf } from "@aws-lambda-powertools/metrics";
import { SQSClient } from "@aws-sdk/client-sqs";
import { functionLog, LineFormatter } from "../../lib/aws/function-log.ts";
import { type FunctionMetrics, functionMetrics } from "../../lib/aws/function-metrics.ts";
import { functionTraces, type Traces } from "../../lib/aws/function-traces.ts";
import { sqsWorkQueue } from "../../lib/aws/work-queue.ts";
import { type Clock, systemClock } from "../../lib/clock.ts";
import type { DomainEvents } from "../../lib/domain-events/domain-events.ts";
import { type HubbedSource, hubbedSource } from "../../lib/hubs/hubbed-source.ts";
import type { WorkQueue } from "../../lib/ports/queue.ts";
import type { Log } from "../../lib/ports/telemetry.ts";
import { damageReport } from "../../lib/store/damage.ts";
import { dynamoClient } from "../../lib/store/dynamodb/client.ts";
import { type DynamoStore, dynamoLeaseStore } from "../../lib/store/dynamodb/dynamodb-store.ts";
import { lastGuard } from "../../lib/telemetry/last-guard.ts";
import { type Config, readConfig } from "./config.ts";
import { eventsOf } from "./events.ts";
import { fleetOf } from "./fleet.ts";
import { REQUESTS } from "./requests.ts";

/** The parts that every function shares, created once per process, so that clients and connections are reused. */
export interface Base {
  readonly config: Config;
  readonly logger: Logger;
  readonly log: Log;
  readonly metrics: FunctionMetrics;
  readonly traces: Traces;
  readonly clock: Clock;
  readonly leases: DynamoStore;
  /** Missing: none are sent. */
  readonly events?: DomainEvents;
  readonly sqs: SQSClient;
  readonly queue: WorkQueue;
  /** fleet.yaml with the clusters of its hubs. */
  readonly fleet: HubbedSource;
}

export function baseOf(env: Readonly<Record<string, string | undefined>>): Base {
  const config = readConfig(env);
  const logLevel = { debug: "DEBUG", info: "INFO", warn: "WARN", error: "ERROR" } as const;
  const logger = new Logger({ logLevel: logLevel[config.logLevel], logFormatter: new LineFormatter() });
  const log = functionLog(logger);
  const metrics = functionMetrics(new Emf({ namespace: "keyferry", serviceName: config.stack }), config.metrics);
  lastGuard(process, { log, metrics });
  // Single requests are not traced: their addresses are many, and a sync has several.
  const traces = functionTraces({
    // The X-Ray SDK is loaded for the first sampled invocation.
    isSampled: () => env._X_AMZN_TRACE_ID?.includes("Sampled=1") === true,
    load: async () => {
      const { Tracer } = await import("@aws-lambda-powertools/tracer");
      return new Tracer({ serviceName: config.stack, captureHTTPsRequests: false });
    },
  });
  const clock = systemClock;
  const sqs = new SQSClient({ requestHandler: REQUESTS });
  const table = dynamoLeaseStore({
    client: dynamoClient(),
    table: config.table,
    onDamage: damageReport({ log, metrics }),
  });
  const events = eventsOf(config, { leases: table, clock, log, metrics });
  const leases = events?.seeing(table) ?? table;
  const ports = { clock, log, metrics, goodFleets: table.goodFleets };
  const urls = { renew: config.renew.url, now: config.now.url, refresh: config.refresh.url };
  return {
    config,
    logger,
    log,
    metrics,
    traces,
    clock,
    leases,
    ...(events === undefined ? {} : { events }),
    sqs,
    queue: sqsWorkQueue({ client: sqs, urls, clock }),
    // Outside AWS the bucket is not part of the host name.
    fleet: hubbedSource(fleetOf(config, ports, env.AWS_ENDPOINT_URL !== undefined), leases, clock),
  };
}
