import { randomUUID } from "node:crypto";
import type { EpochMs } from "../clock.ts";
import type { ResourceRef } from "../ports/objects.ts";
import type { ResourceEvent } from "../ports/resources.ts";
import { apiVersionOf } from "../resource-kinds.ts";
import { printable } from "../util/printable.ts";
import type { Shape } from "./shapes.ts";

/** The limit of the API server, in bytes. */
const MAX_MESSAGE_BYTES = 1024;

/** An Event of core/v1 with a unique name, so that it is only ever created (kubernetes-rules 18). */
export function eventBody(ref: ResourceRef, uid: string, event: ResourceEvent, now: EpochMs): Shape {
  const { kind, namespace, name } = ref;
  const time = new Date(now).toISOString().replace(/\.\d+Z$/, "Z");
  return {
    apiVersion: "v1",
    kind: "Event",
    metadata: { namespace, name: `${name.slice(0, 200)}.${randomUUID()}` },
    involvedObject: { apiVersion: apiVersionOf(kind), kind: kind.kind, namespace, name, uid },
    type: event.type,
    reason: event.reason,
    message: cut(printable(event.message), MAX_MESSAGE_BYTES),
    source: { component: kind.kind },
    reportingComponent: kind.kind,
    firstTimestamp: time,
    lastTimestamp: time,
    count: 1,
  };
}

/** The longest beginning of a text that fits, without a partial character at its end. */
export function cut(text: string, maxBytes: number): string {
  const bytes = Buffer.from(text);
  if (bytes.byteLength <= maxBytes) return text;
  let end = maxBytes;
  while (end > 0 && ((bytes[end] ?? 0) & 0xc0) === 0x80) end -= 1;
  return bytes.toString("utf8", 0, end);
}
