import { type EpochMs, MINUTE_MS, SECOND_MS } from "../clock.ts";
import { described } from "../described.ts";
import { SyncError } from "../errors.ts";
import { codeOf } from "../util/error-code.ts";
import { intake } from "./intake.ts";
import { MAX_LINE_BYTES } from "./lines.ts";
import type { InletDeps, Sink } from "./sink.ts";

/** What a subscription hears. */
export interface Heard {
  /** Vault accepted it: from now on, events come. */
  readonly onOpen: () => void;
  /** One event as JSON. */
  readonly onFrame: (text: string) => void;
}

/** Opens a subscription. Resolves when it has ended, and rejects when Vault refuses it. */
export type Subscribe = (heard: Heard, stop: AbortSignal) => Promise<void>;

const LONGEST_PAUSE_MS = 30 * SECOND_MS;
const LOGGED_EVERY_MS = MINUTE_MS;

/**
 * Follows Vault's event notifications until the signal. Each connection causes a sweep, because Vault keeps no events
 * for later.
 */
export async function followEvents(
  deps: InletDeps,
  sink: Sink,
  subscribe: Subscribe,
  stop: AbortSignal,
): Promise<void> {
  const frames = intake(deps, sink);
  const passing = frames.run(stop);
  const what = { vault: sink.vault, inlet: sink.way };
  let loggedAt: EpochMs | undefined;
  let pauseMs = SECOND_MS;
  const heard: Heard = {
    onOpen() {
      pauseMs = SECOND_MS;
      frames.missed("reconnected");
      deps.log.info("inlet-subscribed", what);
    },
    onFrame(text) {
      const isTooLong = text.length > MAX_LINE_BYTES;
      frames.put({ lines: isTooLong ? [] : [text], tooLong: isTooLong ? 1 : 0 });
    },
  };
  while (!stop.aborted) {
    try {
      await subscribe(heard, stop);
    } catch (error) {
      if (!stop.aborted && (loggedAt === undefined || deps.clock() - loggedAt >= LOGGED_EVERY_MS)) {
        loggedAt = deps.clock();
        const why = error instanceof SyncError ? error.message : (codeOf(error) ?? described(error).error);
        deps.log.error("inlet-unavailable", { ...what, why, remedy: REMEDY });
      }
    }
    await deps.sleep(Math.ceil((pauseMs * (1 + deps.random())) / 2), stop);
    pauseMs = Math.min(2 * pauseMs, LONGEST_PAUSE_MS);
  }
  await passing;
}

const REMEDY = "Vault must be Enterprise, and its identity needs read and subscribe: see docs/events.md";
