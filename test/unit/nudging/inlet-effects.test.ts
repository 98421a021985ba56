import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Effect } from "../../../lib/audit/effect.ts";
import { SECOND_MS } from "../../../lib/clock.ts";
import { createInlet } from "../../../lib/nudging/inlet.ts";
import type { WorkMessage } from "../../../lib/ports/queue.ts";
import { EMPTY_STATE } from "../../../lib/ports/rows.ts";
import { openSqliteStore } from "../../../lib/store/sqlite/sqlite-store.ts";
import { aDeclared, aKey } from "../../builders.ts";
import { QUIET } from "../aws/records.ts";

const START = Date.UTC(2030, 0, 1);
const { signal } = new AbortController();

/** The inlet of Vault `main`. A line is the JSON of its effects, `none` or anything else. */
async function anInlet() {
  const store = openSqliteStore({ path: ":memory:" });
  const sent: WorkMessage[] = [];
  const counted: unknown[] = [];
  const doubted: unknown[] = [];
  const scene = { now: START, writtenAt: undefined as number | undefined };
  const inlet = createInlet(
    {
      ...{ leases: store, clock: () => scene.now, log: QUIET, sleep: async () => undefined },
      queue: { send: async (messages) => void sent.push(...messages) },
      metrics: {
        count: (name, labels, by) => void counted.push([name, ...Object.values(labels), by]),
        observe: () => undefined,
      },
      readLine: (line) => {
        if (line === "none") return { kind: "none" };
        if (!line.startsWith("[")) return { kind: "bad" };
        const effects = JSON.parse(line) as readonly Effect[];
        return { kind: "effects", effects, ...(scene.writtenAt === undefined ? {} : { at: scene.writtenAt }) };
      },
      doubtTokens: (vault, mount) => void doubted.push([vault, mount]),
    },
    "main",
  );
  const key = aKey();
  await store.declare(aDeclared({ key }), START);
  const row = async () => (await store.read([key], "strong")).get(key) ?? assert.fail();
  const { lease } = (await store.claim(await row(), { now: START, until: START + 90_000 })) ?? assert.fail();
  const place = { vault: "main", path: "kv/db", role: "read" as const };
  await store.settle(lease, { state: { ...EMPTY_STATE, place }, schedule: { kind: "parked" }, now: START });
  return {
    ...{ inlet, scene, row, counted, doubted },
    take: (...lines: readonly (string | readonly Effect[])[]) =>
      inlet.take(
        lines.map((line) => (typeof line === "string" ? line : JSON.stringify(line))),
        signal,
      ),
    /** What was sent meanwhile: of look-ups their kind and time. */
    sent: () =>
      sent.splice(0).map((message) => {
        if (message.kind !== "look-up") return message.kind;
        const { look } = message;
        const what = look.kind === "sweep" ? `sweep ${look.lease ? "leases" : look.reason}` : look.kind;
        return `${what} ${(message.at - scene.now) / SECOND_MS}`;
      }),
    [Symbol.asyncDispose]: () => store[Symbol.asyncDispose](),
  };
}
type Scene = Awaited<ReturnType<typeof anInlet>>;

const PATH: Effect = { kind: "path", path: "kv/db", version: 4 };

describe("lines of an audit log", () => {
  it("are counted by what they are, and nudge who reads there before they are acknowledged", async () => {
    await using it = await anInlet();
    assert.deepEqual(await it.take([PATH], "none", "none", "?"), { lines: 4, bad: 1, nudged: 1 });
    assert.deepEqual((await it.row()).expect, { version: 4, at: START });
    assert.deepEqual(it.sent(), ["keys", "places 60"]);
    assert.deepEqual(it.counted, [
      ["keyferry_event_nudges_total", "main", 1],
      ["keyferry_event_lines_total", "main", "effect", 1],
      ["keyferry_event_lines_total", "main", "none", 2],
      ["keyferry_event_lines_total", "main", "bad", 1],
    ]);
  });

  it("without an effect ask for nothing", async () => {
    await using it = await anInlet();
    assert.deepEqual(await it.take("none"), { lines: 1, bad: 0, nudged: 0 });
    assert.deepEqual([it.sent(), it.counted.length], [[], 1]);
    assert.deepEqual(await it.take(), { lines: 0, bad: 0, nudged: 0 });
  });

  it("tell of a time that is past, and no later one is believed", async () => {
    for (const [writtenAt, at] of [
      [START - 5_000, START - 5_000],
      [START + 5_000, START],
      [undefined, START],
    ] as const) {
      await using it = await anInlet();
      it.scene.writtenAt = writtenAt;
      await it.take([PATH]);
      assert.deepEqual((await it.row()).expect, { version: 4, at });
    }
  });

  it("are carried out in parts, each of 500 once", async () => {
    await using it = await anInlet();
    const lines = Array.from({ length: 1_200 }, () => "none");
    assert.deepEqual(await it.take(...lines), { lines: 1_200, bad: 0, nudged: 0 });
    assert.deepEqual(it.counted, [["keyferry_event_lines_total", "main", "none", 1_200]]);
  });

  it("are given up by who does not wait for them any more", async () => {
    await using it = await anInlet();
    const aborted = AbortSignal.abort(new Error("gone"));
    await assert.rejects(it.inlet.take([JSON.stringify([PATH])], aborted), /gone/);
    await assert.rejects(it.inlet.missed("silent", aborted), /gone/);
    assert.deepEqual([it.sent(), (await it.row()).expect], [[], undefined]);
    await it.inlet.missed("silent", signal);
    assert.deepEqual(it.sent(), ["sweep silent 0"]);
  });
});

describe("effects that mean more than a place", () => {
  const CASES: readonly (readonly [what: string, effects: readonly Effect[], sent: readonly string[]])[] = [
    ["any row", [{ kind: "sweep" }], ["sweep event 0"]],
    ["rows with leases", [{ kind: "sweep", lease: true }], ["sweep leases 0"]],
    ["any row, and those with leases", [{ kind: "sweep" }, { kind: "sweep", lease: true }], ["sweep event 0"]],
    ["who was denied something", [{ kind: "tokens" }], ["denied 0"]],
  ];
  for (const [what, effects, sent] of CASES) {
    it(`look at ${what}`, async () => {
      await using it = await anInlet();
      await it.take(effects);
      assert.deepEqual(it.sent(), sent);
    });
  }

  it("doubt the tokens of each login mount that is named, or of all", async () => {
    await using it = await anInlet();
    await it.take([
      { kind: "tokens", mount: "auth/a" },
      { kind: "tokens", mount: "auth/b" },
      { kind: "tokens", mount: "auth/a" },
    ]);
    assert.deepEqual(it.doubted.splice(0), [
      ["main", "auth/a"],
      ["main", "auth/b"],
    ]);
    await it.take([{ kind: "tokens", mount: "auth/a" }, { kind: "tokens" }]);
    assert.deepEqual(it.doubted, [["main", undefined]]);
  });

  it("look at who was denied something ever more rarely, where rights change all the time", async () => {
    await using it: Scene = await anInlet();
    const waits: number[] = [];
    for (let times = 0; times < 8; times++) {
      await it.take([{ kind: "tokens" }]);
      const [message = ""] = it.sent();
      const seconds = Number(message.split(" ")[1]);
      waits.push(seconds);
      // One that is planned covers what comes before it.
      if (seconds > 0) {
        await it.take([{ kind: "tokens" }]);
        assert.deepEqual(it.sent(), []);
      }
      it.scene.now += seconds * SECOND_MS;
    }
    assert.deepEqual(waits, [0, 10, 20, 40, 80, 160, 240, 240]);
    it.scene.now += 240 * SECOND_MS;
    await it.take([{ kind: "tokens" }]);
    assert.deepEqual(it.sent(), ["denied 0"], "after a quiet time at once");
    it.scene.now += SECOND_MS;
    await it.take([{ kind: "tokens" }]);
    assert.deepEqual(it.sent(), ["denied 9"]);
  });
});
