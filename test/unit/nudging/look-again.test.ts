import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { lookAgain, secondLooks } from "../../../lib/nudging/look-again.ts";
import { hashOf, nudgePlace } from "../../../lib/nudging/nudge-places.ts";
import type { ChangedPlace, SeenPlace } from "../../../lib/ports/look-up.ts";
import type { LookUpMessage, WorkMessage } from "../../../lib/ports/queue.ts";
import { EMPTY_STATE } from "../../../lib/ports/rows.ts";
import { openSqliteStore } from "../../../lib/store/sqlite/sqlite-store.ts";
import { aDeclared, aKey } from "../../builders.ts";
import { QUIET } from "../aws/records.ts";

const START = Date.UTC(2030, 0, 1);

/** Rows of Vault `main`, at places, settled at START. */
async function aTable() {
  const scene = { now: START };
  const store = openSqliteStore({ path: ":memory:" });
  const sent: WorkMessage[] = [];
  const deps = {
    ...{ leases: store, clock: () => scene.now, log: QUIET },
    queue: { send: async (messages: readonly WorkMessage[]) => void sent.push(...messages) },
    metrics: { count: () => undefined, observe: () => undefined },
  };
  const rowOf = async (name: string) => (await store.read([aKey(name)], "strong")).get(aKey(name)) ?? assert.fail(name);
  return {
    ...{ scene, store, deps, rowOf },
    sent: () => sent.splice(0),
    async settled(name: string, path: string) {
      await store.declare(aDeclared({ key: aKey(name) }), scene.now);
      const claimed = await store.claim(await rowOf(name), { now: scene.now, until: scene.now + 90_000 });
      const place = { vault: "main", path, role: "read" as const };
      await store.settle(claimed?.lease ?? assert.fail(), {
        ...{ state: { ...EMPTY_STATE, place } },
        ...{ schedule: { kind: "parked" }, now: scene.now },
      });
      scene.now += 1;
    },
    [Symbol.asyncDispose]: () => store[Symbol.asyncDispose](),
  };
}

const place = (path: string, more: Partial<SeenPlace> = {}): SeenPlace => ({
  ...{ where: "path", path, at: START, found: [] },
  ...more,
});

describe("a place that changed", () => {
  const changed = (path: string, more: Partial<ChangedPlace> = {}): ChangedPlace => ({
    ...{ where: "path", path, at: START },
    ...more,
  });

  it("nudges who reads there, and says whom", async () => {
    await using table = await aTable();
    await table.settled("one", "kv/db");
    await table.settled("two", "kv/db");
    await table.settled("other", "kv/db/below");
    const done = await nudgePlace(table.deps, "main", changed("kv/db", { version: 4 }));
    assert.deepEqual(done, { nudged: 2, found: [hashOf(aKey("one")), hashOf(aKey("two"))] });
    const row = await table.rowOf("one");
    assert.deepEqual([row.verify, row.expect], [false, { version: 4, at: START }]);
    assert.deepEqual(await nudgePlace(table.deps, "another", changed("kv/db")), { nudged: 0, found: [] });
    assert.deepEqual(
      table
        .sent()
        .flatMap((message) => (message.kind === "keys" ? message.keys : []))
        .sort(),
      [aKey("one"), aKey("two")],
    );
  });

  it("has them verify where a lease may be gone, and expect another answer where no version is told", async () => {
    await using table = await aTable();
    await table.settled("one", "database/creds/app");
    await nudgePlace(table.deps, "main", changed("database/creds/app", { lease: true }));
    const row = await table.rowOf("one");
    assert.deepEqual([row.verify, row.expect], [true, { version: 0, at: START }]);
  });

  it("nudges what is below, by the end of its path where that is told", async () => {
    await using table = await aTable();
    for (const [name, path] of [
      ["a", "kv/team/db"],
      ["b", "kv/team/sub/db"],
      ["c", "kv/team/db/sub"],
      ["d", "kv/team/mydb"],
      ["e", "kv/teams/db"],
    ] as const)
      await table.settled(name, path);
    const below = (more: Partial<ChangedPlace> = {}) =>
      nudgePlace(table.deps, "main", changed("kv/team", { where: "prefix", ...more }));
    assert.deepEqual(
      (await below()).found,
      ["a", "c", "d", "b"].map((name) => hashOf(aKey(name))),
    );
    assert.deepEqual(
      (await below({ endsWith: "db" })).found,
      ["a", "b"].map((name) => hashOf(aKey(name))),
    );
  });

  it("does not name more than a hundred", async () => {
    await using table = await aTable();
    for (let n = 0; n < 101; n++) await table.settled(`s${n}`, "kv/db");
    const all = await nudgePlace(table.deps, "main", changed("kv/db"));
    assert.deepEqual(all, { nudged: 101, found: "many" });
    await table.store.tombstone(aKey("s0"), `uid-of-${aKey("s0")}`, table.scene.now);
    assert.equal((await nudgePlace(table.deps, "main", changed("kv/db"))).found.length, 100);
  });

  it("is left to a sweep when more than 500 are below", async () => {
    await using table = await aTable();
    const items = (count: number) =>
      Array.from({ length: count }, (_, n) => ({ key: aKey(`s${n}`), path: "kv/team/db", role: "read" as const }));
    const of = async (count: number) => {
      const leases = { ...table.store, byPlace: async () => ({ items: items(count) }), nudgeAll: async () => [] };
      return nudgePlace({ ...table.deps, leases }, "main", changed("kv/team", { where: "prefix" }));
    };
    assert.deepEqual(await of(500), { nudged: 0, found: "many" });
    assert.deepEqual(await of(501), { nudged: 0, found: "many", isWide: true });
  });

  it("forgets what was expected where versions begin anew, and expects the first of them where it is told", async () => {
    await using table = await aTable();
    await table.settled("one", "kv/db");
    const asked: unknown[] = [];
    const nudgeAll: typeof table.store.nudgeAll = (keys, options) => {
      asked.push(options.expect);
      return table.store.nudgeAll(keys, options);
    };
    const deps = { ...table.deps, leases: { ...table.store, nudgeAll } };
    const of = async (more: Partial<ChangedPlace>) => {
      await nudgePlace(deps, "main", changed("kv/db", more));
      return [asked.splice(0), (await table.rowOf("one")).expect];
    };
    const expect = (version: number) => ({ version, at: START });
    assert.deepEqual(await of({ version: 7 }), [[expect(7)], expect(7)]);
    assert.deepEqual(await of({ forget: true, version: 1 }), [["forget", expect(1)], expect(1)]);
    assert.deepEqual(await of({ forget: true }), [["forget"], undefined]);
  });

  it("sends who reads where versions began anew once, and does not leave it to a tick", async () => {
    await using table = await aTable();
    await table.settled("one", "kv/db");
    // Then the row waits, as under a circuit, so that both steps would send it.
    for (const waitsMs of [0, 60_000]) {
      table.scene.now += waitsMs;
      const { nudged } = await nudgePlace(table.deps, "main", changed("kv/db", { forget: true, version: 1 }));
      const keys = table.sent().flatMap((message) => (message.kind === "keys" ? message.keys : []));
      assert.deepEqual([nudged, keys], [1, [aKey("one")]]);
    }
  });
});

describe("the second look-up of a place", () => {
  const looksOf = (sent: readonly WorkMessage[]) =>
    sent.flatMap((message) => (message.kind === "look-up" && message.look.kind === "places" ? [message.look] : []));

  it("comes a minute later, and covers what changes there in the next half of it", async () => {
    await using table = await aTable();
    const looks = secondLooks(table.deps, "main");
    await looks.send([place("kv/a"), place("kv/b")]);
    const first: LookUpMessage = {
      ...{ kind: "look-up", vault: "main", at: START + 60_000 },
      look: { kind: "places", places: [place("kv/a"), place("kv/b")], since: START },
    };
    assert.deepEqual(table.sent(), [first]);
    table.scene.now = START + 30_000;
    await looks.send([place("kv/a"), place("kv/c"), place("kv/a", { where: "prefix" })]);
    assert.deepEqual(
      looksOf(table.sent()).flatMap(({ places }) => places.map(({ path, where }) => `${where} ${path}`)),
      ["path kv/c", "prefix kv/a"],
    );
    table.scene.now = START + 30_001;
    await looks.send([place("kv/a")]);
    assert.equal(table.sent().length, 1);
    await looks.send([place("kv/a")]);
    assert.deepEqual(table.sent(), []);
  });

  it("is asked for again when its message was not accepted", async () => {
    await using table = await aTable();
    let isDown = true;
    const queue = {
      send: async (messages: readonly WorkMessage[]) =>
        isDown ? Promise.reject(new Error("down")) : table.deps.queue.send(messages),
    };
    const looks = secondLooks({ ...table.deps, queue }, "main");
    await assert.rejects(looks.send([place("kv/a")]), /down/);
    isDown = false;
    await looks.send([place("kv/a")]);
    assert.equal(table.sent().length, 1);
  });

  it("shares a message with others, as far as that may grow; one that can't fit is not sent", async () => {
    await using table = await aTable();
    const looks = secondLooks(table.deps, "main");
    await looks.send(Array.from({ length: 51 }, (_, n) => place(`kv/${n}`)));
    assert.deepEqual(
      looksOf(table.sent()).map(({ places }) => places.length),
      [25, 25, 1],
    );
    const sized = (path: string, bytes: number) => {
      const size = Buffer.byteLength(JSON.stringify(place(path)));
      return place(path, { endsWith: "x".repeat(bytes - size - Buffer.byteLength(',"endsWith":""')) });
    };
    await looks.send([sized("big", 24_001)]);
    assert.deepEqual(table.sent(), []);
    await looks.send([sized("a", 12_000), sized("b", 12_000), sized("c", 1_000), sized("d", 24_000)]);
    assert.deepEqual(
      looksOf(table.sent()).map(({ places }) => places.map(({ path }) => path)),
      [["a", "b"], ["c"], ["d"]],
    );
  });

  it("nudges those alone that the first one did not find", async () => {
    await using table = await aTable();
    await table.settled("known", "kv/db");
    await table.settled("new", "kv/db");
    const look = {
      kind: "places",
      since: START,
      places: [place("kv/db", { found: [hashOf(aKey("known"))] })],
    } as const;
    assert.equal(await lookAgain(table.deps, "main", look), 1);
    assert.deepEqual([(await table.rowOf("known")).nudges, (await table.rowOf("new")).nudges], [0, 1]);
    const none = { ...look, places: [place("kv/nothing")] };
    assert.equal(await lookAgain(table.deps, "main", none), 0);
  });

  it("of very many nudges those that were settled in the minute before, and later", async () => {
    await using table = await aTable();
    const LONG = START - 60_000;
    const settledAt = async (at: number, ...names: readonly string[]) => {
      for (const name of names) {
        table.scene.now = at;
        await table.settled(name, "kv/db");
      }
    };
    await settledAt(LONG - 1, "old", ...Array.from({ length: 120 }, (_, n) => `s${n}`));
    await settledAt(LONG, "late");
    await settledAt(START, "zz-last");
    const look = { kind: "places", since: START, places: [place("kv/db", { found: "many" })] } as const;
    assert.equal(await lookAgain(table.deps, "main", look), 2);
    const nudges = ["old", "late", "s7", "zz-last"].map(async (name) => (await table.rowOf(name)).nudges);
    assert.deepEqual(await Promise.all(nudges), [0, 1, 0, 1]);
  });
});
