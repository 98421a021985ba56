import type { Effect as AuditEffect } from "../../../lib/audit/effect.ts";
import type { SyncKey } from "../../../lib/keys.ts";
import type { KubeCall } from "../../../lib/kubernetes/kube-call.ts";
import type { WorkMessage } from "../../../lib/ports/queue.ts";
import type { LeaseStore } from "../../../lib/ports/store.ts";
import type { LogFields } from "../../../lib/ports/telemetry.ts";
import { openSqliteStore, type SqliteStore } from "../../../lib/store/sqlite/sqlite-store.ts";
import { lineAt } from "../world/audit.ts";
import { VAULT } from "../world/builders.ts";
import type { Effect } from "../world/effects.ts";
import { runEngine } from "../world/engine.ts";
import { type Keyferry, keyferry } from "../world/process.ts";
import { type MemoryQueue, memoryQueue } from "../world/queue.ts";
import type { WorldTime } from "../world/time.ts";
import type { Monitor } from "./monitor.ts";
import type { Action, Plan } from "./plan.ts";
import type { Dice } from "./random.ts";
import type { Setting } from "./setting.ts";

/** Keyferry's processes in a run: they crash, stall, and are started again. */
export interface Processes {
  readonly store: SqliteStore;
  readonly queue: MemoryQueue;
  crash(action: Omit<Extract<Action, { do: "crash" }>, "do" | "at">): void;
  stall(action: Extract<Action, { do: "stall" }>): void;
  /** When this sync is claimed next, its run takes this much longer, and `work` is done meanwhile. */
  meanwhile(key: SyncKey, ms: number, work: (process: number) => void): void;
  /** A process gets a line of the audit log with this effect. Nobody waits for its acknowledgement. */
  tell(effect: AuditEffect): void;
  /** From now on nothing goes wrong with messages, answers come at once, and whoever is dead is started. */
  calm(): void;
  /** All of them die at once, and others begin: with another fleet. */
  restart(): void;
  end(): Promise<void>;
}

export interface ProcessesOptions {
  readonly plan: Pick<Plan, "processes" | "loss" | "latency">;
  readonly time: WorldTime;
  readonly setting: Pick<Setting, "clusters" | "vault" | "fleet">;
  readonly monitor: Pick<Monitor, "say" | "store" | "starts" | "died">;
  readonly die: Dice;
  readonly trace: (line: string) => void;
  /** Told what keyferry says. */
  readonly onLog?: (event: string, fields: LogFields) => void;
  /** Told of messages that do not arrive, or late. */
  readonly onTransit?: (message: WorkMessage, fate: "lost" | "late") => void;
}

/** What is to happen to a process at one of its next effects. */
interface Doom {
  left: number;
  readonly side: "before" | "after";
  readonly crashMs?: number;
  readonly stallMs?: number;
}

interface Slot {
  readonly index: number;
  process: Keyferry | undefined;
  doom: Doom | undefined;
  /** For how long the run goes on that somebody interrupts. */
  holdMs: number;
}

interface Interruption {
  readonly ms: number;
  readonly work: (process: number) => void;
}

const SLOWEST_MS = 3_000;
const SHORTEST_SLEEP_MS = 1_000;

export function processes(options: ProcessesOptions): Processes {
  const { plan, time, setting, monitor, die, trace, onLog, onTransit } = options;
  const store = openSqliteStore({ path: ":memory:" });
  let isCalm = false;
  const interruptions = new Map<SyncKey, Interruption>();
  const interrupted = (shared: LeaseStore, slot: Slot): LeaseStore => ({
    ...shared,
    async claim(row, options) {
      const answer = await shared.claim(row, options);
      const next = interruptions.get(row.key);
      if (!answer || !next) return answer;
      interruptions.delete(row.key);
      time.after(0, () => next.work(slot.index));
      slot.holdMs = next.ms;
      return answer;
    },
  });
  const queue: MemoryQueue = memoryQueue({
    time,
    visibilityMs: 60_000,
    choose: (workers) => (workers.length === 0 ? undefined : die.pick(workers)),
    transit() {
      if (isCalm) return "plain";
      const at = die.next();
      const { lost, twice, late } = plan.loss;
      const message = queue.sent.at(-1);
      const tell = (fate: "lost" | "late") => message && onTransit?.(message, fate);
      if (at < lost) tell("lost");
      if (at < lost) return "lost";
      if (at < lost + twice) return "twice";
      if (at >= lost + twice + late) return "plain";
      tell("late");
      return { lateMs: die.int(100, 30_000) };
    },
  });
  const slots: Slot[] = Array.from({ length: plan.processes }, (_, index) => ({
    index,
    process: undefined,
    doom: undefined,
    holdMs: 0,
  }));

  const latency = (): number =>
    isCalm || !die.chance(plan.latency) ? 0 : die.int(1, die.chance(0.05) ? SLOWEST_MS : 60);
  const wait = async (ms: number): Promise<void> => {
    if (ms > 0) await time.sleep(ms);
  };
  /** Whether this effect is the one that something happens at. */
  const isDoomed = (slot: Slot, side: Doom["side"]): Doom | undefined => {
    const { doom } = slot;
    if (doom === undefined || doom.side !== side) return undefined;
    doom.left -= 1;
    if (doom.left >= 0) return undefined;
    slot.doom = undefined;
    return doom;
  };
  const meet = async (
    slot: Slot,
    process: () => Keyferry | undefined,
    name: string,
    doom: Doom | undefined,
  ): Promise<void> => {
    if (doom?.crashMs !== undefined) {
      trace(`process ${slot.index} dies ${doom.side} ${name}`);
      process()?.crash();
      time.after(doom.crashMs, () => start(slot));
    } else if (doom?.stallMs !== undefined) {
      trace(`process ${slot.index} stalls ${doom.side} ${name} for ${doom.stallMs} ms`);
      await wait(doom.stallMs);
    }
  };
  const effectOf =
    (slot: Slot, process: () => Keyferry | undefined): Effect =>
    async (name, work, about) => {
      if (about !== undefined) monitor.starts(about as KubeCall, slot.index);
      trace(`${slot.index} ${name}`);
      await wait(latency());
      await meet(slot, process, name, isDoomed(slot, "before"));
      const isOver = process()?.isDead() === true;
      if (isOver) return new Promise<never>(() => undefined);
      try {
        return await work();
      } finally {
        const { holdMs } = slot;
        slot.holdMs = 0;
        await wait(holdMs);
        await meet(slot, process, name, isDoomed(slot, "after"));
        await wait(latency());
      }
    };
  const say = (level: string) => (event: string, fields?: LogFields) => {
    trace(`${level} ${event} ${JSON.stringify(fields ?? {})}`);
    onLog?.(event, fields ?? {});
    if (event.endsWith("-crashed")) monitor.say(`bug: ${event} ${JSON.stringify(fields ?? {})}`);
  };
  const log = { debug: () => undefined, info: say("info"), warn: say("warn"), error: say("error") };

  function start(slot: Slot): void {
    if (slot.process?.isDead() === false) return;
    let process: Keyferry | undefined;
    process = keyferry({
      ...{ time, queue, log },
      store: monitor.store(interrupted(store, slot), slot.index),
      tokens: store.tokens(),
      clusterOf: (name) => setting.clusters.get(name),
      vaultAt: () => setting.vault,
      fleet: () => setting.fleet,
      random: die.next,
      metrics: { count: () => undefined, observe: () => undefined },
      shortestSleepMs: SHORTEST_SLEEP_MS,
      effect: effectOf(slot, () => process),
    });
    slot.process = process;
    process.onCrash(() => monitor.died(slot.index));
    const crashed = (what: string, error: unknown): void => say("error")(`${what}-crashed`, { error: String(error) });
    runEngine(process, {
      clusters: () => setting.fleet,
      queue,
      crashed,
      tickMs: 5_000,
      horizonMs: 10_000,
      watchSeconds: 20,
    });
  }

  for (const slot of slots) start(slot);
  return {
    store,
    queue,
    crash({ process, after, side, forMs }) {
      const slot = slots[process];
      if (slot) slot.doom = { left: after, side, crashMs: forMs };
    },
    stall({ process, after, ms }) {
      const slot = slots[process];
      if (slot) slot.doom = { left: after, side: "after", stallMs: ms };
    },
    meanwhile(key, ms, work) {
      interruptions.set(key, { ms, work });
    },
    tell(effect) {
      const slot = slots.find(({ process }) => process?.isDead() === false);
      if (slot?.process === undefined) return;
      trace(`${slot.index} is told ${JSON.stringify(effect)}`);
      const line = lineAt(time.now(), effect);
      void slot.process
        .inlet(VAULT)
        .take([line], new AbortController().signal)
        .catch(() => undefined);
    },
    calm() {
      isCalm = true;
      interruptions.clear();
      for (const slot of slots) {
        slot.doom = undefined;
        start(slot);
      }
    },
    restart() {
      for (const slot of slots) {
        slot.process?.crash();
        start(slot);
      }
    },
    async end() {
      for (const { process } of slots) process?.crash();
      await time.settled();
      await store[Symbol.asyncDispose]();
    },
  };
}
