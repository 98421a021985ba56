import { gunzipSync } from "node:zlib";
import { z } from "zod";
import { type JsonBounds, jsonExcess } from "../util/json-bounds.ts";

/** Limits of the data of a log subscription: unzipped, and the JSON in it. */
const MAX_UNZIPPED = 64 * 1_024 * 1_024;
const BOUNDS = { depth: 8, values: 1_000_000 } as const;
/** A message has at most a megabyte. Its lines may be JSON of any depth, as those of the event were. */
const RETURNED_BOUNDS: JsonBounds = { ...BOUNDS, depth: Number.POSITIVE_INFINITY };

/** The events of our own that an EventBridge rule sends to the function (docs/events-aws.md). */
export const LINE_EVENT = "VaultAuditLine";
export const LINES_EVENT = "VaultAuditLines";

/** Where audit lines came from: it belongs to one Vault of fleet.yaml. */
export type InletPlace =
  | { readonly by: "logGroup"; readonly logGroup: string }
  | { readonly by: "source"; readonly source: string }
  | ObjectPlace
  | { readonly by: "path"; readonly path: string };

export interface ObjectPlace {
  readonly by: "object";
  readonly bucket: string;
  readonly key: string;
}

/** A request to the function URL. Names of headers are in lower case. */
export interface PostRequest {
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string | undefined>>;
  readonly body: Buffer;
}

/** An event that came back from the queue of failures. */
export interface Returned {
  readonly messageId: string;
  readonly body: string;
  readonly envelope: SourceEnvelope;
  /** AWS gave it up because of its age: later ones may be lost. */
  readonly isTooOld: boolean;
}

/** What the function was invoked with. */
export type Envelope =
  | SourceEnvelope
  | { readonly kind: "post"; readonly request: PostRequest }
  | { readonly kind: "returned"; readonly records: readonly Returned[] };

/** An event of a source. */
export type SourceEnvelope =
  /** Texts of one line each, as a rule. */
  | { readonly kind: "lines"; readonly from: InletPlace; readonly texts: readonly string[] }
  | { readonly kind: "objects"; readonly objects: readonly ObjectPlace[] }
  /** AWS checks that it may call the function, or tells of something else than new lines. */
  | { readonly kind: "nothing" }
  | { readonly kind: "foreign"; readonly because: string };

/** In place of what is no line: it counts as a bad one. */
const NO_LINE = "(no line)";

const NOTHING: SourceEnvelope = { kind: "nothing" };
const foreign = (because: string): SourceEnvelope => ({ kind: "foreign", because });

const logsEvent = z.object({ awslogs: z.object({ data: z.string() }) });
const logsData = z.object({ messageType: z.string(), logGroup: z.string(), logEvents: z.array(z.unknown()) });

const busEvent = z.object({ source: z.string(), "detail-type": z.string(), detail: z.unknown() });
const createdObject = z.object({
  bucket: z.object({ name: z.string().min(1) }),
  object: z.object({ key: z.string().min(1) }),
});

const notification = z.object({
  eventSource: z.literal("aws:s3"),
  eventName: z.string(),
  s3: z.object({ bucket: z.object({ name: z.string().min(1) }), object: z.object({ key: z.string().min(1) }) }),
});
const testEvent = z.object({ Service: z.literal("Amazon S3"), Event: z.literal("s3:TestEvent") });

const urlEvent = z.object({
  version: z.literal("2.0"),
  rawPath: z.string(),
  headers: z.record(z.string(), z.string().optional()),
  body: z.string().optional(),
  isBase64Encoded: z.boolean().optional(),
  requestContext: z.object({ http: z.object({ method: z.string() }) }),
});

const queueRecord = z.object({
  eventSource: z.literal("aws:sqs"),
  messageId: z.string(),
  body: z.string(),
  messageAttributes: z.record(z.string(), z.object({ stringValue: z.string().optional() })).optional(),
});
/** What Lambda sends to a queue about an event that it gave up. */
const destination = z.object({ requestContext: z.object({ condition: z.string() }), requestPayload: z.unknown() });

const records = z.object({ Records: z.array(z.unknown()).min(1) });

/** Which kind of event this is, and what it holds. Never throws, and a bad line in it refuses nothing. */
export function parseEnvelope(event: unknown): Envelope {
  const many = records.safeParse(event).data?.Records;
  const returned = many && all(queueRecord, many);
  if (returned !== undefined) return { kind: "returned", records: returned.map(returnedOf) };
  const url = urlEvent.safeParse(event).data;
  return url === undefined ? parseSource(event) : { kind: "post", request: requestOf(url) };
}

/** A request is none: in a queue its signature would say nothing. */
function parseSource(event: unknown): SourceEnvelope {
  const many = records.safeParse(event).data?.Records;
  const logs = logsEvent.safeParse(event).data;
  if (logs !== undefined) return ofLogs(logs.awslogs.data);
  const notifications = many && all(notification, many);
  if (notifications !== undefined) return ofNotifications(notifications);
  const bus = busEvent.safeParse(event).data;
  if (bus !== undefined) return ofBus(bus.source, bus["detail-type"], bus.detail);
  return testEvent.safeParse(event).success ? NOTHING : foreign("it is of no kind that the function takes");
}

function ofLogs(data: string): SourceEnvelope {
  const text = unzipped(data);
  if (text === undefined) return foreign("the data of a log subscription is no gzip of at most 64 MiB");
  const found = logsData.safeParse(jsonOf(text, BOUNDS)).data;
  if (found === undefined) return foreign("the data of a log subscription has another form");
  if (found.messageType !== "DATA_MESSAGE") return NOTHING;
  const texts = found.logEvents.map((one) => textOf(fieldOf(one, "message")));
  return { kind: "lines", from: { by: "logGroup", logGroup: found.logGroup }, texts };
}

function ofBus(source: string, type: string, detail: unknown): SourceEnvelope {
  if (source === "aws.s3") return type === "Object Created" ? ofCreated(detail) : NOTHING;
  const from: InletPlace = { by: "source", source };
  if (type === LINE_EVENT) return { kind: "lines", from, texts: [textOf(fieldOf(detail, "line"))] };
  if (type !== LINES_EVENT) return foreign(`an event's detail-type must be ${LINE_EVENT} or ${LINES_EVENT}`);
  const lines = fieldOf(detail, "lines");
  if (!Array.isArray(lines)) return foreign(`the detail of ${LINES_EVENT} must have lines, a list`);
  return { kind: "lines", from, texts: lines.map(textOf) };
}

function ofCreated(detail: unknown): SourceEnvelope {
  const created = createdObject.safeParse(detail).data;
  if (created === undefined) return foreign("the event of a new object names no object");
  return { kind: "objects", objects: [{ by: "object", bucket: created.bucket.name, key: created.object.key }] };
}

/** The key of a notification is encoded as in a form, unlike that of an event of EventBridge. */
function ofNotifications(found: readonly z.infer<typeof notification>[]): SourceEnvelope {
  const created = found.filter(({ eventName }) => eventName.startsWith("ObjectCreated:"));
  const objects = created.flatMap(({ s3 }): readonly ObjectPlace[] => {
    const key = decoded(s3.object.key);
    return key === undefined ? [] : [{ by: "object", bucket: s3.bucket.name, key }];
  });
  if (objects.length < created.length) return foreign("the notification of a new object has a key that is not encoded");
  return objects.length === 0 ? NOTHING : { kind: "objects", objects };
}

function requestOf(event: z.infer<typeof urlEvent>): PostRequest {
  const { rawPath, headers, body = "", isBase64Encoded = false, requestContext } = event;
  const lower = Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]));
  const bytes = Buffer.from(body, isBase64Encoded ? "base64" : "utf8");
  return { method: requestContext.http.method, path: rawPath, headers: lower, body: bytes };
}

/** Lambda wraps an event that it gave up; EventBridge sends it as it is, and says why in attributes of the message. */
function returnedOf({ messageId, body, messageAttributes = {} }: z.infer<typeof queueRecord>): Returned {
  const content = jsonOf(Buffer.from(body), RETURNED_BOUNDS);
  const wrapped = destination.safeParse(content).data;
  if (wrapped !== undefined) {
    const isTooOld = wrapped.requestContext.condition === "EventAgeExceeded";
    return { messageId, body, envelope: parseSource(wrapped.requestPayload), isTooOld };
  }
  const ended = messageAttributes.EXHAUSTED_RETRY_CONDITION?.stringValue;
  return { messageId, body, envelope: parseSource(content), isTooOld: ended === "MaximumEventAgeInSeconds" };
}

/** A line as a shipper put it: as text, or as the JSON that the text is. */
function textOf(value: unknown): string {
  if (typeof value === "string") return value;
  try {
    return JSON.stringify(value) ?? NO_LINE;
  } catch {
    return NO_LINE;
  }
}

function fieldOf(value: unknown, name: string): unknown {
  return typeof value === "object" && value !== null ? (value as Readonly<Record<string, unknown>>)[name] : undefined;
}

function all<T>(schema: z.ZodType<T>, values: readonly unknown[]): readonly T[] | undefined {
  const found: T[] = [];
  for (const value of values) {
    const one = schema.safeParse(value);
    if (!one.success) return undefined;
    found.push(one.data);
  }
  return found;
}

function unzipped(data: string): Buffer | undefined {
  try {
    return gunzipSync(Buffer.from(data, "base64"), { maxOutputLength: MAX_UNZIPPED });
  } catch {
    return undefined;
  }
}

/** Undefined: no JSON, or JSON that would take too much memory. */
function jsonOf(text: Buffer, bounds: JsonBounds): unknown {
  if (jsonExcess(text, bounds) !== undefined) return undefined;
  try {
    return JSON.parse(text.toString("utf8")) as unknown;
  } catch {
    return undefined;
  }
}

function decoded(key: string): string | undefined {
  try {
    return decodeURIComponent(key.replaceAll("+", " "));
  } catch {
    return undefined;
  }
}
