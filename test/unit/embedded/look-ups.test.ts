import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { lookUps } from "../../../lib/embedded/look-ups.ts";
import type { KeptLookUps, LookUpMessage } from "../../../lib/ports/queue.ts";
import { openSqliteStore } from "../../../lib/store/sqlite/sqlite-store.ts";

const DAY_MS = 24 * 3_600_000;

function aScene({ most, kept }: { readonly most?: number; readonly kept?: KeptLookUps } = {}) {
  let now = 1_000;
  let isAway = false;
  const swept: string[] = [];
  const looks = lookUps({
    clock: () => now,
    sweep: async (vault) => {
      if (isAway) throw new Error("the table is away");
      swept.push(vault);
    },
    ...(most !== undefined && { most }),
    ...(kept && { kept }),
  });
  return {
    looks,
    swept,
    goAway: (away: boolean) => {
      isAway = away;
    },
    pass: (ms: number) => {
      now += ms;
    },
    message: (vault: string, inMs = 0): LookUpMessage => ({
      ...{ kind: "look-up", vault, look: { kind: "denied" } },
      at: now + inMs,
    }),
    async due() {
      const done: LookUpMessage[] = [];
      await looks.runDue(async (message) => void done.push(message));
      return done;
    },
  };
}

describe("look-ups that wait in one process", () => {
  it("are carried out once, when their time has come", async () => {
    const { looks, message, due, pass } = aScene();
    const [soon, later] = [message("a", 10), message("b", 60_000)];
    await looks.note([later, soon]);
    assert.deepEqual(await due(), []);
    pass(10);
    assert.deepEqual(await due(), [soon]);
    pass(60_000);
    assert.deepEqual([await due(), await due()], [[later], []]);
  });

  it("do not wait for a clock that has stepped back by a day", async () => {
    const { looks, message, due, pass } = aScene();
    pass(2 * DAY_MS);
    const [soon, sweep] = [message("a", 60_000), message("b", 10 * 60_000)];
    await looks.note([soon, sweep]);
    assert.deepEqual(await due(), []);
    pass(-DAY_MS);
    assert.deepEqual(await due(), [soon, sweep]);
  });

  it("come again after a failure, which stops no other one", async () => {
    const { looks, message, due, pass } = aScene();
    await looks.note([message("a"), message("b")]);
    const tried: string[] = [];
    const failing = looks.runDue(async ({ vault }) => {
      tried.push(vault);
      if (vault === "a") throw new Error("the table is away");
    });
    await assert.rejects(failing, /the table is away/);
    assert.deepEqual([tried, await due()], [["a", "b"], []]);
    pass(5_000);
    assert.deepEqual(
      (await due()).map(({ vault }) => vault),
      ["a"],
    );
  });

  it("give way to a sweep of their Vault when they are too many", async () => {
    await using store = openSqliteStore({ path: ":memory:" });
    const { looks, message, due, pass, swept } = aScene({ most: 10, kept: store });
    await looks.note(Array.from({ length: 12 }, (_, at) => message(at % 2 === 0 ? "a" : "b", 60_000)));
    assert.deepEqual([swept, await due()], [["a", "b"], []]);
    const stored = (await store.lookUps(100)).length;
    pass(60_000);
    const left = (await due()).length;
    assert.ok(left > 0 && left <= 10, `${left}`);
    assert.deepEqual([stored, await store.lookUps(100)], [left, []]);
  });

  it("stay as long as no sweep can be asked for", async () => {
    await using store = openSqliteStore({ path: ":memory:" });
    const { looks, message, due, goAway, swept } = aScene({ most: 10, kept: store });
    goAway(true);
    const all = Array.from({ length: 12 }, () => message("a"));
    await assert.rejects(looks.note(all), /the table is away/);
    assert.equal((await store.lookUps(100)).length, 12);
    goAway(false);
    assert.deepEqual([(await due()).length, swept, await store.lookUps(100)], [12, [], []]);
  });

  it("that were noted before the last process's are gone on with are carried out once", async () => {
    await using store = openSqliteStore({ path: ":memory:" });
    await aScene({ kept: store }).looks.note([aScene().message("former")]);
    const { looks, message, due } = aScene({ kept: store });
    await looks.note([message("new")]);
    await looks.resume();
    const vaults = (await due()).map(({ vault }) => vault);
    assert.deepEqual([vaults, await store.lookUps(100)], [["new", "former"], []]);
  });

  it("are gone on with by the next process, unless they are parts of a sweep, which begins anew", async () => {
    await using store = openSqliteStore({ path: ":memory:" });
    const first = aScene({ kept: store });
    const place = { where: "path", path: "kv/a", at: 1_000, found: "many" } as const;
    const places: LookUpMessage = {
      ...first.message("a", 20),
      look: { kind: "places", places: [place], since: 1_000 },
    };
    const sweep: LookUpMessage = { ...first.message("a", 30), look: { kind: "sweep", reason: "event" } };
    const rows: LookUpMessage = { ...first.message("a", 40), look: { kind: "rows", keys: [] } };
    const denied = first.message("b", 10);
    await first.looks.note([denied, places, sweep, rows]);
    first.pass(10);
    assert.deepEqual(await first.due(), [denied]);
    const next = aScene({ kept: store });
    await next.looks.resume();
    next.pass(60_000);
    assert.deepEqual([await next.due(), await store.lookUps(100)], [[places], []]);
  });
});
