import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { DestinationAwaited } from "../../../lib/destinations/destination.ts";
import { SyncError } from "../../../lib/errors.ts";
import { aDeclared, aKey, aReferenceKey } from "../../builders.ts";
import { aResolved, aSync, CIRCUIT, DIGEST_KEY, PLACE, START } from "./a-sync.ts";
import { fail, MINUTE_MS, named } from "./settled.ts";

describe("a run that fails", () => {
  it("tells it in the row, on the resource, in the log and in metrics, and keeps the rest", async () => {
    await using one = await aSync({
      refs: [aReferenceKey()],
      obtain: fail("VAULT_PATH_MISSING"),
      failedStatus: { valid: false },
    });
    await one.settled(
      { owned: [{ name: "db", uid: "s" }], digest: "k:d", own: { version: 3 } },
      { kind: "due", at: START },
    );
    await one.run();
    const { state } = await one.row();
    assert.deepEqual([state.error?.code, state.error?.message, state.attempts], ["VAULT_PATH_MISSING", "why", 1]);
    assert.deepEqual(
      [state.owned, state.digest, state.own, state.refs, state.place, state.waitsFor],
      [[{ name: "db", uid: "s" }], "k:d", { version: 3 }, [aReferenceKey()], PLACE, CIRCUIT],
    );
    const [status] = one.seen.statuses;
    assert.deepEqual([status?.valid, state.seen?.hash, state.seen?.status], [false, one.declared.hash, status]);
    assert.deepEqual(one.seen.counts, ["keyferry_sync_errors_total east VAULT_PATH_MISSING"]);
    assert.deepEqual(
      one.seen.ran.map(({ code }) => code),
      ["VAULT_PATH_MISSING"],
    );
    assert.deepEqual(named(one.seen.log, "sync-failed"), [
      `sync-failed ${JSON.stringify({ key: one.key, code: "VAULT_PATH_MISSING", message: "why" })}`,
    ]);
  });

  it("of a refresh is told too, under a claim of its own", async () => {
    await using one = await aSync();
    await one.run();
    one.change({ obtain: fail("VAULT_PATH_MISSING") });
    one.pass(1);
    await one.run({ lane: "refresh" });
    const { state, wheel } = await one.row();
    assert.deepEqual([state.error?.code, wheel], ["VAULT_PATH_MISSING", undefined]);
  });

  it("says what it waits for: a Secret, or the rights at a Vault", async () => {
    for (const [code, awaits] of [
      ["SECRET_NOT_OURS", "destination:east/shop/db"],
      ["SECRET_TERMINATING", "destination:east/shop/db"],
      ["VAULT_DENIED", "denied:main"],
      ["VAULT_LOGIN_REFUSED", "denied:main"],
      ["VAULT_PATH_MISSING", undefined],
    ] as const) {
      await using one = await aSync({ obtain: fail(code) });
      await one.run();
      const found = (await one.row()).state.awaits?.filter((key) => !key.startsWith("cause:")) ?? [];
      assert.deepEqual(found, awaits === undefined ? [] : [awaits], code);
    }
    await using unresolved = await aSync({ resolved: new SyncError("SECRET_NOT_OURS", "why") });
    await unresolved.run();
    const { state } = await unresolved.row();
    assert.deepEqual(state.awaits?.filter((key) => !key.startsWith("cause:")) ?? [], []);
    assert.deepEqual([state.place, state.waitsFor, state.owned], [undefined, undefined, []]);
  });

  it("has written nothing of a Secret that it waits for, but its name", async () => {
    const awaited = () => {
      throw new DestinationAwaited("db", "another one's");
    };
    await using one = await aSync({ obtain: awaited });
    await one.settled({ owned: [{ name: "db", uid: "s" }] }, { kind: "due", at: START });
    await one.run();
    assert.deepEqual((await one.row()).state.owned, [{ name: "db" }]);
  });

  it("is not told on a resource that is gone, nor counted as a failing sync", async () => {
    await using one = await aSync({ obtain: fail("DECLARATION_GONE") });
    await one.run();
    assert.deepEqual([one.seen.statuses, one.seen.ran], [[], []]);
    assert.equal((await one.row()).state.error?.code, "DECLARATION_GONE");
  });

  it("leaves the row to another worker after a lost lease", async () => {
    await using one = await aSync({ obtain: fail("LEASE_LOST") });
    await one.run();
    assert.deepEqual([one.seen.settled, one.seen.statuses, one.seen.ran], [[], [], []]);
    assert.deepEqual(one.seen.counts, ["keyferry_sync_errors_total east LEASE_LOST"]);
    assert.notEqual((await one.row()).leaseUntil, undefined);
  });

  it("lease-table 16: writes nothing of an outage that a refresh meets", async () => {
    await using one = await aSync();
    await one.run();
    const before = await one.row();
    one.change({ obtain: fail("KUBE_UNREACHABLE", { circuit: "cluster:east" }) });
    one.pass(1);
    await one.run({ lane: "refresh" });
    assert.deepEqual(await one.row(), before);
    assert.equal(one.seen.ran.at(-1)?.code, "KUBE_UNREACHABLE");
  });

  it("goes on when its status can't be written, and stops at a bug of it", async () => {
    await using one = await aSync({ obtain: fail("VAULT_PATH_MISSING"), writeStatus: fail("KUBE_DENIED") });
    await one.run();
    const { state } = await one.row();
    assert.deepEqual([state.error?.code, state.seen], ["VAULT_PATH_MISSING", undefined]);
  });

  it("tells the others of its cause, which then ask nothing until it has tried again", async () => {
    await using one = await aSync({ obtain: fail("VAULT_DENIED") });
    await one.run();
    const first = (await one.row()).state.error?.nextAt ?? assert.fail();
    const other = aKey("other");
    await one.store.declare(aDeclared({ key: other }), START - 60_000);
    await one.run({ of: other });
    const { state } = await one.row(other);
    assert.equal(one.seen.obtains.length, 1);
    assert.deepEqual([state.error?.code, state.error?.message], ["VAULT_DENIED", "why"]);
    assert.ok((state.error?.nextAt ?? 0) > first);
    assert.ok(one.seen.counts.includes("keyferry_syncs_waiting_total east"));
  });
});

describe("restarts that a failing run owes", () => {
  const target = { kind: "Deployment", name: "app" } as const;
  const app = {
    resourceVersion: "1",
    deleting: false,
    paused: false,
    createdAt: START - 60 * MINUTE_MS,
    restartTimes: [],
  };
  const rollout = { digest: `${DIGEST_KEY.id}:new`, since: START - MINUTE_MS, at: START, attempts: 0 };
  const owing = async (given: Parameters<typeof aSync>[0]) => {
    const one = await aSync({ targets: { app: app as never }, ...given });
    await one.settled({ rollout, rolledDigest: `${DIGEST_KEY.id}:old` }, { kind: "due", at: START });
    return one;
  };

  it("are done, and told to domain events", async () => {
    await using one = await owing({
      obtain: fail("VAULT_PATH_MISSING"),
      resolved: aResolved({ rolloutTargets: [target] }),
    });
    await one.run();
    const { state } = await one.row();
    assert.deepEqual([one.seen.restarts, state.rollout, state.rolledDigest], [["app"], undefined, rollout.digest]);
    assert.deepEqual(one.seen.did, [{ restarted: [target] }]);
  });

  it("stay owed when the declaration can't be resolved, or the cluster is away", async () => {
    await using unresolved = await owing({ resolved: new SyncError("REFERENCE_MISSING", "no VaultAuth") });
    await using away = await owing({
      ...{ obtain: fail("VAULT_PATH_MISSING"), resolved: aResolved({ rolloutTargets: [target] }) },
      deps: { rollouts: { get: fail("KUBE_UNREACHABLE") } },
    });
    for (const one of [unresolved, away]) {
      await one.run();
      const { state } = await one.row();
      assert.deepEqual([state.rollout, state.rolledDigest], [rollout, `${DIGEST_KEY.id}:old`]);
    }
  });
});
