import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { MINUTE_MS, SECOND_MS } from "../../../lib/clock.ts";
import { SyncError } from "../../../lib/errors.ts";
import {
  type Asking,
  asError,
  followAt,
  type KnownFailure,
  type SharedOutcome,
  sharedFailures,
} from "../../../lib/failures/shared-failures.ts";
import type { WorkMessage } from "../../../lib/ports/queue.ts";
import type { WaitKey } from "../../../lib/ports/refs.ts";
import { EMPTY_STATE } from "../../../lib/ports/rows.ts";
import { openSqliteStore } from "../../../lib/store/sqlite/sqlite-store.ts";
import { aDeclared, aKey } from "../../builders.ts";
import { QUIET } from "../aws/records.ts";

const START = Date.UTC(2030, 0, 1);
const MISSING = "VAULT_PATH_MISSING:1";
const DENIED_THERE = "KUBE_DENIED:1";
const OF_ONE_SECRET = "SECRET_NOT_OURS:1";
const forever = new AbortController().signal;

const missing = () => new SyncError("VAULT_PATH_MISSING", "kv/db is missing");

/** The failures of a process, over a table in which rows wait for causes. */
function aProcess() {
  const store = openSqliteStore({ path: ":memory:" });
  const sent: WorkMessage[] = [];
  const warned: string[] = [];
  let now = START;
  const deps = {
    ...{ leases: store, clock: () => now },
    queue: { send: async (messages: readonly WorkMessage[]) => void sent.push(...messages) },
    log: { ...QUIET, warn: (event: string) => void warned.push(event) },
  };
  const failures = sharedFailures(deps);
  const asking = (name: string, more: Partial<Asking> = {}): Asking => ({
    ...{ key: aKey(name), ahead: () => [MISSING], before: undefined, isRoutine: false },
    ...{ since: now, isAskedFor: false, longestMs: 5 * MINUTE_MS, at: now },
    ...more,
  });
  return {
    ...{ store, failures, deps, asking, warned },
    pass: (ms: number) => {
      now += ms;
    },
    now: () => now,
    /** A row that waits for this. */
    async waiting(name: string, ...awaits: readonly WaitKey[]) {
      const key = aKey(name);
      await store.declare(aDeclared({ key }), now);
      const row = (await store.read([key], "strong")).get(key) ?? assert.fail();
      const claimed = await store.claim(row, { now, until: now + 1 });
      const lease = claimed?.lease ?? assert.fail();
      await store.settle(lease, { state: { ...EMPTY_STATE, awaits }, schedule: { kind: "parked" }, now });
    },
    /** This sync meets the failure, and tries again in a minute. */
    async fails(asking: Asking) {
      const nextAt = now + MINUTE_MS;
      await failures.leave(asking, { kind: "failed", error: missing(), cause: MISSING, nextAt });
    },
    well: (asking: Asking) => failures.leave(asking, { kind: "well" }),
    /** The names of the rows that were woken. */
    woken: () => sent.splice(0).flatMap((message) => (message.kind === "keys" ? message.keys : [])),
    [Symbol.asyncDispose]: () => store[Symbol.asyncDispose](),
  };
}

describe("a failure that several syncs share", () => {
  it("is known to those that come later, until shortly after the time of its retry", async () => {
    await using process = aProcess();
    const later = () => process.asking("later", { before: MISSING, isRoutine: true });
    await process.fails(process.asking("first"));
    const known = await process.failures.enter(later(), forever);
    assert.deepEqual(known, {
      ...{ cause: MISSING, message: "kv/db is missing", by: aKey("first") },
      ...{ askedAt: START, nextAt: START + MINUTE_MS },
    });
    process.pass(MINUTE_MS + 14 * SECOND_MS);
    assert.notEqual(await process.failures.enter(later(), forever), undefined);
    process.pass(SECOND_MS);
    assert.equal(await process.failures.enter(later(), forever), undefined);
  });

  const KNOWN_TO: readonly (readonly [who: string, more: Partial<Asking>, isKnown: boolean])[] = [
    ["one that may meet it, since it is newer than its request", { since: START }, true],
    ["one that was asked for since", { since: START + 1 }, false],
    ["one that reads something else", { ahead: () => [] }, false],
    ["one that waited for it, and reads something else now", { since: START, before: MISSING, ahead: () => [] }, false],
    ["one that waits for it, at its routine time", { since: START + 1, before: MISSING, isRoutine: true }, true],
    ["one that waits for it, out of turn", { since: START + 1, before: MISSING }, false],
    ["one that waits for something else", { since: START + 1, before: DENIED_THERE, isRoutine: true }, false],
    [
      "not one whose own pause ends before the retry",
      { since: START + 1, before: MISSING, isRoutine: true, longestMs: MINUTE_MS - 1 },
      false,
    ],
    [
      "one whose own pause ends with the retry",
      { since: START + 1, before: MISSING, isRoutine: true, longestMs: MINUTE_MS },
      true,
    ],
  ];
  for (const [who, more, isKnown] of KNOWN_TO) {
    it(`is ${isKnown ? "" : "not "}known to ${who}`, async () => {
      await using process = aProcess();
      await process.fails(process.asking("first"));
      const known = await process.failures.enter(process.asking("other", more), forever);
      assert.equal(known !== undefined, isKnown);
    });
  }

  it("is tried by the one that met it, at its time", async () => {
    await using process = aProcess();
    await process.fails(process.asking("first"));
    const again = process.asking("first", { since: START + 1, before: MISSING, isRoutine: true });
    assert.equal(await process.failures.enter(again, forever), undefined);
  });

  it("is remembered only when it has a cause that one may try for all, and a retry", async () => {
    await using process = aProcess();
    const nextAt = START + MINUTE_MS;
    for (const [cause, at] of [
      [undefined, nextAt],
      [MISSING, undefined],
      [OF_ONE_SECRET, nextAt],
    ]) {
      const outcome = { kind: "failed", error: missing(), cause, nextAt: at } as SharedOutcome;
      await process.failures.leave(process.asking("first"), outcome);
      const other = process.asking("other", { ahead: () => [MISSING, OF_ONE_SECRET] });
      assert.equal(await process.failures.enter(other, forever), undefined, `${cause} ${at}`);
    }
  });
});

describe("syncs that wait for one cause and are due at once", () => {
  const routine = { before: MISSING, isRoutine: true };
  /** Whether it is in yet. */
  const entering = (entry: Promise<KnownFailure | undefined>) => {
    const seen = { isIn: false, failure: undefined as KnownFailure | undefined };
    void entry.then((failure) => Object.assign(seen, { isIn: true, failure }));
    return seen;
  };
  const settled = () => new Promise((resolve) => setImmediate(resolve));

  it("wait for the one that tries, and take its failure", async () => {
    await using process = aProcess();
    const first = process.asking("first", routine);
    assert.equal(await process.failures.enter(first, forever), undefined);
    const second = entering(process.failures.enter(process.asking("second", routine), forever));
    await settled();
    assert.equal(second.isIn, false);
    await process.fails(first);
    await settled();
    assert.equal(second.failure?.by, first.key);
  });

  it("try themselves, one by one, when it learned nothing, and after two waits in any case", async () => {
    await using process = aProcess();
    const all = ["a", "b", "c", "d"].map((name) => process.asking(name, routine));
    const [a, b, c, d] = all.map((asking) => ({ asking, seen: entering(process.failures.enter(asking, forever)) }));
    assert.ok(a && b && c && d);
    const isIn = () => [a, b, c, d].map(({ seen }) => seen.isIn);
    await settled();
    assert.deepEqual(isIn(), [true, false, false, false]);
    await process.failures.leave(a.asking);
    await settled();
    assert.deepEqual(isIn(), [true, true, false, false]);
    await process.failures.leave(b.asking);
    await settled();
    assert.deepEqual(isIn(), [true, true, true, true], "c tries after two waits, and so does d");
    const late = entering(process.failures.enter(process.asking("late", routine), forever));
    await process.failures.leave(d.asking);
    await settled();
    assert.equal(late.isIn, false, "c is still asking for all");
    await process.failures.leave(c.asking);
    await settled();
    assert.equal(late.isIn, true);
  });

  it("wait no longer than their own signal", async () => {
    await using process = aProcess();
    await process.failures.enter(process.asking("first", routine), forever);
    const stop = new AbortController();
    const second = entering(process.failures.enter(process.asking("second", routine), stop.signal));
    await settled();
    assert.equal(second.isIn, false);
    stop.abort();
    await settled();
    assert.equal(second.isIn, true);
  });

  const ALONE: readonly (readonly [what: string, more: Partial<Asking>])[] = [
    ["one that is asked for out of turn", { ...routine, isRoutine: false }],
    ["one that waits for nothing", { ...routine, before: undefined }],
    ["one that waits for its own Secret", { ...routine, before: OF_ONE_SECRET }],
  ];
  for (const [what, more] of ALONE) {
    it(`hold up no other sync: ${what}`, async () => {
      await using process = aProcess();
      await process.failures.enter(process.asking("first", { ...routine, before: more.before }), forever);
      const second = entering(process.failures.enter(process.asking("second", more), forever));
      await settled();
      assert.equal(second.isIn, true);
    });
  }
});

describe("a cause that has gone", () => {
  const waits = `cause:${MISSING}` as const;

  it("wakes all that wait for it, though not the one that found out, and lets them look at no more than that", async () => {
    await using process = aProcess();
    await process.waiting("waits", waits);
    await process.waiting("finds", waits);
    await process.waiting("other", "cause:VAULT_PATH_MISSING:2");
    await process.fails(process.asking("finds"));
    await process.well(process.asking("finds", { before: MISSING }));
    assert.deepEqual(process.woken(), [aKey("waits")]);
    assert.equal((await process.store.read([aKey("waits")], "strong")).get(aKey("waits"))?.verify, false);
    assert.equal(await process.failures.enter(process.asking("new"), forever), undefined);
  });

  it("is found by a sync that never met it", async () => {
    await using process = aProcess();
    await process.waiting("waits", waits);
    await process.fails(process.asking("first"));
    await process.well(process.asking("healthy"));
    assert.deepEqual(process.woken(), [aKey("waits")]);
  });

  it("is found after a restart by one that waited for it, and by no other", async () => {
    await using process = aProcess();
    await process.waiting("waits", waits);
    await process.well(process.asking("healthy"));
    assert.deepEqual(process.woken(), []);
    await process.well(process.asking("finds", { before: MISSING }));
    assert.deepEqual(process.woken(), [aKey("waits")]);
  });

  it("is not ahead of the read: a success shows that it has gone as well", async () => {
    await using process = aProcess();
    await process.waiting("waits", `cause:${DENIED_THERE}`);
    await process.waiting("own", `cause:${OF_ONE_SECRET}`);
    await process.well(process.asking("finds", { before: DENIED_THERE }));
    assert.deepEqual(process.woken(), [aKey("waits")]);
    await process.well(process.asking("got its Secret", { before: OF_ONE_SECRET }));
    assert.deepEqual(process.woken(), [], "each looks at its Secret itself");
  });

  it("wakes them once within a minute, and then again", async () => {
    await using process = aProcess();
    await process.waiting("waits", waits);
    const well = () => process.well(process.asking("finds", { before: MISSING }));
    await well();
    assert.deepEqual(process.woken(), [aKey("waits")]);
    await process.waiting("another", waits);
    process.pass(MINUTE_MS - 1);
    await well();
    assert.deepEqual(process.woken(), []);
    process.pass(MINUTE_MS);
    await well();
    assert.deepEqual(process.woken().includes(aKey("another")), true);
  });

  it("wakes the one that failed by it, or used its failure, before it went", async () => {
    await using process = aProcess();
    await process.waiting("slow", waits);
    await process.waiting("follower", waits);
    await process.fails(process.asking("first"));
    const slow = process.asking("slow");
    const known = (await process.failures.enter(process.asking("follower"), forever)) ?? assert.fail();
    process.pass(1);
    await process.well(process.asking("finds", { before: MISSING }));
    process.woken();
    await process.fails(slow);
    assert.deepEqual(process.woken(), []);
    assert.equal(await process.failures.enter(process.asking("new", { since: START }), forever), undefined);
    await process.waiting("late");
    await process.failures.leave(process.asking("late"), { kind: "known", failure: known });
    assert.deepEqual(process.woken(), [aKey("late")]);
    await process.failures.leave(process.asking("late"), {
      kind: "known",
      failure: { ...known, askedAt: process.now() },
    });
    assert.deepEqual(process.woken(), []);
  });

  it("wakes nobody when nothing was learned", async () => {
    await using process = aProcess();
    await process.waiting("idle", waits);
    await process.failures.leave(process.asking("idle", { before: MISSING }));
    assert.deepEqual(process.woken(), []);
  });

  it("may be told too late: a table that is away is no failure of the sync, but a bug is", async () => {
    await using process = aProcess();
    const finds = (error: Error) => {
      const leases = { ...process.deps.leases, byReference: () => Promise.reject(error) };
      const failures = sharedFailures({ ...process.deps, leases });
      return failures.leave(process.asking("finds", { before: MISSING }), { kind: "well" });
    };
    await finds(new SyncError("STORE_UNAVAILABLE", "away"));
    assert.deepEqual(process.warned, ["not-woken"]);
    await assert.rejects(finds(new TypeError("a bug")), TypeError);
  });
});

describe("when a sync that uses another's failure runs itself", () => {
  const known = (ms: number) => ({
    cause: MISSING,
    message: "m",
    by: aKey("first"),
    askedAt: START,
    nextAt: START + ms,
  });
  const at = (ms: number, random: number, longestMs = 5 * MINUTE_MS, now = START) =>
    followAt(known(ms), { longestMs }, { now, random: () => random });

  it("is between 200 and 290 seconds after the last try, and not before the retry for all", () => {
    assert.equal(at(MINUTE_MS, 0), START + 200 * SECOND_MS);
    assert.equal(at(MINUTE_MS, 1), START + 290 * SECOND_MS);
    assert.equal(at(MINUTE_MS, 0.5), START + 245 * SECOND_MS);
    assert.equal(at(4 * MINUTE_MS, 0), START + 255 * SECOND_MS);
    assert.equal(at(5 * MINUTE_MS, 0), START + 315 * SECOND_MS);
    assert.equal(at(5 * MINUTE_MS, 1), START + 315 * SECOND_MS);
  });

  it("is its own, where the retry for all is over or too late for it", () => {
    assert.equal(at(MINUTE_MS, 0, MINUTE_MS - 1), undefined);
    assert.equal(at(MINUTE_MS, 0, 5 * MINUTE_MS, START + MINUTE_MS + 15 * SECOND_MS), undefined);
  });
});

describe("a failure that another sync met", () => {
  const failure = { cause: MISSING, message: "kv/db is missing", by: aKey("first"), askedAt: 0, nextAt: 0 };

  it("is told in its words where it depends on what is read alone, and in the sync's own where it names an object", () => {
    const own = { cause: MISSING, message: "own" };
    assert.deepEqual(
      [asError(failure, undefined), asError(failure, own)].map(({ code, message }) => [code, message]),
      [
        ["VAULT_PATH_MISSING", "kv/db is missing"],
        ["VAULT_PATH_MISSING", "kv/db is missing"],
      ],
    );
    const named = { ...failure, cause: DENIED_THERE, message: "other" };
    assert.equal(asError(named, { cause: DENIED_THERE, message: "own" }).message, "own");
    assert.equal(asError(named, own).message, "other");
    assert.equal(asError(named, own).code, "KUBE_DENIED");
  });
});
