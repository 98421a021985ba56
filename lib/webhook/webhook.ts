import { Agent, type Dispatcher } from "undici";
import { type Clock, type Random, SECOND_MS } from "../clock.ts";
import { SyncError } from "../errors.ts";
import type { EventSink } from "../ports/domain-events.ts";
import type { DomainEvent } from "../ports/rows.ts";
import { retryAfterOf } from "../retry-after.ts";
import { signedHeaders } from "../signed-body.ts";
import type { JsonObject } from "../util/json.ts";
import { wholeAnswer } from "../util/whole-answer.ts";

/** Events in one POST. */
const EVENTS = 50;
const CONNECT_MS = 3 * SECOND_MS;
/** For one POST, in ms. */
const TIMEOUT_MS = 10 * SECOND_MS;
const TRIES = 3;
const FIRST_PAUSE_MS = 500;
/** A receiver that asks for a longer pause gets the events with the next sweep. */
const LONGEST_PAUSE_MS = 5 * SECOND_MS;
/** Nothing of an answer is used but its status. */
const ANSWER_BYTES = 64 * 1_024;

export interface WebhookOptions {
  readonly url: URL;
  /** Reads the key of signatures, for each POST, so that it can be replaced while keyferry runs. */
  readonly key: () => Promise<Uint8Array>;
  /** Names this keyferry as the source of events. */
  readonly installation: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly sleep: (ms: number, signal: AbortSignal) => Promise<void>;
}

export interface Webhook extends EventSink {
  close(): Promise<void>;
}

/**
 * Sends events as signed POSTs, in the batched format of CloudEvents 1.0. Follows no redirects, so that only the
 * address that an operator wrote gets them.
 */
export function webhook(options: WebhookOptions): Webhook {
  const agent = new Agent({ connections: 2, connectTimeout: CONNECT_MS, pipelining: 0 });
  return {
    async send(events, signal) {
      const accepted = new Set<string>();
      for (let from = 0; from < events.length; from += EVENTS) {
        const together = events.slice(from, from + EVENTS);
        const problem = await post(options, agent, together, signal);
        if (problem !== undefined) {
          // The rest would only wait for the same answer.
          if (accepted.size === 0) throw problem;
          return accepted;
        }
        for (const { id } of together) accepted.add(id);
      }
      return accepted;
    },
    close: () => agent.destroy(),
  };
}

/** An event in the JSON format of CloudEvents 1.0. */
function cloudEvent({ id, kind, at, detail }: DomainEvent, installation: string): JsonObject {
  return {
    ...{ specversion: "1.0", id, source: `/keyferry/${installation}`, type: `dev.keyferry.${kind}` },
    ...{ time: new Date(at).toISOString(), subject: detail.key ?? detail.cluster ?? "" },
    ...{ datacontenttype: "application/json", data: detail },
  };
}

/** Undefined: accepted. */
async function post(
  options: WebhookOptions,
  agent: Dispatcher,
  events: readonly DomainEvent[],
  signal: AbortSignal,
): Promise<SyncError | undefined> {
  const body = Buffer.from(JSON.stringify(events.map((event) => cloudEvent(event, options.installation))));
  for (let tries = 1; ; tries++) {
    const answer = await answerTo(options, agent, body, signal);
    if (answer === "accepted") return undefined;
    const pause = answer.retryAfterMs ?? (0.5 + options.random()) * FIRST_PAUSE_MS * 2 ** (tries - 1);
    if (tries === TRIES || !answer.mayHelp || pause > LONGEST_PAUSE_MS || signal.aborted) return answer.problem;
    await options.sleep(pause, signal);
  }
}

type Answer =
  | "accepted"
  | { readonly problem: SyncError; readonly mayHelp: boolean; readonly retryAfterMs?: number | undefined };

async function answerTo(
  options: WebhookOptions,
  agent: Dispatcher,
  body: Buffer,
  signal: AbortSignal,
): Promise<Answer> {
  const { url, clock } = options;
  const headers = {
    "content-type": "application/cloudevents-batch+json",
    ...signedHeaders(body, { key: await options.key(), now: clock() }),
  };
  const request = { origin: url.origin, path: `${url.pathname}${url.search}`, method: "POST", headers, body } as const;
  const limit = AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT_MS)]);
  try {
    const { statusCode, headers: told } = await wholeAnswer(agent, request, ANSWER_BYTES, limit);
    if (statusCode >= 200 && statusCode < 300) return "accepted";
    const remedy = "let it answer 2xx, or look at its log";
    const problem = notAccepted(`${url.origin} answers ${statusCode} to domain events: ${remedy}`);
    return { problem, mayHelp: MAY_HELP.has(statusCode) || statusCode >= 500, retryAfterMs: retryAfterOf(told) };
  } catch (error) {
    const remedy = "keyferry sends them again; if it goes on, check the address and the receiver";
    return { problem: notAccepted(`${url.origin} takes no domain events: ${remedy}`, error), mayHelp: true };
  }
}

/** Statuses after which the same POST may be accepted. */
const MAY_HELP: ReadonlySet<number> = new Set([408, 425, 429]);

function notAccepted(message: string, cause?: unknown): SyncError {
  return new SyncError("EVENTS_NOT_ACCEPTED", message, cause === undefined ? {} : { cause });
}
