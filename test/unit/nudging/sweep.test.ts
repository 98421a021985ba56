import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { resumeSweeps, sweep, sweepsOf } from "../../../lib/nudging/sweep.ts";
import type { LookUpMessage, WorkMessage } from "../../../lib/ports/queue.ts";
import { EMPTY_STATE, type RowState } from "../../../lib/ports/rows.ts";
import type { Schedule } from "../../../lib/ports/store.ts";
import { openSqliteStore } from "../../../lib/store/sqlite/sqlite-store.ts";
import { aDeclared, aKey, anIssue } from "../../builders.ts";
import { QUIET } from "../aws/records.ts";

const START = Date.UTC(2030, 0, 1);

function aScene() {
  const scene = { now: START };
  const sent: number[] = [];
  const store = openSqliteStore({ path: ":memory:" });
  const deps = {
    leases: store,
    queue: {
      send: async (messages: readonly unknown[]) => void sent.push(...messages.map((one) => (one as LookUpMessage).at)),
    },
    clock: () => scene.now,
    log: QUIET,
    metrics: { count: () => undefined, observe: () => undefined },
  };
  return { scene, sent, store, deps, [Symbol.asyncDispose]: () => store[Symbol.asyncDispose]() };
}

describe("sweeps of one Vault", () => {
  it("begin at once, and the next one a minute later, however often they are asked for", async () => {
    await using at = aScene();
    const [one, other] = [sweepsOf(at.deps, "main"), sweepsOf(at.deps, "main")];
    await one.request("event");
    at.scene.now += 10;
    for (const sweeps of [one, one, other]) await sweeps.request("event");
    // The other process can't know that the message was sent.
    assert.deepEqual(at.sent, [START, START + 60_000, START + 60_000]);
    at.scene.now = START + 200_000;
    await other.request("silent");
    assert.equal(at.sent.at(-1), START + 200_000);
  });

  it("join one that has not started, at most two minutes ahead", async () => {
    for (const [ahead, startsAt] of [
      [1, START + 1],
      [120_000, START + 120_000],
      [120_001, START],
      [0, START + 60_000],
      [-59_999, START + 1],
      [-60_000, START],
    ] as const) {
      await using at = aScene();
      await at.store.moveSweep("main", undefined, START + ahead);
      await sweepsOf(at.deps, "main").request("event");
      assert.deepEqual([at.sent, await at.store.sweepAt("main")], [[startsAt], startsAt], `${ahead}`);
    }
  });

  it("of leases alone are apart from those of all rows", async () => {
    await using at = aScene();
    const looks: unknown[] = [];
    const counted: unknown[] = [];
    const deps = {
      ...at.deps,
      queue: { send: async (messages: readonly unknown[]) => void looks.push(...messages) },
      metrics: { count: (...of: readonly unknown[]) => void counted.push(of[1]), observe: () => undefined },
    };
    await sweepsOf(deps, "main", { lease: true }).request("event");
    await sweepsOf(deps, "main").request("silent");
    const message = { kind: "look-up", vault: "main", at: START };
    assert.deepEqual(looks, [
      { ...message, look: { kind: "sweep", reason: "event", lease: true } },
      { ...message, look: { kind: "sweep", reason: "silent" } },
    ]);
    assert.deepEqual(counted, [
      { vault: "main", reason: "lease" },
      { vault: "main", reason: "silent" },
    ]);
    at.scene.now += 1_000;
    looks.splice(0);
    await resumeSweeps(deps, ["main"]);
    assert.deepEqual(looks, [
      { ...message, at: START + 1_000, look: { kind: "sweep", reason: "event" } },
      { ...message, at: START + 1_000, look: { kind: "sweep", reason: "event", lease: true } },
    ]);
  });

  it("of leases that go on and on come ever more rarely, and a last one after the last event", async () => {
    await using at = aScene();
    const lines = async (minutes: number, everyMs: number) => {
      const from = at.scene.now;
      at.sent.splice(0);
      for (; at.scene.now < from + minutes * 60_000; at.scene.now += everyMs) await leases.request("event");
      return at.sent.map((start) => (start - from) / 60_000);
    };
    const leases = sweepsOf(at.deps, "main", { lease: true });
    assert.deepEqual(await lines(34, 500), [0, 1, 3, 7, 15, 25, 35]);
    at.scene.now += 10 * 60_000 + 61_000;
    assert.deepEqual(await lines(2, 60_000), [0, 1], "anew after ten quiet minutes");
    at.scene.now += 10 * 60_000;
    assert.deepEqual(await lines(24, 120_000), [0, 2, 4, 8, 16, 26], "also where more than a minute is between them");
  });

  it("of leases of other processes, or that the last process planned, are joined up to eleven minutes ahead", async () => {
    await using at = aScene();
    for (const ahead of [600_000, 660_000]) {
      await at.store.moveSweep("leases main", await at.store.sweepAt("leases main"), START + ahead);
      await sweepsOf(at.deps, "main", { lease: true }).request("event");
      assert.deepEqual(at.sent.splice(0), [START + ahead]);
    }
    await resumeSweeps(at.deps, ["main"]);
    assert.deepEqual(at.sent.splice(0), [START + 600_000]);
    await at.store.moveSweep("leases main", START + 600_000, START + 660_001);
    await sweepsOf(at.deps, "main", { lease: true }).request("event");
    assert.deepEqual(at.sent, [START]);
  });

  it("do not wait for a time that came from a wrong clock", async () => {
    await using at = aScene();
    await at.store.moveSweep("main", undefined, START + 10 * 60_000);
    await sweepsOf(at.deps, "main").request("event");
    assert.deepEqual([at.sent, await at.store.sweepAt("main")], [[START], START]);
  });

  it("are resumed by the next process of an engine with a queue in memory, while they may not be over", async () => {
    await using at = aScene();
    await sweepsOf(at.deps, "main").request("event");
    at.scene.now += 5_000;
    await sweepsOf(at.deps, "main").request("event");
    at.sent.splice(0);
    await resumeSweeps(at.deps, ["main", "other"]);
    assert.deepEqual(at.sent.splice(0), [START + 60_000]);
    at.scene.now = START + 90_000;
    await resumeSweeps(at.deps, ["main"]);
    assert.deepEqual(at.sent.splice(0), [START + 90_000]);
  });

  it("are resumed however long keyferry was stopped, and begin anew each time", async () => {
    await using at = aScene();
    const resumedAfter = async (ms: number) => {
      at.scene.now += ms;
      at.sent.splice(0);
      await resumeSweeps(at.deps, ["main"]);
      return [...at.sent];
    };
    const ticked = (from: number | undefined, to: number) => at.store.moveDispatched("refresh", from, to);
    await sweepsOf(at.deps, "main", { lease: true }).request("event");
    await ticked(undefined, START + 2_000);
    const DAY = 24 * 60 * 60_000;
    assert.deepEqual(await resumedAfter(DAY), [START + DAY]);
    // The second process lives for a short time, too.
    await ticked(START + 2_000, START + DAY + 5_000);
    assert.deepEqual(await resumedAfter(DAY), [START + 2 * DAY]);
    await ticked(START + DAY + 5_000, START + 2 * DAY + 7 * 60_000);
    assert.deepEqual(await resumedAfter(DAY), []);
  });
});

describe("one part of a sweep", () => {
  const WHEEL: Schedule = { kind: "wheel", slot: { period: 30, phase: 7 } };
  const PARKED: Schedule = { kind: "parked" };
  const ERROR = { code: "VAULT_DENIED", message: "m", since: START } as const;

  /** What a sweep of these rows sends. */
  async function swept(
    rows: readonly {
      readonly name: string;
      readonly schedule?: Schedule;
      readonly state?: Partial<RowState>;
      readonly group?: string;
      readonly isAtWork?: boolean;
      readonly vault?: string;
    }[],
    look: Partial<Extract<LookUpMessage["look"], { readonly kind: "sweep" }>> = {},
  ) {
    await using store = openSqliteStore({ path: ":memory:" });
    for (const { name, schedule = WHEEL, state = {}, group = "g", isAtWork = false, vault = "main" } of rows) {
      const key = aKey(name);
      await store.declare(aDeclared({ key, group }), START);
      const claim = async () => {
        const row = (await store.read([key], "strong")).get(key) ?? assert.fail();
        return (await store.claim(row, { now: START, until: START + 90_000 })) ?? assert.fail();
      };
      const place = { vault, path: `kv/${name}`, role: "read" as const };
      const { lease } = await claim();
      const issues = state.issues?.map((issue) => ({ ...issue }));
      for (const issue of issues ?? []) issue.target = await store.putTarget({ of: vault }, key);
      const known = { ...EMPTY_STATE, place, ...state, ...(issues ? { issues } : {}) };
      await store.settle(lease, { state: known, schedule, now: START });
      if (isAtWork) await claim();
    }
    const sent: WorkMessage[] = [];
    const deps = {
      ...{ leases: store, clock: () => START, log: QUIET },
      queue: { send: async (messages: readonly WorkMessage[]) => void sent.push(...messages) },
      metrics: { count: () => undefined, observe: () => undefined },
    };
    const message = { kind: "look-up", vault: "main", at: START } as const;
    const of = { kind: "sweep", reason: "event", ...look } as const;
    await sweep(deps, { ...message, look: of }, of);
    assert.ok(sent.every((one) => one.kind === "keys" || (one.kind === "look-up" && one.vault === "main")));
    return sent;
  }

  /** Names of syncs, by what is asked of them. */
  const asked = (sent: readonly WorkMessage[]) =>
    sent.flatMap((message): readonly (readonly [string, readonly string[]])[] => {
      const names = (keys: readonly string[]) => keys.map((key) => key.split("/").at(-1) ?? "");
      if (message.kind === "keys") return [[message.lane, names(message.keys)]];
      if (message.kind !== "look-up" || message.look.kind !== "rows") return [];
      return [[message.look.lease ? "lease" : "nudge", names(message.look.keys)]];
    });

  it("has those read that are in step on the wheel, and all others nudged", async () => {
    const sent = await swept([
      { name: "in-step" },
      { name: "failed", state: { error: ERROR } },
      { name: "parked", schedule: PARKED },
      { name: "at-work", isAtWork: true },
      { name: "issued", state: { issues: [anIssue()] } },
      { name: "elsewhere", vault: "other" },
    ]);
    assert.deepEqual(asked(sent), [
      ["refresh", ["in-step"]],
      ["nudge", ["at-work", "failed", "parked"]],
      ["lease", ["issued"]],
    ]);
  });

  it("of leases alone looks at who has something in that Vault", async () => {
    const issues = [anIssue()];
    const rows = [
      { name: "read" },
      { name: "issued", state: { issues } },
      { name: "elsewhere", vault: "other", state: { issues } },
    ];
    assert.deepEqual(asked(await swept(rows, { lease: true })), [["lease", ["issued"]]]);
  });

  it("keeps those together that share a read, and spreads the others: over a minute after an event", async () => {
    const rows = Array.from({ length: 120 }, (_, n) => ({ name: `s${n}`, group: `g${n % 40}`, schedule: PARKED }));
    const sent = await swept(rows);
    const timeOf = new Map(
      sent.flatMap((message) =>
        message.kind === "look-up" && message.look.kind === "rows"
          ? message.look.keys.map((key) => [key, message.at - START] as const)
          : [],
      ),
    );
    assert.equal(timeOf.size, 120);
    for (let n = 0; n < 40; n++) assert.equal(timeOf.get(aKey(`s${n}`)), timeOf.get(aKey(`s${n + 80}`)), `g${n}`);
    const times = [...timeOf.values()];
    assert.ok(Math.max(...times) < 60_000 && Math.max(...times) > 45_000 && new Set(times).size > 20);
  });

  it("after lines that may be missing spreads them over five minutes, or the shortest period where that is less", async () => {
    const latest = async (schedules: readonly Schedule[]) => {
      const rows = Array.from({ length: 100 }, (_, n) => ({ name: `s${n}`, group: `g${n}`, schedule: PARKED }));
      const on = schedules.map((schedule, n) => ({ name: `w${n}`, schedule }));
      const sent = await swept([...rows, ...on], { reason: "silent" });
      return Math.max(...sent.filter(({ kind }) => kind === "look-up").map(({ at }) => at - START));
    };
    const none = await latest([]);
    assert.ok(none > 250_000 && none < 300_000, String(none));
    const short = await latest([{ kind: "wheel", slot: { period: 100, phase: 1 } }]);
    assert.ok(short > 80_000 && short < 100_000, String(short));
  });

  it("puts 25 into a message", async () => {
    const sent = await swept(Array.from({ length: 51 }, (_, n) => ({ name: `s${n}`, schedule: PARKED })));
    assert.deepEqual(
      asked(sent).map(([, names]) => names.length),
      [25, 25, 1],
    );
    assert.equal(new Set(asked(sent).flatMap(([, names]) => names)).size, 51);
  });

  it("reads five pages, and leaves the rest to a message of its own", async () => {
    const pages = async (count: number, after?: string) => {
      await using store = openSqliteStore({ path: ":memory:" });
      const [asked, sent] = [[] as (string | undefined)[], [] as WorkMessage[]];
      const byPlace: typeof store.byPlace = async (_vault, _query, page) => {
        asked.push(page?.after);
        const read = Number(page?.after ?? 0) + 1;
        return { items: [], ...(read < count ? { next: String(read) } : {}) };
      };
      const deps = {
        ...{ leases: { ...store, byPlace }, clock: () => START, log: QUIET },
        queue: { send: async (messages: readonly WorkMessage[]) => void sent.push(...messages) },
        metrics: { count: () => undefined, observe: () => undefined },
      };
      const look = { kind: "sweep", reason: "event", ...(after === undefined ? {} : { after }) } as const;
      const message = { kind: "look-up", vault: "main", look, at: START } as const;
      await sweep(deps, message, look);
      return { asked, sent, message };
    };
    const whole = await pages(5);
    assert.deepEqual([whole.asked, whole.sent], [[undefined, "1", "2", "3", "4"], []]);
    const { asked, sent, message } = await pages(7);
    assert.deepEqual(asked, whole.asked);
    assert.deepEqual(sent, [{ ...message, look: { ...message.look, after: "5" } }]);
    assert.deepEqual((await pages(7, "5")).asked, ["5", "6"]);
  });
});
