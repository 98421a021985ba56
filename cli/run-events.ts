import { type Clock, SECOND_MS, systemDeadline } from "../lib/clock.ts";
import { type DomainEvents, domainEvents } from "../lib/domain-events/domain-events.ts";
import { InputError, SyncError } from "../lib/errors.ts";
import type { LeaseStore } from "../lib/ports/store.ts";
import type { Log, Metrics } from "../lib/ports/telemetry.ts";
import { eventLines } from "../lib/telemetry/event-lines.ts";
import { boundedFile } from "../lib/util/bounded-file.ts";
import { type Webhook, webhook } from "../lib/webhook/webhook.ts";
import { sleep } from "./stop-signal.ts";

/** Where `run` sends domain events besides its log. */
export interface EventFlags {
  readonly eventsUrl?: string;
  readonly eventsKeyFile?: string;
}

export interface RunEventsOptions {
  readonly flags: EventFlags;
  readonly leases: LeaseStore;
  readonly dataDir: { readonly installation: string };
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: Metrics;
}

/** Domain events of `run`: log lines, and a webhook if there is one. Sends what is left when it is disposed of. */
export interface RunEvents extends DomainEvents, AsyncDisposable {}

/** How long a stop of keyferry waits for domain events; the next process sends what is left. */
const FLUSH_MS = 5 * SECOND_MS;
const MIN_KEY_CHARACTERS = 32;

/** Throws an InputError unless the address and its key are usable. */
export async function runEvents({ flags, dataDir, ...deps }: RunEventsOptions): Promise<RunEvents> {
  const sink = await webhookOf(flags, dataDir.installation, deps.clock);
  const events = domainEvents({
    ...deps,
    withDeadline: systemDeadline,
    isAlone: true,
    tell: eventLines(deps.log),
    ...(sink === undefined ? {} : { sink }),
  });
  return {
    ...events,
    async [Symbol.asyncDispose]() {
      await events.flushed(AbortSignal.timeout(FLUSH_MS));
      await sink?.close();
    },
  };
}

async function webhookOf(
  { eventsUrl, eventsKeyFile }: EventFlags,
  installation: string,
  clock: Clock,
): Promise<Webhook | undefined> {
  if (eventsUrl === undefined) {
    if (eventsKeyFile !== undefined) throw new InputError("--events-key-file", ["it needs --events-url"]);
    return undefined;
  }
  const url = URL.canParse(eventsUrl) ? new URL(eventsUrl) : undefined;
  if (url === undefined || !/^https?:$/.test(url.protocol) || url.username !== "" || url.password !== "") {
    throw new InputError("--events-url", ["it must be an http or https URL without a user and a password"]);
  }
  if (eventsKeyFile === undefined) throw new InputError("--events-url", ["it needs --events-key-file"]);
  await keyIn(eventsKeyFile);
  // Later on, an unusable key is a failure of the webhook alone.
  const key = () =>
    keyIn(eventsKeyFile).catch((error: Error) => {
      throw new SyncError("EVENTS_NOT_ACCEPTED", error.message.replaceAll(/\s+/g, " "));
    });
  return webhook({ url, key, installation, clock, random: Math.random, sleep });
}

/** The first line of the file; read for each POST, so that the key can be replaced. */
async function keyIn(path: string): Promise<Uint8Array> {
  const text = await boundedFile(path).catch((error: unknown) => {
    const reason = error instanceof Error && "code" in error ? String(error.code) : "unreadable";
    throw new InputError("--events-key-file", [`${path} can't be read: ${reason}`]);
  });
  const key = text.split("\n", 1)[0]?.trim() ?? "";
  if (key.length >= MIN_KEY_CHARACTERS) return Buffer.from(key);
  throw new InputError("--events-key-file", [
    `the first line of ${path} must have at least ${MIN_KEY_CHARACTERS} characters: openssl rand -hex 32`,
  ]);
}
