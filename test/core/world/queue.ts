import type { WorkMessage, WorkQueue } from "../../../lib/ports/queue.ts";
import type { Lane } from "../../../lib/ports/rows.ts";
import type { WorldTime } from "./time.ts";

/** Works on a message; false, or an exception: it is to come again. */
export type Worker = (message: WorkMessage) => Promise<boolean>;

/** What may become of a message on its way. */
export type Transit = "lost" | "twice" | { readonly lateMs: number } | "plain";

export interface MemoryQueueOptions {
  readonly time: WorldTime;
  /** Messages of a lane at work at once. */
  readonly atOnce?: number;
  /** A message whose worker did not say that it is done comes again after this. */
  readonly visibilityMs?: number;
  readonly transit?: () => Transit;
  /** Which of the workers gets the next message. */
  readonly choose?: (workers: readonly Worker[]) => Worker | undefined;
}

/** Queues in memory, one for each lane: at least once, in no promised order, never before a message's time. */
export interface MemoryQueue extends WorkQueue {
  /** Answers how to leave. What the worker was at then comes again. */
  join(worker: Worker): () => void;
  /** When the oldest message that waits should have started; undefined when none is late. */
  oldest(): number | undefined;
  /** Nothing is at work, and nothing that is due waits. */
  isIdle(): boolean;
  /** Every message that was sent. */
  readonly sent: readonly WorkMessage[];
}

/** What is not about keys travels in the lane `now`, as on AWS. */
const laneOf = (message: WorkMessage): Lane => (message.kind === "keys" ? message.lane : "now");

const VISIBILITY_MS = 360_000;

interface Waiting {
  readonly message: WorkMessage;
  /** By a clock that nobody steps. */
  isVisible: boolean;
}

export function memoryQueue(options: MemoryQueueOptions): MemoryQueue {
  const {
    time,
    atOnce = 50,
    visibilityMs = VISIBILITY_MS,
    transit = () => "plain",
    choose = ([first]) => first,
  } = options;
  const sent: WorkMessage[] = [];
  const workers: Worker[] = [];
  const waiting = new Map<Lane, Waiting[]>();
  const atWork = new Map<Lane, number>();

  const enqueue = (message: WorkMessage, inMs: number): void => {
    const entry: Waiting = { message, isVisible: false };
    const lane = laneOf(message);
    waiting.set(lane, [...(waiting.get(lane) ?? []), entry]);
    time.after(inMs, () => {
      entry.isVisible = true;
      pump();
    });
  };
  const start = async (worker: Worker, message: WorkMessage): Promise<void> => {
    const lane = laneOf(message);
    atWork.set(lane, (atWork.get(lane) ?? 0) + 1);
    let isOver = false;
    const over = (isDone: boolean): void => {
      if (isOver) return;
      isOver = true;
      cancel();
      atWork.set(lane, (atWork.get(lane) ?? 1) - 1);
      if (!isDone) enqueue(message, 0);
      pump();
    };
    // A worker that died says nothing.
    const cancel = time.after(visibilityMs, () => over(false));
    try {
      if (await worker(message)) over(true);
    } catch {
      // It comes again when it becomes visible.
    }
  };
  /** The next message of a lane that may start; undefined when none may, or nobody is there to work on it. */
  const next = (lane: Lane, line: Waiting[]): (() => void) | undefined => {
    const at = line.findIndex(({ isVisible }) => isVisible);
    if (at < 0 || (atWork.get(lane) ?? 0) >= atOnce) return undefined;
    const worker = choose(workers);
    const [taken] = worker ? line.splice(at, 1) : [];
    return worker && taken && (() => void start(worker, taken.message));
  };
  function pump(): void {
    for (const [lane, line] of waiting) for (let begin = next(lane, line); begin; begin = next(lane, line)) begin();
  }
  return {
    sent,
    async send(messages) {
      for (const message of messages) {
        sent.push(message);
        const fate = transit();
        if (fate === "lost") continue;
        const lateMs = typeof fate === "object" ? fate.lateMs : 0;
        const inMs = Math.max(0, message.at - time.now()) + lateMs;
        for (let times = fate === "twice" ? 2 : 1; times > 0; times--) enqueue(message, inMs);
      }
    },
    join(worker) {
      workers.push(worker);
      pump();
      return () => {
        workers.splice(workers.indexOf(worker), 1);
      };
    },
    oldest() {
      const visible = [...waiting.values()].flat().filter(({ isVisible }) => isVisible);
      return visible.length === 0 ? undefined : Math.min(...visible.map(({ message }) => message.at));
    },
    isIdle: () =>
      [...atWork.values()].every((count) => count === 0) &&
      [...waiting.values()].every((line) => line.every(({ isVisible }) => !isVisible)),
  };
}
