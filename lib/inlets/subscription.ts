import { type EpochMs, HOUR_MS, MINUTE_MS, type Random, SECOND_MS } from "../clock.ts";
import { described } from "../described.ts";
import { SyncError } from "../errors.ts";
import type { EventStream, RefusedEvents } from "../ports/vault-subscriptions.ts";
import type { Intake } from "./intake.ts";
import type { InletDeps } from "./sink.ts";
import { withDeadline } from "./waits.ts";

/** One subscription to a Vault's events, kept open. */
export interface SubscriptionOptions {
  /** For the log. */
  readonly vault: string;
  /** Throws a SyncError when Vault can't be asked. */
  readonly open: (signal: AbortSignal) => Promise<EventStream | RefusedEvents>;
  readonly intake: Pick<Intake, "put">;
  /** Told after each reconnect. */
  readonly onReconnected: () => void;
  readonly onState: (state: SubscriptionState) => void;
}

export type SubscriptionState =
  | { readonly kind: "following" }
  | { readonly kind: "refused"; readonly because: RefusedEvents["refused"] | "failed"; readonly message: string };

/** How long a login and a handshake may take. */
const OPEN_MS = 30 * SECOND_MS;
const SHORTEST_PAUSE_MS = SECOND_MS;
const LONGEST_PAUSE_MS = MINUTE_MS;
/** After a subscription of this length, the next pause is short again. */
const STEADY_MS = MINUTE_MS;
/** A policy may change, and a Vault may be upgraded. Rarely: each try of a refused login logs in anew. */
const LONGEST_REFUSED_MS = HOUR_MS;
const LOGGED_EVERY_MS = MINUTE_MS;

/** These pass: the Vault is down, busy, or keyferry stops. */
const PASSING = new Set(["VAULT_UNAVAILABLE", "VAULT_SEALED", "VAULT_THROTTLED", "VAULT_FAILED", "DEADLINE_EXCEEDED"]);

/** Subscribes, and again whenever the subscription ends, until the signal. Never throws. */
export async function keepSubscribed(deps: InletDeps, options: SubscriptionOptions, stop: AbortSignal): Promise<void> {
  const { vault, onReconnected, onState } = options;
  const log = throttledLog(deps, vault);
  let hasFollowed = false;
  let failures = 0;
  const onOpen = (): void => {
    // This subscription does not tell of what happened before it was open.
    if (hasFollowed) onReconnected();
    hasFollowed = true;
    onState({ kind: "following" });
  };
  while (!stop.aborted) {
    const askedAt = deps.clock();
    const end = await oneSubscription(options, onOpen, stop);
    if (stop.aborted) return;
    log(end);
    if (end.kind === "refused") onState(end);
    failures = end.kind === "ended" && deps.clock() - askedAt >= STEADY_MS ? 0 : failures + 1;
    await deps.sleep(pauseAfter(end, failures, deps.random), stop);
  }
}

type SubscriptionEnd =
  | { readonly kind: "ended" | "failed"; readonly why: string }
  | Extract<SubscriptionState, { readonly kind: "refused" }>;

async function oneSubscription(
  { open, intake }: SubscriptionOptions,
  onOpen: () => void,
  stop: AbortSignal,
): Promise<SubscriptionEnd> {
  try {
    const stream = await withDeadline(OPEN_MS, open, stop);
    if ("refused" in stream) return { kind: "refused", because: stream.refused, message: stream.message };
    onOpen();
    const why = await stream.follow((text) => intake.put({ lines: [text], tooLong: 0 }), stop);
    return { kind: "ended", why };
  } catch (error) {
    if (error instanceof SyncError && !PASSING.has(error.code)) {
      return { kind: "refused", because: "failed", message: error.message };
    }
    return { kind: "failed", why: described(error).error };
  }
}

/** With jitter, so that the subscriptions of a Vault that comes back do not come at once. */
function pauseAfter(end: SubscriptionEnd, failures: number, random: Random): number {
  const longer = 2 ** Math.min(failures, 16);
  const ms =
    end.kind === "refused"
      ? Math.min(MINUTE_MS * longer, LONGEST_REFUSED_MS)
      : Math.min(SHORTEST_PAUSE_MS * longer, LONGEST_PAUSE_MS);
  return Math.ceil((ms * (1 + random())) / 2);
}

function throttledLog({ clock, log }: InletDeps, vault: string): (end: SubscriptionEnd) => void {
  let loggedAt: EpochMs | undefined;
  return (end) => {
    if (loggedAt !== undefined && clock() - loggedAt < LOGGED_EVERY_MS) return;
    loggedAt = clock();
    if (end.kind === "refused") {
      log.warn("vault-events-refused", { vault, because: end.because, message: end.message });
    } else log.info("vault-events-interrupted", { vault, why: end.why, again: "with back-off" });
  };
}
