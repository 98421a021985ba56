import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type EpochMs, HOUR_MS, MINUTE_MS, SECOND_MS } from "../../../lib/clock.ts";
import type { SyncKey } from "../../../lib/keys.ts";
import type { KeysMessage } from "../../../lib/ports/queue.ts";
import { EMPTY_STATE } from "../../../lib/ports/rows.ts";
import type { Schedule, Settlement } from "../../../lib/ports/store.ts";
import { type TickResult, tick } from "../../../lib/schedule/tick.ts";
import { nextSlot } from "../../../lib/schedule/wheel.ts";
import { aKey } from "../../builders.ts";
import { aScene, LEASE_MS, type OpenStore, type Scene, START } from "./scene.ts";

const HORIZON_MS = 2 * MINUTE_MS;
const REFUSAL = new Error("queue refuses");

interface World {
  /** What was sent, in order. */
  readonly sent: KeysMessage[];
  readonly alarms: string[];
  tick(): Promise<TickResult>;
  /** When each key was to start, of what was sent in the refresh lane. */
  slotsOf(key: SyncKey): readonly EpochMs[];
  /** The same in the renew lane. */
  renewalsOf(key: SyncKey): readonly EpochMs[];
  /** The queue takes so many batches more; then it refuses. */
  takes: number;
  oldestAt: EpochMs | undefined;
}

/** Ticks over a real store, and a queue that only writes down. */
function aWorld(scene: Scene): World {
  const sent: KeysMessage[] = [];
  const alarms: string[] = [];
  const quiet = () => {};
  const world: World = {
    sent,
    alarms,
    takes: Number.POSITIVE_INFINITY,
    oldestAt: undefined,
    tick: () =>
      tick(
        {
          leases: scene.store,
          clock: scene.clock,
          horizonMs: HORIZON_MS,
          backlog: () => (world.oldestAt === undefined ? {} : { oldestAt: world.oldestAt }),
          queue: {
            send: async (messages) => {
              if (world.takes-- <= 0) throw REFUSAL;
              sent.push(...messages);
            },
          },
          log: { debug: quiet, info: quiet, warn: quiet, error: (event) => alarms.push(event) },
          metrics: { ran: quiet, count: quiet, observe: quiet },
        },
        // Nobody ends it: a tick that was stopped looks like one that is done.
        new AbortController().signal,
      ),
    slotsOf: (key) => sent.filter(({ lane, keys }) => lane === "refresh" && keys.includes(key)).map(({ at }) => at),
    renewalsOf: (key) => sent.filter(({ lane, keys }) => lane === "renew" && keys.includes(key)).map(({ at }) => at),
  };
  return world;
}

/** All refresh slots in (after, until]. */
function slots(period: number, phase: number, after: EpochMs, until: EpochMs): EpochMs[] {
  const found: EpochMs[] = [];
  for (let at = nextSlot({ period, phase }, after); at <= until; at = nextSlot({ period, phase }, at)) found.push(at);
  return found;
}

const PERIODS = [4, 57, 240, 3_661];

/** One sync of each period, settled on the wheel; answers their keys by period. */
async function aWheel(scene: Scene): Promise<ReadonlyMap<number, SyncKey>> {
  const keys = new Map<number, SyncKey>();
  for (const period of PERIODS) {
    const key = aKey(`every-${period}`);
    await scene.settled({ kind: "wheel", slot: { period, phase: 3 } }, { key, group: `g${period}` });
    keys.set(period, key);
  }
  return keys;
}

export function ticksContract(open: OpenStore): void {
  describe("ticks", () => {
    it("lease-table 13: dispatches every refresh slot once, 120 s ahead, from the first tick on", async () => {
      await using scene = await aScene(open);
      const world = aWorld(scene);
      const keys = await aWheel(scene);
      for (let minute = 0; minute <= 70; minute++) {
        const result = await world.tick();
        assert.equal(result.dispatchedUntil, scene.clock() + HORIZON_MS);
        if (minute < 70) scene.pass(MINUTE_MS);
      }
      for (const [period, key] of keys) {
        assert.deepEqual(world.slotsOf(key), slots(period, 3, START, scene.clock() + HORIZON_MS), `period ${period}`);
      }
    });

    it("lease-table 13: ticks that come late, doubled and at odd times dispatch the same refresh slots", async () => {
      await using scene = await aScene(open);
      const world = aWorld(scene);
      const keys = await aWheel(scene);
      for (const ms of [0, 61_234, 0, 1, 95_000, 119_999, 0, 60_000]) {
        scene.pass(ms);
        await world.tick();
      }
      for (const [period, key] of keys) {
        assert.deepEqual(world.slotsOf(key), slots(period, 3, START, scene.clock() + HORIZON_MS), `period ${period}`);
      }
    });

    it("lease-table 13: of two ticks at once at least one dispatches each refresh slot, and dispatchedUntil ends where it should", async () => {
      await using scene = await aScene(open);
      const world = aWorld(scene);
      const keys = await aWheel(scene);
      await Promise.all([world.tick(), world.tick()]);
      await world.tick();
      assert.equal(await scene.store.dispatchedUntil("refresh"), START + HORIZON_MS);
      for (const [period, key] of keys) {
        const expected = slots(period, 3, START, START + HORIZON_MS);
        assert.deepEqual([...new Set(world.slotsOf(key))], expected, `period ${period}`);
      }
    });

    it("lease-table 13: after an hour without ticks each sync comes once, spread over min(period, 15 min), then as ever", async () => {
      await using scene = await aScene(open);
      const world = aWorld(scene);
      const phases = Array.from({ length: 20 }, (_, n) => n * 90);
      for (const phase of phases) {
        await scene.settled({ kind: "wheel", slot: { period: 1_829, phase } }, { key: aKey(`slow-${phase}`) });
      }
      const keys = await aWheel(scene);
      await world.tick();
      scene.pass(HOUR_MS + HORIZON_MS);
      world.sent.length = 0;
      const now = scene.clock();
      for (let minute = 0; minute < 17; minute++) {
        assert.equal((await world.tick()).outcome, "complete");
        scene.pass(MINUTE_MS);
      }
      const starts = phases.map((phase) =>
        world.slotsOf(aKey(`slow-${phase}`)).filter((at) => at <= now + 15 * MINUTE_MS),
      );
      assert.deepEqual(new Set(starts.map(({ length }) => length)), new Set([1]), "each once within 15 min");
      assert.ok(new Set(starts.flat()).size > 15, "spread");
      assert.ok(starts.flat().every((at) => at >= now));
      for (const period of [4, 57, 240]) {
        const key = keys.get(period) ?? assert.fail();
        assert.deepEqual(world.slotsOf(key), slots(period, 3, now, now + 18 * MINUTE_MS), `period ${period}`);
      }
    });

    it("lease-table 13: a gap shorter than the period makes up for the refresh slots in it, and for no others", async () => {
      await using scene = await aScene(open);
      const world = aWorld(scene);
      for (const phase of [0, 1_000, 2_000, 3_000]) {
        await scene.settled({ kind: "wheel", slot: { period: 3_661, phase } }, { key: aKey(`p${phase}`) });
      }
      await world.tick();
      world.sent.length = 0;
      const from = scene.clock() + HORIZON_MS;
      scene.pass(HORIZON_MS + 30 * MINUTE_MS);
      const now = scene.clock();
      await world.tick();
      for (const phase of [0, 1_000, 2_000, 3_000]) {
        const missed = slots(3_661, phase, from, now);
        const made = world.slotsOf(aKey(`p${phase}`)).filter((at) => at < now + 15 * MINUTE_MS);
        assert.equal(made.length, missed.length + slots(3_661, phase, now, now + HORIZON_MS).length, `phase ${phase}`);
      }
    });

    it("lease-table 13: a clock that steps back repeats nothing", async () => {
      await using scene = await aScene(open);
      const world = aWorld(scene);
      const keys = await aWheel(scene);
      for (const ms of [0, 60_000, -150_000, 60_000, 60_000, 60_000, 60_000]) {
        scene.pass(ms);
        await world.tick();
      }
      assert.deepEqual(world.alarms, []);
      for (const [period, key] of keys) {
        assert.deepEqual(world.slotsOf(key), slots(period, 3, START, scene.clock() + HORIZON_MS), `period ${period}`);
      }
    });

    it("lease-table 13: a dispatchedUntil that is more than 5 min ahead is set back to now, with an alarm", async () => {
      await using scene = await aScene(open);
      const world = aWorld(scene);
      const keys = await aWheel(scene);
      await scene.store.moveDispatched("refresh", undefined, START + HOUR_MS);
      await world.tick();
      assert.deepEqual(world.alarms, ["tick-dispatch-set-back"]);
      assert.equal(await scene.store.dispatchedUntil("refresh"), START + HORIZON_MS);
      assert.deepEqual(world.slotsOf(keys.get(57) ?? assert.fail()), slots(57, 3, START, START + HORIZON_MS));
    });

    it("lease-table 13: dispatchedUntil stays before what the queue refused, and the next tick sends it", async () => {
      await using scene = await aScene(open);
      const world = aWorld(scene);
      const keys = await aWheel(scene);
      world.takes = 3;
      await assert.rejects(world.tick(), REFUSAL);
      const dispatched = await scene.store.dispatchedUntil("refresh");
      assert.ok(dispatched !== undefined && dispatched > START && dispatched < START + HORIZON_MS);
      world.takes = Number.POSITIVE_INFINITY;
      await world.tick();
      assert.deepEqual(world.slotsOf(keys.get(4) ?? assert.fail()), slots(4, 3, START, START + HORIZON_MS));
    });

    it("lease-table 13: while old messages wait, no wheel keys go out and dispatchedUntil stays; due keys do", async () => {
      await using scene = await aScene(open);
      const world = aWorld(scene);
      await aWheel(scene);
      await world.tick();
      const dispatched = await scene.store.dispatchedUntil("refresh");
      world.sent.length = 0;
      scene.pass(MINUTE_MS);
      const fresh = await scene.declare({ key: aKey("fresh") });
      world.oldestAt = scene.clock() - 60_001;
      assert.equal((await world.tick()).outcome, "held-back");
      assert.deepEqual(
        world.sent.flatMap(({ keys }) => keys),
        [fresh.key],
      );
      assert.equal(await scene.store.dispatchedUntil("refresh"), dispatched);
      world.oldestAt = scene.clock() - 60_000;
      assert.equal((await world.tick()).outcome, "complete");
    });

    it("lease-table 29: renewals go out in a lane of their own, also while refreshes are held back", async () => {
      await using scene = await aScene(open);
      const world = aWorld(scene);
      const renew = { period: 8, phase: 3 };
      const { key } = await scene.settled({ kind: "wheel", slot: { period: 57, phase: 3 } }, {}, {}, { renew });
      await world.tick();
      scene.pass(MINUTE_MS);
      world.oldestAt = scene.clock() - HOUR_MS;
      assert.equal((await world.tick()).outcome, "held-back");
      const until = scene.clock() + HORIZON_MS;
      assert.deepEqual(world.renewalsOf(key), slots(8, 3, START, until));
      assert.deepEqual(world.slotsOf(key), slots(57, 3, START, START + HORIZON_MS));
      assert.deepEqual(
        [await scene.store.dispatchedUntil("renew"), await scene.store.dispatchedUntil("refresh")],
        [until, START + HORIZON_MS],
      );
      world.oldestAt = undefined;
      await world.tick();
      assert.deepEqual(world.slotsOf(key), slots(57, 3, START, until));
      assert.deepEqual(world.renewalsOf(key), slots(8, 3, START, until));
    });

    it("lease-table 29: renewals that were missed come once, at once", async () => {
      await using scene = await aScene(open);
      const world = aWorld(scene);
      const renews = [
        { period: 8, phase: 3 },
        { period: 240, phase: 100 },
        { period: 3_661, phase: 900 },
      ];
      for (const renew of renews) {
        await scene.settled({ kind: "parked" }, { key: aKey(`r${renew.period}`) }, {}, { renew });
      }
      await world.tick();
      scene.pass(2 * HOUR_MS);
      world.sent.length = 0;
      await world.tick();
      for (const { period, phase } of renews) {
        const ahead = slots(period, phase, scene.clock(), scene.clock() + HORIZON_MS);
        assert.deepEqual(world.renewalsOf(aKey(`r${period}`)), [scene.clock(), ...ahead], `period ${period}`);
      }
    });

    it("lease-table 10: a row is on the renew wheel whatever its schedule is, until a settle takes it off", async () => {
      await using scene = await aScene(open);
      const renew = { period: 8, phase: 3 };
      const { key } = await scene.settled({ kind: "wheel", slot: { period: 57, phase: 3 } }, {}, {}, { renew });
      const renewing = async () => (await scene.store.onWheel("renew", 8, 0, 7)).map((entry) => entry.key);
      const entry = { key, group: (await scene.row(key)).declared.group, lane: "renew" as const, phase: 3 };
      assert.deepEqual(await scene.store.onWheel("renew", 8, 3, 3), [entry]);
      assert.deepEqual([await scene.store.periods("renew"), await scene.store.periods("refresh")], [[8], [57]]);
      const settle = async (schedule: Schedule, more: Pick<Settlement, "renew"> = {}) => {
        const lease = await scene.claim(await scene.row(key));
        await scene.store.settle(lease, { state: EMPTY_STATE, schedule, ...more, now: scene.clock() });
        return scene.row(key);
      };
      const failed = await settle({ kind: "due", at: scene.clock() + HOUR_MS });
      assert.deepEqual([failed.wheel, failed.renew, failed.dueAt], [undefined, renew, scene.clock() + HOUR_MS]);
      await settle({ kind: "parked" });
      await scene.store.nudge(key, { now: scene.clock(), verify: false });
      assert.deepEqual(await renewing(), [key]);
      const moved = await settle({ kind: "parked" }, { renew: { period: 9, phase: 1 } });
      assert.deepEqual([moved.renew, await renewing()], [{ period: 9, phase: 1 }, []]);
      assert.equal((await settle({ kind: "parked" }, { renew: "off" })).renew, undefined);
      assert.deepEqual(await scene.store.onWheel("renew", 9, 0, 8), []);
    });

    it("lease-table 14: what is due within the horizon goes out with its time, never before it", async () => {
      await using scene = await aScene(open);
      const world = aWorld(scene);
      const soon = await scene.settled({ kind: "due", at: START + 90_500 }, { key: aKey("soon") });
      await scene.settled({ kind: "due", at: START + HORIZON_MS + 1 }, { key: aKey("later") });
      const fresh = await scene.declare({ key: aKey("fresh") });
      await world.tick();
      assert.deepEqual(
        world.sent.map(({ keys, at, lane }) => [...keys, at, lane]).toSorted(),
        [
          [fresh.key, START, "now"],
          [soon.key, START + 91_000, "now"],
        ].toSorted(),
      );
    });

    it("lease-table 14: a worker's death brings the row back with a tick after leaseUntil", async () => {
      await using scene = await aScene(open);
      const world = aWorld(scene);
      const lease = await scene.claim(await scene.declare());
      for (const expected of [0, 1]) {
        await world.tick();
        assert.equal(world.sent.length, expected);
        scene.pass(LEASE_MS);
      }
      assert.deepEqual(world.sent[0]?.keys, [lease.key]);
    });

    it("lease-table 14: a row that becomes due after the clock stepped back goes out with the next tick", async () => {
      await using scene = await aScene(open);
      const world = aWorld(scene);
      await world.tick();
      scene.pass(-150 * SECOND_MS);
      const { key } = await scene.settled({ kind: "due", at: scene.clock() + MINUTE_MS });
      await world.tick();
      assert.deepEqual(
        world.sent.flatMap(({ keys }) => keys),
        [key],
      );
    });

    it("lease-table 14: what is older and unclaimed is found within 10 minutes", async () => {
      await using scene = await aScene(open);
      const world = aWorld(scene);
      await scene.store.moveDispatched("refresh", undefined, START);
      scene.pass(SECOND_MS);
      const lost = await scene.settled({ kind: "due", at: START - HOUR_MS });
      let minutes = 0;
      for (; world.sent.length === 0 && minutes < 20; minutes++) {
        await world.tick();
        scene.pass(MINUTE_MS);
      }
      assert.ok(minutes > 1 && minutes <= 11, `after ${minutes} ticks`);
      assert.deepEqual(
        world.sent.flatMap(({ keys }) => keys),
        [lost.key],
      );
    });

    it("lease-table 15: 100 sharers of a Vault read travel in four messages, and each is claimed by itself", async () => {
      await using scene = await aScene(open);
      const world = aWorld(scene);
      const keys = Array.from({ length: 100 }, (_, n) => aKey(`sharer-${n}`));
      for (const key of keys)
        await scene.settled({ kind: "wheel", slot: { period: 240, phase: 60 } }, { key, group: "same" });
      for (let n = 0; n < 7; n++) {
        await scene.settled(
          { kind: "wheel", slot: { period: 240, phase: 60 } },
          { key: aKey(`other-${n}`), group: `g${n}` },
        );
      }
      await world.tick();
      const sharing = world.sent.filter(({ keys: sent }) => sent.some((key) => keys.includes(key)));
      assert.deepEqual(
        sharing.map(({ keys: sent }) => sent.length),
        [25, 25, 25, 25],
      );
      assert.deepEqual(
        new Set(world.sent.map(({ lane, at }) => `${lane} ${at}`)),
        new Set([`refresh ${START + 60_000}`]),
      );
      assert.equal(world.sent.length, 5);
      const [first, second] = sharing[0]?.keys ?? [];
      await scene.claim(await scene.row(first ?? assert.fail()));
      assert.equal((await scene.row(second ?? assert.fail())).leaseUntil, undefined);
    });

    it("lease-table 15: new work and refreshes never share a message", async () => {
      await using scene = await aScene(open);
      const world = aWorld(scene);
      const slot = { period: 57, phase: (nextSlot({ period: 57, phase: 0 }, START) - START) / SECOND_MS };
      await scene.settled({ kind: "wheel", slot }, { key: aKey("refreshed"), group: "same" });
      await scene.declare({ key: aKey("fresh"), group: "same" });
      await world.tick();
      const lanes = new Map(world.sent.flatMap(({ keys, lane }) => keys.map((key) => [key, lane])));
      assert.deepEqual([lanes.get(aKey("fresh")), lanes.get(aKey("refreshed"))], ["now", "refresh"]);
    });

    it("more rows than fit in a page go out, also when they are due at one instant", async () => {
      await using scene = await aScene(open);
      const world = aWorld(scene);
      const keys = Array.from({ length: 1_500 }, (_, n) => aKey(`n${n}`));
      for (const [n, key] of keys.entries()) {
        if (n === 300) scene.pass(1);
        await scene.declare({ key });
      }
      await world.tick();
      assert.deepEqual(world.sent.flatMap(({ keys: sent }) => sent).toSorted(), keys.toSorted());
    });
  });
}
