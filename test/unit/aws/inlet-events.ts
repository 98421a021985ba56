import { gzipSync } from "node:zlib";

/** Events as AWS sends them to a function, from its documentation. */

export function logsEvent(logGroup: string, messages: readonly unknown[], more: object = {}): object {
  const data = {
    messageType: "DATA_MESSAGE",
    owner: "123456789012",
    logGroup,
    logStream: "audit",
    subscriptionFilters: ["keyferry"],
    logEvents: messages.map((message, at) => ({ id: String(at), timestamp: 1_893_456_000_000 + at, message })),
    ...more,
  };
  return { awslogs: { data: gzipSync(JSON.stringify(data)).toString("base64") } };
}

export function busEvent(source: string, type: string, detail: unknown): object {
  return {
    version: "0",
    id: "53dc4d37-cffa-4f76-80c9-8b7d4a4d2eaa",
    "detail-type": type,
    source,
    account: "123456789012",
    time: "2030-01-01T00:00:00Z",
    region: "eu-central-1",
    resources: [],
    detail,
  };
}

export function createdEvent(bucket: string, key: string): object {
  return busEvent("aws.s3", "Object Created", {
    version: "0",
    bucket: { name: bucket },
    object: { key, size: 5, etag: "b1946ac92492d2347c6235b4d2611184", sequencer: "617f08299329d189" },
    "request-id": "N4N7GDK58NMKJ12R",
    requester: "123456789012",
    "source-ip-address": "1.2.3.4",
    reason: "PutObject",
  });
}

export function notification(bucket: string, encodedKey: string, eventName = "ObjectCreated:Put"): object {
  const s3 = {
    s3SchemaVersion: "1.0",
    configurationId: "keyferry",
    bucket: { name: bucket, ownerIdentity: { principalId: "A3NL1KOZZKExample" }, arn: `arn:aws:s3:::${bucket}` },
    object: { key: encodedKey, size: 1_024, eTag: "d41d8cd98f00b204e9800998ecf8427e", sequencer: "0A1B2C3D4E5F678901" },
  };
  const record = { eventVersion: "2.1", eventSource: "aws:s3", awsRegion: "eu-central-1", eventName, s3 };
  return { Records: [record] };
}

export interface UrlRequest {
  readonly path: string;
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Buffer;
}

export function urlEvent({ path, method = "POST", headers = {}, body }: UrlRequest): object {
  return {
    version: "2.0",
    routeKey: "$default",
    rawPath: path,
    rawQueryString: "",
    headers: { host: "abc.lambda-url.eu-central-1.on.aws", ...headers },
    requestContext: {
      accountId: "anonymous",
      apiId: "abc",
      http: { method, path, protocol: "HTTP/1.1", sourceIp: "192.0.2.1", userAgent: "relay" },
      requestId: "id",
      timeEpoch: 1_893_456_000_000,
    },
    ...(body === undefined ? {} : { body: body.toString("base64") }),
    isBase64Encoded: body !== undefined,
  };
}

/** What Lambda sends to a queue about an event that it gave up. */
export function destinationBody(event: unknown, condition = "RetriesExhausted"): string {
  return JSON.stringify({
    version: "1.0",
    timestamp: "2030-01-01T00:00:00.000Z",
    requestContext: { requestId: "id", functionArn: "arn:f:$LATEST", condition, approximateInvokeCount: 3 },
    requestPayload: event,
    responseContext: { statusCode: 200, executedVersion: "$LATEST", functionError: "Unhandled" },
    responsePayload: { errorType: "SyncError" },
  });
}

export function failuresEvent(bodies: readonly string[], attributes: Readonly<Record<string, string>> = {}): object {
  const messageAttributes = Object.fromEntries(
    Object.entries(attributes).map(([name, stringValue]) => [name, { dataType: "String", stringValue }]),
  );
  return {
    Records: bodies.map((body, at) => ({
      messageId: `m${at}`,
      receiptHandle: "handle",
      body,
      attributes: { ApproximateReceiveCount: "1" },
      messageAttributes,
      eventSource: "aws:sqs",
      eventSourceARN: "arn:aws:sqs:eu-central-1:123456789012:failures",
      awsRegion: "eu-central-1",
    })),
  };
}
