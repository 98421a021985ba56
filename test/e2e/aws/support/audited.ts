import { readFile } from "node:fs/promises";
import { gzipSync } from "node:zlib";
import {
  CloudWatchLogsClient,
  CreateLogGroupCommand,
  CreateLogStreamCommand,
  PutLogEventsCommand,
} from "@aws-sdk/client-cloudwatch-logs";
import { EventBridgeClient, PutEventsCommand } from "@aws-sdk/client-eventbridge";
import {
  CreateBucketCommand,
  PutBucketNotificationConfigurationCommand,
  PutObjectCommand,
  S3Client,
} from "@aws-sdk/client-s3";
import { PutParameterCommand, SSMClient } from "@aws-sdk/client-ssm";
import { signPost } from "../../../../lib/inlets/signed-post.ts";
import type { Ministack } from "../../../harness/index.ts";
import type { Vault } from "../../../harness/vault/vault.ts";
import { STACK } from "./deployed.ts";

export const LOG_GROUP = "/vault/main";
export const SOURCE = "vault.main";
const BUCKET = "keyferry-test-audit";
const PREFIX = "main/";
const PARAMETER = `/${STACK}/post/main`;
export const POST_KEY = "a key of at least 32 characters, and random";

/** The inlets of the Vault as its fleet.yaml names them. */
export const EVENTS = {
  cloudwatchLogs: { logGroup: LOG_GROUP },
  eventBridge: { source: SOURCE },
  s3: { bucket: BUCKET, prefix: PREFIX },
  post: { parameter: PARAMETER },
} as const;

/** What log shippers do: each way of a line to the function. */
export interface Shippers {
  /** What a team has beside keyferry: its log group, its bucket, the key. Before the stack. */
  prepare(): Promise<void>;
  putLogs(lines: readonly string[]): Promise<void>;
  putEvents(lines: readonly string[], detailType?: string): Promise<void>;
  putObject(key: string, lines: readonly string[]): Promise<void>;
  /** Where POSTs for the Vault go. */
  postUrl(): string;
  post(body: string, options?: { readonly now?: number; readonly key?: string }): Promise<Response>;
}

export function shippers({ clientConfig, url }: Ministack, urlOf: () => string): Shippers {
  const logs = new CloudWatchLogsClient(clientConfig);
  const bus = new EventBridgeClient(clientConfig);
  const s3 = new S3Client({ ...clientConfig, forcePathStyle: true });
  const ssm = new SSMClient(clientConfig);
  /** This AWS serves a function's URL under its own address, too. */
  const postUrl = () => `${url}/_aws/lambda-url/${new URL(urlOf()).host.split(".")[0]}/main`;
  const stream = { logGroupName: LOG_GROUP, logStreamName: "audit" };
  return {
    async prepare() {
      await logs.send(new CreateLogGroupCommand({ logGroupName: LOG_GROUP }));
      await logs.send(new CreateLogStreamCommand(stream));
      await s3.send(new CreateBucketCommand({ Bucket: BUCKET }));
      const NotificationConfiguration = { EventBridgeConfiguration: {} };
      await s3.send(new PutBucketNotificationConfigurationCommand({ Bucket: BUCKET, NotificationConfiguration }));
      await ssm.send(new PutParameterCommand({ Name: PARAMETER, Value: POST_KEY, Type: "SecureString" }));
    },
    async putLogs(lines) {
      const logEvents = lines.map((message) => ({ timestamp: Date.now(), message }));
      await logs.send(new PutLogEventsCommand({ ...stream, logEvents }));
    },
    async putEvents(lines, DetailType = "VaultAuditLines") {
      const detail = DetailType === "VaultAuditLine" ? { line: lines[0] } : { lines };
      const entry = { Source: SOURCE, DetailType, Detail: JSON.stringify(detail) };
      await bus.send(new PutEventsCommand({ Entries: [entry] }));
    },
    async putObject(key, lines) {
      const Body = gzipSync(`${lines.join("\n")}\n`);
      await s3.send(new PutObjectCommand({ Bucket: BUCKET, Key: `${PREFIX}${key}`, Body }));
    },
    postUrl,
    post(body, { now = Date.now(), key = POST_KEY } = {}) {
      const bytes = Buffer.from(body);
      const headers = { ...signPost(bytes, { key: Buffer.from(key), now }), "content-type": "text/plain" };
      return fetch(postUrl(), { method: "POST", body: bytes, headers });
    },
  };
}

/** The lines that a Vault writes to its audit log while something is done. */
export async function linesOf({ auditPath }: Vault, work: () => Promise<unknown>): Promise<readonly string[]> {
  const before = (await readFile(auditPath)).length;
  await work();
  const text = (await readFile(auditPath)).subarray(before).toString("utf8");
  return text.split("\n").filter((line) => line !== "");
}
