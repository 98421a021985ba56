import assert from "node:assert/strict";
import { it } from "node:test";
import { SyncError } from "../../../lib/errors.ts";
import { createInlet } from "../../../lib/nudging/inlet.ts";
import { openSqliteStore } from "../../../lib/store/sqlite/sqlite-store.ts";
import { QUIET } from "../aws/records.ts";

const START = Date.UTC(2030, 0, 1);

it("a run that fails for one caller loses nothing of another one, whose lines are taken in parts", async () => {
  await using store = openSqliteStore({ path: ":memory:" });
  const asked: string[] = [];
  let isDown = true;
  const turn = Promise.withResolvers<void>();
  const inlet = createInlet(
    {
      leases: {
        ...store,
        byPlace: async (vault, query, page) => {
          if (isDown) throw new SyncError("STORE_UNAVAILABLE", "the lease table does not answer");
          asked.push("path" in query ? query.path : query.prefix);
          return store.byPlace(vault, query, page);
        },
      },
      queue: { send: async () => undefined },
      clock: () => START,
      log: QUIET,
      metrics: { count: () => undefined, observe: () => undefined },
      readLine: (line) =>
        line === "none" ? { kind: "none" } : { kind: "effects", effects: [{ kind: "path", path: line }] },
      // The pause between two parts of a call; the end of a window comes at once.
      sleep: async (ms) => (ms === 0 ? turn.promise : undefined),
    },
    "main",
  );
  const { signal } = new AbortController();
  const long = inlet.take(["kv/first", ...Array.from({ length: 600 }, () => "none"), "kv/last"], signal);
  await assert.rejects(inlet.take(["kv/other"], signal), { code: "STORE_UNAVAILABLE" });
  isDown = false;
  turn.resolve();
  await long;
  assert.deepEqual(asked.toSorted(), ["kv/first", "kv/last"]);
});

it("lines that mean nothing wait for no window, so that the next ones come at once", async () => {
  await using store = openSqliteStore({ path: ":memory:" });
  const paused: number[] = [];
  const inlet = createInlet(
    {
      ...{ leases: store, queue: { send: async () => undefined }, clock: () => START, log: QUIET },
      metrics: { count: () => undefined, observe: () => undefined },
      readLine: (line) =>
        line === "none" ? { kind: "none" } : { kind: "effects", effects: [{ kind: "path", path: line }] },
      sleep: async (ms) => void paused.push(ms),
    },
    "main",
  );
  const { signal } = new AbortController();
  assert.deepEqual(await inlet.take(["none", "none"], signal), { lines: 2, bad: 0, nudged: 0 });
  assert.deepEqual(paused, []);
  await inlet.take(["none", "kv/db"], signal);
  assert.equal(paused.length, 1);
});

it("revocations that another process noted as keyferry's own have no effect; of too many at once the last have one", async () => {
  await using store = openSqliteStore({ path: ":memory:" });
  const sent: string[] = [];
  let asked = 0;
  const inlet = createInlet(
    {
      leases: store,
      queue: { send: async (messages) => void sent.push(...messages.map(({ kind }) => kind)) },
      clock: () => START,
      log: QUIET,
      metrics: { count: () => undefined, observe: () => undefined },
      readLine: (id) => ({ kind: "effects", effects: [{ kind: "sweep", lease: true }], id }),
      isOwn: async (id) => {
        asked++;
        return id.startsWith("own");
      },
      sleep: async () => undefined,
    },
    "main",
  );
  const { signal } = new AbortController();
  const taken = async (...ids: readonly string[]) => {
    const before = sent.length;
    await inlet.take(ids, signal);
    return sent.length - before;
  };
  assert.deepEqual([await taken("own-1", "own-2", "own-1"), asked], [0, 2]);
  assert.equal(await taken("own-1", "other"), 1);
  asked = 0;
  assert.equal(await taken(...Array.from({ length: 300 }, (_, at) => `own-${at}`)), 1);
  assert.equal(asked, 200);
});
