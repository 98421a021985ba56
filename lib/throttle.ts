import { type Clock, type EpochMs, MINUTE_MS, SECOND_MS } from "./clock.ts";

/** The first pause of a server that names none. It doubles while the server refuses again, whatever it names. */
const FIRST_PAUSE_MS = SECOND_MS;
const LONGEST_DOUBLED_MS = 30 * SECOND_MS;
/** A server that answered so many requests at once is not held back any more. */
const FULL_SPEED = 32;
/** So long after its last pause a server without requests is forgotten. */
const FORGOTTEN_MS = 5 * MINUTE_MS;

/** How long, and how many, requests wait for servers that asked for a pause. */
export interface ThrottleOptions {
  readonly clock: Clock;
  /** How long one request may wait here, its repetition included. Longer pauses fail it at once. */
  readonly patienceMs: number;
  /** Requests that wait here for one server; more fail at once. */
  readonly maxWaiting: number;
  /** Servers in memory: names may come from declarations. */
  readonly maxKept: number;
}

/** One request, as the throttle needs to know it. */
export interface Throttled<A> {
  send(): Promise<A>;
  /** The pause that the server asks for in this answer, in ms; 0: it names none; undefined: it asks for no pause. */
  pauseOf(answer: A): number | undefined;
  /** The answer with the pause that is in force, for the caller's next attempt. */
  paused(answer: A, leftMs: number): A;
  /** The error for a request that was not sent, because the pause lasts so much longer. */
  refused(leftMs: number): Error;
  /** May be sent again after a short pause. */
  readonly repeatable: boolean;
}

/**
 * Holds requests back for servers that ask for a pause (429). The pause is shared: until its end no request is sent.
 * Then one request tries. Each answer allows one more at once; a refusal begins a new pause.
 * So a server that throttles gets one refused request for each pause, not one for each sync.
 */
export interface Throttle {
  run<A>(server: string, request: Throttled<A>, signal: AbortSignal): Promise<A>;
  /** The server is another one now, or is used no more. */
  forget(server: string): void;
}

/** A server that asked for a pause. */
interface Held {
  until: EpochMs;
  /** When the last pause began: answers to earlier requests prove nothing. */
  since: EpochMs;
  /** Pauses in a row. */
  pauses: number;
  allowed: number;
  running: number;
  readonly waiting: Set<() => void>;
}

/** Pauses are in memory: another process has its own. */
export function throttle(options: ThrottleOptions): Throttle {
  const { clock, patienceMs, maxWaiting } = options;
  const known = new Map<string, Held>();

  const holding = (server: string): Held | undefined => {
    const held = known.get(server);
    // The clock stepped back: of a pause by the time before nobody knows the end.
    if (held !== undefined && clock() < held.since) held.since = held.until = clock();
    const isOver = held && held.running === 0 && held.waiting.size === 0 && clock() - held.until > FORGOTTEN_MS;
    if (isOver) known.delete(server);
    return isOver ? undefined : held;
  };

  /** Resolves when the request may be sent. */
  const enter = async (server: string, request: Throttled<unknown>, endsAt: EpochMs, signal: AbortSignal) => {
    for (let held = holding(server); held !== undefined; held = known.get(server)) {
      const now = clock();
      if (now >= held.until && held.running < held.allowed) {
        held.running += 1;
        return held;
      }
      const isHopeless = now >= endsAt || held.until > endsAt || held.waiting.size >= maxWaiting;
      if (isHopeless) throw request.refused(Math.max(held.until - now, FIRST_PAUSE_MS));
      await turnIn(held, (now < held.until ? held.until : endsAt) - now, signal);
    }
    return undefined;
  };

  /** Begins a pause, or extends it for requests that were sent before it began; answers how long it lasts. */
  const pause = (server: string, askedMs: number, startedAt: EpochMs): number => {
    const now = clock();
    const held = known.get(server) ?? keep(known, server, options.maxKept);
    if (startedAt > held.since) {
      held.pauses += 1;
      held.since = now;
    }
    held.allowed = 1;
    const doubledMs = Math.min(LONGEST_DOUBLED_MS, FIRST_PAUSE_MS * 2 ** (held.pauses - 1));
    held.until = Math.max(held.until, now + Math.max(askedMs, doubledMs));
    return held.until - now;
  };

  const answered = (server: string, held: Held, startedAt: EpochMs): void => {
    if (startedAt <= held.since) return;
    held.allowed += 1;
    held.pauses = Math.max(0, held.pauses - 1);
    if (held.allowed > FULL_SPEED && known.get(server) === held) known.delete(server);
  };

  const once = async <A>(server: string, request: Throttled<A>, endsAt: EpochMs, signal: AbortSignal) => {
    const held = await enter(server, request, endsAt, signal);
    const startedAt = clock();
    try {
      const answer = await request.send();
      const askedMs = request.pauseOf(answer);
      if (askedMs !== undefined) return { answer, leftMs: pause(server, askedMs, startedAt) };
      if (held) answered(server, held, startedAt);
      return { answer };
    } finally {
      if (held) {
        held.running -= 1;
        for (const wake of [...held.waiting].slice(0, held.allowed)) wake();
      }
    }
  };

  return {
    async run(server, request, signal) {
      const endsAt = clock() + patienceMs;
      const first = await once(server, request, endsAt, signal);
      if (first.leftMs === undefined) return first.answer;
      if (!request.repeatable || clock() + first.leftMs > endsAt) return request.paused(first.answer, first.leftMs);
      const { answer, leftMs } = await once(server, request, endsAt, signal);
      return leftMs === undefined ? answer : request.paused(answer, leftMs);
    },
    forget(server) {
      const held = known.get(server);
      known.delete(server);
      for (const wake of held?.waiting ?? []) wake();
    },
  };
}

/** At the limit the oldest entry goes: its server is only asked once more than it wants. */
function keep(known: Map<string, Held>, server: string, maxKept: number): Held {
  if (known.size >= maxKept) for (const oldest of [...known.keys()].slice(0, 1)) known.delete(oldest);
  const held: Held = { until: 0, since: 0, pauses: 0, allowed: 1, running: 0, waiting: new Set() };
  known.set(server, held);
  return held;
}

/** Waits until it is woken, or for so long. Throws the signal's reason when that aborts. */
function turnIn({ waiting }: Held, ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const end = (): void => {
      clearTimeout(timer);
      waiting.delete(wake);
      signal.removeEventListener("abort", giveUp);
    };
    const wake = (): void => {
      end();
      resolve();
    };
    const giveUp = (): void => {
      end();
      reject(signal.reason);
    };
    const timer = setTimeout(wake, Math.max(1, ms));
    waiting.add(wake);
    signal.addEventListener("abort", giveUp, { once: true });
    if (signal.aborted) giveUp();
  });
}
