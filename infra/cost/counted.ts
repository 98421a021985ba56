/** What tests count: they hold these figures, and docs/cost.md calculates with them. After a change: `npm run generate`. */
export const COUNTED = {
  /** Each minute, in capacity units of DynamoDB. test/contract/dynamodb/refresh-slots.contract.ts */
  tick: { reads: 7, readsPerPeriod: 2, writes: 4 },
  /** One watch pass over one cluster. The same file. */
  pass: { reads: 1, writes: 3 },
  /** A message of refreshes that find nothing new. The same file, and units.contract.ts. */
  refresh: { readsPerRow: 0.5, readsPerReference: 0.5, readsPerMessage: 1, writes: 0 },
  /** Claim and settle of a refresh that found a difference. test/contract/dynamodb/units.contract.ts */
  difference: { writes: 10 },
  /** Keys in a message, messages in a request, watch passes in a message: test/docs/cost.test.ts holds them to the code. */
  sizes: { keysPerMessage: 25, messagesPerRequest: 10, passesPerMessage: 50 },
} as const;

/** List prices in USD, us-east-1, as of 2026-11, without free tiers: to be checked before anybody relies on a total. */
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
  trace: 5e-6,
  kmsKeyMonth: 1,
  kmsRequest: 3e-6,
  s3Get: 0.4e-6,
  event: 1e-6,
  transferGb: 0.09,
} as const;

/** What no test can count without an account: assumptions, on the high side. */
export const ASSUMED = {
  /** Seconds that a function runs, warm, and GB of memory that it is given (serverless.yml). */
  tick: { seconds: 1, gb: 0.25 },
  pass: { seconds: 7, gb: 0.5 },
  message: { seconds: 0.5, gb: 0.5 },
  /** References that the syncs of a message name together, for each of its keys. */
  referencesPerKey: 1,
  /** Clusters' rows that one read unit holds. */
  clustersPerReadUnit: 5,
  /** An event source that finds nothing asks its queue so often in a minute. */
  pollsPerQueueMinute: 15,
  /** Lines of the runtime and of metrics. */
  logKbPerInvocation: 1.5,
  /** Metrics that a fleet at peace sends, each with one set of labels. */
  metrics: 8,
  /** KB that leave AWS with one read of Vault, and with one watch pass over a cluster. */
  kbPerVaultRead: 1,
  kbPerPass: 20,
  /** Processes that read the fleet object each 30 s. */
  fleetReaders: 5,
  /** Of a row with its index entries and of backups, KB. */
  rowKb: 3.7,
  /** How often a secret changes in Vault. */
  changesPerMonth: 1,
} as const;
