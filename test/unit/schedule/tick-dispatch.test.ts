import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type EpochMs, HOUR_MS, MINUTE_MS, SECOND_MS } from "../../../lib/clock.ts";
import type { KeysMessage } from "../../../lib/ports/queue.ts";
import type { WheelLane } from "../../../lib/ports/rows.ts";
import type { Due } from "../../../lib/ports/store.ts";
import { type TickDeps, tick } from "../../../lib/schedule/tick.ts";
import { aKey } from "../../builders.ts";

/** A multiple of ten minutes. */
const NOW = Date.UTC(2030, 0, 1);
const HORIZON_MS = 2 * MINUTE_MS;
const NEVER = new AbortController().signal;

interface Table {
  readonly due?: readonly Due[];
  readonly dispatched?: Partial<Record<WheelLane, EpochMs>>;
  readonly periods?: Partial<Record<WheelLane, readonly number[]>>;
  /** Another tick is faster. */
  readonly isRaced?: boolean;
  readonly oldestAt?: EpochMs;
  readonly now?: EpochMs;
  readonly horizonMs?: number;
}

/** A tick over a table with one sync on each period of a wheel, at phase 0. */
function aTick({
  due = [],
  periods = {},
  isRaced = false,
  oldestAt,
  now = NOW,
  horizonMs = HORIZON_MS,
  ...table
}: Table) {
  const dispatched: Partial<Record<WheelLane, EpochMs>> = { ...table.dispatched };
  const [sent, askedDue, moved]: [KeysMessage[], EpochMs[], string[]] = [[], [], []];
  const [told, overdue]: [string[], string[]] = [[], []];
  const counted = new Map<string, number>();
  const hooks = { onSent: (): void => undefined };
  const quiet = () => undefined;
  const deps: TickDeps = {
    ...{ clock: () => now, horizonMs },
    backlog: () => (oldestAt === undefined ? {} : { oldestAt }),
    onOverdue: (clusters) => void overdue.push(...clusters.keys()),
    log: { debug: quiet, info: quiet, warn: (event) => void told.push(event), error: (event) => void told.push(event) },
    metrics: {
      ...{ ran: quiet, observe: quiet },
      count: (name, labels, by = 1) => {
        const id = [name, ...Object.values(labels)].join(" ");
        counted.set(id, (counted.get(id) ?? 0) + by);
      },
    },
    queue: {
      async send(messages) {
        sent.push(...messages);
        hooks.onSent();
      },
    },
    leases: {
      due: async ({ after, until }, limit) => {
        askedDue.push(after);
        return due.filter(({ at }) => at > after && at <= until).slice(0, limit);
      },
      periods: async (lane) => periods[lane] ?? [],
      onWheel: async (lane, period, from) =>
        from === 0 ? [{ key: aKey(`${lane}-${period}`), group: "g", lane, phase: 0 }] : [],
      dispatchedUntil: async (lane) => dispatched[lane],
      moveDispatched: async (lane, from, to) => {
        if (isRaced || dispatched[lane] !== from) return false;
        moved.push(lane);
        dispatched[lane] = to;
        return true;
      },
    },
  };
  return {
    ...{ sent, askedDue, moved, told, overdue, counted, dispatched, hooks },
    run: (signal = NEVER) => tick(deps, signal),
    /** Where the due index was read from first. */
    dueFrom: async () => {
      await tick(deps, NEVER);
      return askedDue[0];
    },
  };
}

const dueAt = (name: string, at: EpochMs): Due => ({ key: aKey(name), group: name, lane: "now", at });

describe("a tick", () => {
  it("sends what is due and both wheels, and says how much that was", async () => {
    const due = [dueAt("a", NOW - 1), dueAt("b", NOW + SECOND_MS)];
    const one = aTick({ due, periods: { refresh: [60], renew: [30] }, dispatched: { refresh: NOW, renew: NOW } });
    assert.deepEqual(await one.run(), {
      ...{ due: 2, wheel: 2, renew: 4, messages: 2 + 2 + 4 },
      ...{ outcome: "complete", dispatchedUntil: NOW + HORIZON_MS },
    });
    assert.deepEqual(one.dispatched, { refresh: NOW + HORIZON_MS, renew: NOW + HORIZON_MS });
    assert.equal(one.sent[0]?.lane, "renew", "a lease that is not renewed in time is lost");
    const keys = (from: string) => one.counted.get(`keyferry_keys_dispatched_total ${from}`);
    assert.deepEqual([keys("due"), keys("wheel"), keys("renew")], [2, 2, 4]);
  });

  it("has nothing to send, and writes nothing of a wheel that nobody is on but how far it looked", async () => {
    const one = aTick({ dispatched: { refresh: NOW + HORIZON_MS } });
    const nothing = { due: 0, wheel: 0, renew: 0, messages: 0 };
    assert.deepEqual(await one.run(), { ...nothing, outcome: "complete", dispatchedUntil: NOW + HORIZON_MS });
    assert.deepEqual([one.sent, one.moved, [...one.counted]], [[], [], []]);
    const first = aTick({});
    await first.run();
    assert.deepEqual([...new Set(first.moved)], ["refresh"]);
  });

  it("ends where another one is ahead of it, or when it is stopped", async () => {
    const raced = await aTick({ isRaced: true, dispatched: { refresh: NOW } }).run();
    assert.deepEqual([raced.outcome, raced.dispatchedUntil], ["raced", NOW]);
    const stopped = aTick({ dispatched: { refresh: NOW }, due: [dueAt("a", NOW - 1)] });
    const { outcome, dispatchedUntil, due } = await stopped.run(AbortSignal.abort());
    assert.deepEqual([outcome, dispatchedUntil, due, stopped.overdue], ["stopped", NOW, 0, []]);
  });

  it("holds refreshes back while messages have waited for more than a minute, and never renewals or what is due", async () => {
    const table: Table = {
      ...{ due: [dueAt("a", NOW - 1)], periods: { refresh: [60], renew: [30] } },
      dispatched: { refresh: NOW, renew: NOW },
    };
    for (const [oldestAt, isHeldBack] of [
      [NOW - MINUTE_MS, false],
      [NOW - MINUTE_MS - 1, true],
    ] as const) {
      const one = aTick({ ...table, oldestAt });
      const { outcome, dispatchedUntil, ...counts } = await one.run();
      assert.deepEqual(
        [outcome, dispatchedUntil, counts.due, counts.wheel, counts.renew],
        isHeldBack ? ["held-back", NOW, 1, 0, 4] : ["complete", NOW + HORIZON_MS, 1, 2, 4],
      );
      assert.equal(one.counted.get("keyferry_ticks_held_back_total"), isHeldBack ? 1 : undefined);
      assert.equal(one.told.includes("tick-held-back"), isHeldBack);
    }
  });

  it("lease-table 14: dispatches refreshes although more is due than it has time for, and the next one reads what is new", async () => {
    const due = Array.from({ length: 5_000 }, (_, n) => dueAt(`s${n}`, NOW - HOUR_MS + n));
    const one = aTick({ due, periods: { refresh: [60] }, dispatched: { refresh: NOW - SECOND_MS } });
    const stop = new AbortController();
    one.hooks.onSent = () => {
      if (one.sent.some(({ lane }) => lane === "now")) stop.abort();
    };
    const { due: sent, wheel } = await one.run(stop.signal);
    assert.ok(sent > 0 && sent < due.length, `${sent} before it was stopped`);
    assert.deepEqual([wheel, one.dispatched.refresh, one.overdue], [3, NOW + HORIZON_MS, []]);
    one.askedDue.length = 0;
    await one.run();
    assert.deepEqual(one.askedDue, [NOW]);
  });

  it("sets back what a wrong clock dispatched more than five minutes ahead", async () => {
    const at = NOW + 5 * MINUTE_MS;
    const sane = aTick({ dispatched: { refresh: at } });
    assert.equal((await sane.run()).dispatchedUntil, at);
    assert.deepEqual(sane.told, []);
    const wrong = aTick({ dispatched: { refresh: at + 1, renew: at + 1 }, periods: { renew: [30] } });
    assert.equal((await wrong.run()).dispatchedUntil, NOW + HORIZON_MS);
    assert.equal(wrong.dispatched.renew, NOW + HORIZON_MS);
    assert.deepEqual(wrong.told, ["tick-dispatch-set-back", "tick-dispatch-set-back"]);
    assert.equal(wrong.counted.get("keyferry_dispatch_set_back_total"), 2);
    const raced = await aTick({ dispatched: { refresh: at + 1 }, isRaced: true }).run();
    assert.equal(raced.dispatchedUntil, at + 1, "as the faster one left it");
  });

  describe("reads the due index", () => {
    const LATER = NOW + 3 * MINUTE_MS;
    const CASES: readonly (readonly [what: string, table: Table, from: EpochMs])[] = [
      ["from its beginning, when nothing was ever dispatched", { now: LATER }, 0],
      ["from its beginning, when ten minutes have passed since", { now: LATER, dispatched: { refresh: NOW - 1 } }, 0],
      [
        "from its beginning, when a round ten minutes come to be dispatched",
        { now: NOW + 8 * MINUTE_MS, dispatched: { refresh: NOW + 9 * MINUTE_MS } },
        0,
      ],
      [
        "from two minutes before what was dispatched",
        { now: LATER, dispatched: { refresh: LATER + MINUTE_MS } },
        LATER + MINUTE_MS - 2 * MINUTE_MS,
      ],
      [
        "from a horizon and ten seconds before it, where that is less",
        { now: LATER, dispatched: { refresh: LATER + SECOND_MS }, horizonMs: 2 * SECOND_MS },
        LATER + SECOND_MS - 12 * SECOND_MS,
      ],
      [
        "from before now, when the clock has stepped back",
        { now: LATER, dispatched: { refresh: LATER + 4 * MINUTE_MS } },
        LATER,
      ],
      [
        "from two minutes before now, while old messages wait",
        { now: LATER, dispatched: { refresh: NOW - 1 }, oldestAt: NOW },
        LATER - 2 * MINUTE_MS,
      ],
    ];
    for (const [what, table, from] of CASES) {
      it(what, async () => {
        assert.equal(await aTick(table).dueFrom(), from);
      });
    }

    it("and tells what is overdue when it read all of it", async () => {
      const due = [dueAt("a", NOW - 10 * MINUTE_MS)];
      const whole = aTick({ due });
      await whole.run();
      assert.deepEqual(whole.overdue, ["east"]);
      const part = aTick({ due: [dueAt("a", LATER - MINUTE_MS)], now: LATER, dispatched: { refresh: LATER } });
      assert.equal((await part.run()).due, 1);
      assert.deepEqual(part.overdue, []);
    });
  });
});
