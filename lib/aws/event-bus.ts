import type { EventBridgeClient, PutEventsRequestEntry } from "@aws-sdk/client-eventbridge";
import { type Random, SECOND_MS } from "../clock.ts";
import type { EventSink } from "../ports/domain-events.ts";
import type { DomainEvent } from "../ports/rows.ts";
import { parallel } from "../util/parallel.ts";
import { awsError } from "./aws-errors.ts";

/** EventBridge's limits for one request. */
const ENTRIES = 10;
const BYTES = 256 * 1_024;
/** EventBridge counts a time with so many bytes. */
const TIME_BYTES = 14;
const AT_ONCE = 4;
/** For a request with the SDK's retries, in ms. */
const TIMEOUT_MS = 10 * SECOND_MS;
/** How often entries are sent that EventBridge rejects from an accepted request. */
const TRIES = 3;
const FIRST_PAUSE_MS = 200;

/** The source of keyferry's events, for rules. */
export const EVENT_SOURCE = "keyferry";

export interface EventBusOptions {
  /** Loaded for the first event. */
  readonly client: () => Promise<Pick<EventBridgeClient, "send">>;
  /** The name or the ARN of the bus. */
  readonly bus: string;
  readonly random: Random;
  readonly sleep: (ms: number, signal: AbortSignal) => Promise<void>;
}

/** A bus of EventBridge. The kind of an event is its `detail-type`. */
export function eventBus(options: EventBusOptions): EventSink {
  return {
    async send(events, signal) {
      const sent = await parallel(
        requestsOf(events, options.bus),
        (request) => sendRequest(options, request, signal),
        AT_ONCE,
      );
      const accepted = sent.flatMap((one) => one.accepted);
      const failed = sent.find(({ problem }) => problem !== undefined);
      // What other requests sent is sent: told as a failure, all of it would come again.
      if (failed !== undefined && accepted.length === 0) throw failed.problem;
      return new Set(accepted);
    },
  };
}

interface Entry {
  readonly id: string;
  readonly entry: PutEventsRequestEntry;
}

/** Requests within both limits. */
function requestsOf(events: readonly DomainEvent[], bus: string): readonly (readonly Entry[])[] {
  const requests: Entry[][] = [];
  let last: Entry[] = [];
  let bytes = 0;
  for (const { id, kind, at, detail } of events) {
    const entry = {
      EventBusName: bus,
      Source: EVENT_SOURCE,
      DetailType: kind,
      Time: new Date(at),
      Detail: JSON.stringify(detail),
    };
    const size = TIME_BYTES + Buffer.byteLength(EVENT_SOURCE + kind + entry.Detail);
    if (last.length === 0 || last.length === ENTRIES || bytes + size > BYTES) {
      last = [];
      bytes = 0;
      requests.push(last);
    }
    last.push({ id, entry });
    bytes += size;
  }
  return requests;
}

interface SentRequest {
  /** Ids of events. */
  readonly accepted: readonly string[];
  /** Why the others could not be sent. */
  readonly problem?: unknown;
}

/** Rejected entries are tried again. Never throws. */
async function sendRequest(
  options: EventBusOptions,
  entries: readonly Entry[],
  signal: AbortSignal,
): Promise<SentRequest> {
  const accepted: string[] = [];
  let left = entries;
  try {
    for (let tries = 1; left.length > 0; tries++) {
      const rejected = await rejectedOf(options, left, signal);
      accepted.push(...left.filter((_, at) => !rejected.has(at)).map(({ id }) => id));
      left = left.filter((_, at) => rejected.has(at));
      if (tries === TRIES) break;
      if (left.length > 0) await options.sleep((0.5 + options.random()) * FIRST_PAUSE_MS * 2 ** tries, signal);
    }
    return { accepted };
  } catch (problem) {
    return { accepted, problem };
  }
}

async function rejectedOf(
  { client, bus }: EventBusOptions,
  entries: readonly Entry[],
  signal: AbortSignal,
): Promise<ReadonlySet<number>> {
  const [{ PutEventsCommand }, eventBridge] = await Promise.all([import("@aws-sdk/client-eventbridge"), client()]);
  const command = new PutEventsCommand({ Entries: entries.map(({ entry }) => entry) });
  try {
    const abortSignal = AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT_MS)]);
    const { Entries = [] } = await eventBridge.send(command, { abortSignal });
    return new Set(Entries.flatMap(({ ErrorCode }, at) => (ErrorCode === undefined ? [] : [at])));
  } catch (error) {
    throw awsError(error, `event bus ${bus}`, "events:PutEvents");
  }
}
