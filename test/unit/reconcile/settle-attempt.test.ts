import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { digestOf } from "../../../lib/digest.ts";
import { SyncError } from "../../../lib/errors.ts";
import { renewSlotOf } from "../../../lib/issues/issue-times.ts";
import { nextSlot } from "../../../lib/schedule/wheel.ts";
import { aDeclared, aKey, anIssue, aReference, aReferenceKey } from "../../builders.ts";
import { aData, aResolved, aSync, CIRCUIT, DIGEST_KEY, dataOf, PLACE, START } from "./a-sync.ts";
import { conditions, fail, MINUTE_MS, named, WROTE } from "./settled.ts";

describe("a run that is in step", () => {
  it("leaves in the row what it read, wrote and told", async () => {
    await using one = await aSync({
      ...{ refs: [aReferenceKey()], learned: { owned: [{ name: "db", uid: "s" }], ...WROTE } },
      obtain: () => aData({ own: { version: 7 } }),
    });
    await one.run();
    const { state, wheel, dueAt, leaseUntil } = await one.row();
    assert.deepEqual(
      [state.owned, state.digest, state.appliedHash, state.own, state.refs, state.place, state.waitsFor],
      [
        ...[[{ name: "db", uid: "s" }], digestOf(DIGEST_KEY, dataOf("one")), one.declared.hash, { version: 7 }],
        ...[[aReferenceKey()], PLACE, CIRCUIT],
      ],
    );
    assert.deepEqual([state.syncedAt, state.settledAt, state.attempts], [START, START, 0]);
    assert.deepEqual([wheel !== undefined, dueAt, leaseUntil], [true, undefined, undefined]);
    const [status] = one.seen.statuses;
    assert.deepEqual(state.seen, { resourceVersion: "101", status, hash: one.declared.hash });
    assert.ok(conditions(status).includes("Ready True"));
    assert.deepEqual(one.seen.counts, ["keyferry_syncs_total east settled"]);
    assert.deepEqual(one.seen.ran, [{ key: one.key, at: START, refreshAfterMs: MINUTE_MS }]);
    assert.deepEqual(named(one.seen.log, "secret-written"), [
      `secret-written ${JSON.stringify({ key: one.key, because: WROTE.wrote })}`,
    ]);
  });

  it("forgets what it does not have any more", async () => {
    await using one = await aSync({ refs: [], obtain: () => aData() });
    const rollout = { digest: "d", since: START, at: START, attempts: 0 };
    await one.settled(
      { own: { version: 1 }, rollout, blanks: "former", issues: [anIssue()] },
      { kind: "due", at: START },
    );
    await one.run();
    const { state } = await one.row();
    assert.deepEqual([state.own, state.rollout, state.blanks], [undefined, undefined, undefined]);
    assert.deepEqual(state.issues, [anIssue()], "its kind says nothing of them");
    one.change({ obtain: () => aData({ issues: [] }), resolved: aResolved({ blanks: "db" }) });
    await one.store.nudge(one.key, { now: START, verify: true, atOnce: true });
    await one.run();
    const next = (await one.row()).state;
    assert.deepEqual([next.issues, next.blanks], [undefined, "db"]);
  });

  it("tells a MAC, a rotation, and what its kind alone knows", async () => {
    await using one = await aSync({
      ...{ resolved: aResolved({ hmac: true }), learned: WROTE },
      obtain: () => aData({ status: { lastGeneration: 9 }, isRotation: true, isIssued: true }),
    });
    await one.run();
    const [status] = one.seen.statuses;
    assert.equal(typeof status?.secretMAC, "string");
    assert.notEqual(status?.secretMAC, "");
    assert.equal(status?.lastGeneration, 9);
    assert.deepEqual(
      one.seen.events.map(({ reason }) => reason),
      ["SecretRotated"],
    );
    assert.deepEqual(one.seen.did, [{ secret: { name: "db", isWritten: true }, issued: true }]);
  });

  it("tells domain events of a Secret that was not written, and of none for a push", async () => {
    for (const [role, did] of [
      ["read", { secret: { name: "db", isWritten: false }, issued: false }],
      ["push", { issued: false }],
    ] as const) {
      const asks = aResolved().asks ?? assert.fail();
      const resolved = aResolved({ asks: { ...asks, place: { ...PLACE, role } } });
      await using one = await aSync({ resolved, obtain: () => aData({ isIssued: true }) });
      await one.run();
      assert.deepEqual(one.seen.did, [did], role);
      assert.deepEqual(named(one.seen.log, "secret-written"), []);
    }
  });

  it("is refreshed at its normal pace, or sooner, while its status can't be written", async () => {
    await using one = await aSync({ writeStatus: fail("KUBE_DENIED") });
    await one.run();
    const { state, dueAt, wheel } = await one.row();
    assert.deepEqual(
      [state.error?.code, state.seen, wheel, state.digest !== undefined],
      ["KUBE_DENIED", undefined, undefined, true],
    );
    assert.ok((dueAt ?? 0) > START && (dueAt ?? 0) <= START + MINUTE_MS);
  });

  it("is refreshed within its own interval, however often its status could not be written", async () => {
    await using one = await aSync({
      writeStatus: fail("KUBE_DENIED"),
      resolved: aResolved({ refreshAfterMs: 45_000 }),
    });
    await one.settled(
      { attempts: 50, error: { code: "KUBE_DENIED", message: "m", since: 1 } },
      { kind: "due", at: START },
    );
    await one.run();
    const { dueAt = 0 } = await one.row();
    assert.ok(dueAt > START && dueAt <= START + 45_000, `${dueAt - START}`);
  });

  it("lets a bug of a status be one", async () => {
    await using one = await aSync({
      writeStatus: () => {
        throw new TypeError("a bug");
      },
    });
    await assert.rejects(one.run(), TypeError);
  });

  it("wakes those that wait for a Secret under a former name", async () => {
    const other = aKey("other");
    await using one = await aSync({ learned: { owned: [{ name: "db" }] } });
    await one.settled({ owned: [{ name: "former" }, { name: "db" }] }, { kind: "due", at: START });
    for (const [key, place] of [
      [other, "east/shop/former"],
      [aKey("third"), "east/shop/db"],
    ] as const) {
      await one.store.declare(aDeclared({ key }), START);
      const row = await one.row(key);
      const { lease } = (await one.store.claim(row, { now: START, until: START + 1 })) ?? assert.fail();
      const state = { ...row.state, awaits: [`destination:${place}` as const] };
      await one.store.settle(lease, { state, schedule: { kind: "parked" }, now: START });
    }
    await one.run();
    const sent = one.seen.sent.flatMap((message) => (message.kind === "keys" ? message.keys : []));
    assert.deepEqual(sent, [other]);
  });

  it("runs once more when a reference that is new to it changed meanwhile", async () => {
    const other = aReference({ spec: { method: "jwt" } });
    for (const [before, after, refs, isAgain] of [
      [aReference(), aReference(), [], false],
      [aReference(), other, [], true],
      [aReference(), other, [aReferenceKey()], false],
    ] as const) {
      await using one = await aSync({ refs: [aReferenceKey()] });
      await one.settled({ refs }, { kind: "due", at: START });
      await one.store.putReference(before);
      one.change({
        obtain: async () => {
          await one.store.putReference(after);
          return aData();
        },
      });
      await one.run();
      assert.equal((await one.row()).dueAt !== undefined, isAgain);
      one.change({
        obtain: async () => {
          await one.store.putReference(before);
          throw new SyncError("VAULT_PATH_MISSING", "why");
        },
      });
    }
  });

  it("measures the time since the event that told of the change, where it wrote, and only there", async () => {
    for (const [learned, observed] of [
      [WROTE, ["keyferry_propagation_seconds east 2"]],
      [{}, []],
    ] as const) {
      await using one = await aSync({ learned });
      await one.settled();
      await one.store.nudge(one.key, { now: START, verify: true, expect: { version: 3, at: START } });
      one.pass(2_000);
      await one.run();
      assert.deepEqual(named(one.seen.observed, "keyferry_propagation"), observed);
    }
    await using untold = await aSync({ learned: WROTE });
    await untold.run();
    assert.deepEqual(named(untold.seen.observed, "keyferry_propagation"), []);
  });

  it("lease-table 30: says which version it read, or that what was expected is there", async () => {
    await using one = await aSync({ obtain: () => aData({ reached: 2 }) });
    await one.settled();
    await one.store.nudge(one.key, { now: START, verify: true, expect: { version: 3, at: START } });
    one.pass(2_000);
    await one.run();
    assert.deepEqual(
      one.seen.settled.map(({ reached }) => reached),
      [2],
    );
    one.change({ obtain: () => aData() });
    await one.store.nudge(one.key, { now: one.now(), verify: true, expect: { version: 4, at: START } });
    one.pass(2_000);
    await one.run();
    assert.equal(one.seen.settled.at(-1)?.reached, 4);
    await using none = await aSync();
    await none.run();
    assert.equal("reached" in (none.seen.settled[0] ?? {}), false);
  });
});

describe("a refresh that finds nothing to do", () => {
  const inStep = async () => {
    const one = await aSync();
    await one.run();
    one.change({ differs: false });
    one.seen.statuses.length = 0;
    one.seen.counts.length = 0;
    return one;
  };

  it("writes nothing, and is counted as unchanged", async () => {
    await using one = await inStep();
    const before = await one.row();
    one.pass(1);
    await one.run({ lane: "refresh" });
    assert.deepEqual([await one.row(), one.seen.statuses], [before, []]);
    assert.deepEqual(one.seen.counts, ["keyferry_syncs_total east unchanged"]);
  });

  it("claims the row for warnings that were not told yet, and for a Vault of another name", async () => {
    await using one = await inStep();
    const warning = { type: "ReconcileInterval", status: "False", reason: "Because", message: "of this" } as const;
    one.change({ obtain: () => aData({ warnings: [warning] }) });
    one.pass(1);
    await one.run({ lane: "refresh" });
    assert.ok(conditions(one.seen.statuses[0]).includes("ReconcileInterval False"));
    one.change({ obtain: () => aData({ warnings: [warning] }) });
    one.pass(1);
    await one.run({ lane: "refresh" });
    assert.equal(one.seen.statuses.length, 1, "told once");
    const asks = aResolved().asks ?? assert.fail();
    one.change({ resolved: aResolved({ asks: { ...asks, place: { ...PLACE, vault: "renamed" } } }) });
    one.pass(1);
    await one.run({ lane: "refresh" });
    assert.equal((await one.row()).state.place?.vault, "renamed");
  });
});

describe("lease-table 29: the renew wheel of a run that has something to renew", () => {
  const issues = [anIssue({ renewWithin: 100 })];
  const slotOf = (key: string) => {
    const slot = renewSlotOf(key, issues, START);
    return slot === "off" ? assert.fail() : slot;
  };

  it("is joined with the settle, and slots that ticks may have passed are sent before", async () => {
    await using one = await aSync({ obtain: () => aData({ issues }) });
    await one.run();
    const { renew } = await one.row();
    assert.ok(renew !== undefined && renew.period <= 100);
    const renewals = one.seen.sent.filter((message) => message.kind === "keys" && message.lane === "renew");
    const passed = Math.floor(75 / renew.period);
    assert.ok(renewals.length >= passed && renewals.length <= passed + 1, `${renewals.length} of ${renew.period} s`);
    for (const { at } of renewals) assert.ok(at > START && at <= START + 75_000);
    assert.deepEqual(
      new Set(renewals.flatMap((message) => (message.kind === "keys" ? message.keys : []))),
      new Set([one.key]),
    );
    one.seen.sent.length = 0;
    await one.store.nudge(one.key, { now: START, verify: true, atOnce: true });
    one.pass(2_000);
    await one.run();
    assert.deepEqual(
      one.seen.sent.filter((message) => message.kind === "keys" && message.lane === "renew"),
      [],
      "it was there",
    );
  });

  it("begins at once where a slot passed since the issue was made, so that its first TTL has two renewals, too", async () => {
    await using one = await aSync();
    const { period, phase } = slotOf(one.key);
    const passed = nextSlot({ period, phase }, START - period * 1_000);
    for (const [issuedAt, isLate] of [
      [passed, false],
      [passed - 1, true],
      [passed - period * 1_000, false],
    ] as const) {
      await using other = await aSync();
      const vaultLease = { id: "database/creds/app/x", seconds: 600, renewable: true, issuedAt };
      other.change({ obtain: () => aData({ issues: [anIssue({ renewWithin: 100, vaultLease })] }) });
      await other.run();
      const times = other.seen.sent.map(({ at }) => at);
      assert.equal(times.includes(START + 1_000), isLate, `${START - issuedAt} ms ago`);
    }
  });

  it("is left when nothing is to be renewed any more, and not touched by a run that has nothing there", async () => {
    await using one = await aSync({ obtain: () => aData({ issues }) });
    await one.run();
    one.change({ obtain: () => aData({ issues: [] }) });
    await one.store.nudge(one.key, { now: START, verify: true, atOnce: true });
    one.pass(2_000);
    await one.run();
    assert.deepEqual([(await one.row()).renew, one.seen.settled.at(-1)?.renew], [undefined, "off"]);
    await using none = await aSync();
    await none.run();
    assert.equal("renew" in (none.seen.settled[0] ?? {}), false);
  });
});

describe("a run that obtains its data later", () => {
  it("keeps what it learned, and runs at that time", async () => {
    const at = START + 5_000;
    await using one = await aSync({
      ...{ refs: [aReferenceKey()] },
      obtain: () => ({ kind: "later", because: "soon", at, own: { olderSince: 1 } }),
    });
    await one.run();
    const { state, dueAt } = await one.row();
    assert.deepEqual(
      [state.own, state.refs, dueAt, state.digest],
      [{ olderSince: 1 }, [aReferenceKey()], at, undefined],
    );
    assert.deepEqual([one.seen.statuses, one.seen.acts], [[], 0]);
  });
});
