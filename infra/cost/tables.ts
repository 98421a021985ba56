import { HOUR_MS, SECOND_MS } from "../../lib/clock.ts";
import { PRICES } from "./counted.ts";
import { costOf, operationsOf, type Workload } from "./model.ts";

interface Example extends Workload {
  readonly name: string;
}

/** The number of alarms in infra/alarms.yml and infra/events/vault-audit.yml: a test compares them. */
export const ALARMS = 28;

const of = (name: string, clusters: number, syncs: number, refreshAfterMs: number): Example => ({
  name,
  clusters,
  syncs,
  refreshAfterMs,
  alarms: ALARMS,
});

export const EXAMPLES: readonly Example[] = [
  of("10 clusters, no sync", 10, 0, HOUR_MS),
  of("500 syncs, 10 clusters, 1h", 10, 500, HOUR_MS),
  of("500 syncs, 10 clusters, 30s", 10, 500, 30 * SECOND_MS),
  of("10,000 syncs, 100 clusters, 1h", 100, 10_000, HOUR_MS),
  of("10,000 syncs, 100 clusters, 30s", 100, 10_000, 30 * SECOND_MS),
];

/** The estimated parts of docs/cost.md, by the name of their marker. */
export function costTables(): ReadonlyMap<string, string> {
  return new Map([
    [
      "prices",
      table(
        ["input", "USD"],
        Object.entries(PRICES).map(([name, price]) => [nameOf(name), priceOf(price)]),
      ),
    ],
    ["operations", operationsTable()],
    ["totals", totalsTable()],
  ]);
}

/** The page with new content between each pair of markers. */
export function withTables(page: string): string {
  let text = page;
  for (const [name, content] of costTables()) {
    const between = new RegExp(`(<!-- ${name} -->\n)[^]*?(<!-- /${name} -->)`);
    if (!between.test(text)) throw new Error(`docs/cost.md has no place for ${name}`);
    text = text.replace(between, (_, open: string, close: string) => `${open}${content}\n${close}`);
  }
  return text;
}

function operationsTable(): string {
  const rows = EXAMPLES.map((example) => {
    const { refreshes, messages, passes, invocations, gbSeconds, sqsRequests, readUnits, writeUnits } =
      operationsOf(example);
    const counts = [refreshes, messages, passes, invocations, gbSeconds, sqsRequests, readUnits, writeUnits];
    return [example.name, ...counts.map(millions)];
  });
  const head = ["in a month, millions", "refreshes", "messages", "watch passes", "invocations", "GB-s", "SQS requests"];
  return table([...head, "read units", "write units"], rows);
}

function totalsTable(): string {
  const rows = EXAMPLES.map((example) => {
    const { lambda, sqs, dynamodb, cloudwatch, xray, rest, total } = costOf(example);
    return [example.name, ...[lambda, sqs, dynamodb, cloudwatch, xray, rest].map(dollars), `**${dollars(total)}**`];
  });
  return table(["USD in a month", "Lambda", "SQS", "DynamoDB", "CloudWatch", "X-Ray", "rest", "total"], rows);
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  return [head, head.map(() => "---"), ...rows].map((cells) => `| ${cells.join(" | ")} |`).join("\n");
}

function millions(count: number): string {
  return (count / 1e6).toFixed(count < 1e6 ? 2 : 1);
}

export function dollars(amount: number): string {
  return amount.toFixed(amount < 10 ? 2 : 0);
}

/** Small prices are given per million. */
function priceOf(price: number): string {
  return price < 1e-3 ? `${Number((price * 1e6).toPrecision(6))} for a million` : String(price);
}

const NAMES: Readonly<Record<keyof typeof PRICES, string>> = {
  lambdaGbSecond: "Lambda, GB-s on arm64",
  lambdaRequest: "Lambda, invocation",
  sqsRequest: "SQS, request to a standard queue",
  readUnit: "DynamoDB on demand, read unit",
  writeUnit: "DynamoDB on demand, write unit",
  tableGbMonth: "DynamoDB, GB stored for a month",
  backupGbMonth: "DynamoDB, GB of point-in-time recovery for a month",
  logGb: "CloudWatch, GB of logs taken in",
  metricMonth: "CloudWatch, metric for a month",
  alarmMonth: "CloudWatch, alarm for a month",
  dashboardMonth: "CloudWatch, dashboard for a month",
  trace: "X-Ray, trace recorded",
  kmsKeyMonth: "KMS, key for a month",
  kmsRequest: "KMS, request",
  s3Get: "S3, GET",
  event: "EventBridge, event",
  transferGb: "Data transfer to the internet, GB",
};

function nameOf(name: string): string {
  return NAMES[name as keyof typeof PRICES];
}
