/** Counts that tests verify and docs/cost.md uses. After a change: `npm run generate`. */
export const COUNTED = {
  /** Per minute, in capacity units of DynamoDB. test/contract/dynamodb/refresh-slots.contract.ts */
  tick: { reads: 7, readsPerPeriod: 2, writes: 4 },
  /** A watch pass over one cluster. The same file. */
  pass: { reads: 1, writes: 3 },
  /** A message of refreshes without changes. The same file, and units.contract.ts. */
  refresh: { readsPerRow: 0.5, readsPerReference: 0.5, readsPerMessage: 1, writes: 0 },
  /** Claim and settle of a refresh with a change. test/contract/dynamodb/units.contract.ts */
  difference: { writes: 10 },
  /** Its domain event: stored by the settle, and removed after it was sent. The same file. */
  events: { writes: 5 },
  /**
   * Keys per message, messages per request, watch passes per message: test/docs/cost.test.ts compares them with the
   * code.
   */
  sizes: { keysPerMessage: 25, messagesPerRequest: 10, passesPerMessage: 50 },
} as const;

/** List prices in USD, us-east-1, as of 2026-11, without free tiers: check them before relying on a total. */
export const PRICES = {
  lambdaGbSecond: 0.0000133334,
  lambdaRequest: 0.2e-6,
  sqsRequest: 0.4e-6,
  readUnit: 0.125e-6,
  writeUnit: 0.625e-6,
  tableGbMonth: 0.25,
  backupGbMonth: 0.2,
  logGb: 0.5,
  metricMonth: 0.3,
  alarmMonth: 0.1,
  dashboardMonth: 3,
  trace: 5e-6,
  kmsKeyMonth: 1,
  kmsRequest: 3e-6,
  s3Get: 0.4e-6,
  event: 1e-6,
  transferGb: 0.09,
} as const;

/** Assumptions, rather too high, about what no test can count without an account. */
export const ASSUMED = {
  /** Seconds that a warm function runs, and its memory in GB (serverless.yml). */
  tick: { seconds: 1, gb: 0.25 },
  pass: { seconds: 7, gb: 0.5 },
  message: { seconds: 0.5, gb: 0.5 },
  /** References of the syncs of a message, for each of its keys. */
  referencesPerKey: 1,
  /** Rows of clusters in one read unit. */
  clustersPerReadUnit: 5,
  /** Polls per minute of an idle queue by its event source. */
  pollsPerQueueMinute: 15,
  /** Log lines of the runtime and of metrics. */
  logKbPerInvocation: 1.5,
  /** Metrics that a fleet sends without failures, each with one set of labels. */
  metrics: 8,
  /** KB that leave AWS for a read of Vault, and for a watch pass over a cluster. */
  kbPerVaultRead: 1,
  kbPerPass: 20,
  /** Processes that read the fleet object every 30 s. */
  fleetReaders: 5,
  /** A row with its index entries and backups, in KB. */
  rowKb: 3.7,
  /** How often a secret changes in Vault. */
  changesPerMonth: 1,
} as const;
