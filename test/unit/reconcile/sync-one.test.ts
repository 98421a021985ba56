import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { SyncError } from "../../../lib/errors.ts";
import { SourceMissing } from "../../../lib/failures/source-missing.ts";
import { syncKey } from "../../../lib/keys.ts";
import type { Pushed } from "../../../lib/ports/rows.ts";
import { aKey, aPushed, aReferenceKey } from "../../builders.ts";
import { aData, aResolved, aSync, CIRCUIT, DIGEST_KEY, PLACE, START } from "./a-sync.ts";

const target = { kind: "Deployment", name: "app" } as const;
const app = { resourceVersion: "1", deleting: false, paused: false, createdAt: START - 3_600_000, restartTimes: [] };
const rollout = (at: number) => ({ digest: `${DIGEST_KEY.id}:new`, since: START - 60_000, at, attempts: 0 });
const outage = {
  id: CIRCUIT,
  code: "VAULT_UNAVAILABLE",
  message: "away",
  since: START,
  attempts: 1,
  fence: 1,
  probeAt: START + 60_000,
} as const;

describe("lease-table 16: a sync whose Vault is away", () => {
  const away = async (given: Parameters<typeof aSync>[0] = {}) => {
    const one = await aSync(given);
    await one.store.openCircuit(outage);
    return one;
  };

  it("notes once what it waits for, and stays due", async () => {
    await using one = await away({ refs: [aReferenceKey()] });
    await one.run();
    const { state, dueAt } = await one.row();
    assert.deepEqual([state.waitsFor, state.place, state.refs, dueAt], [CIRCUIT, PLACE, [aReferenceKey()], START]);
    assert.deepEqual([one.seen.obtains, one.seen.statuses, one.seen.settled.length], [[], [], 1]);
    assert.ok(one.seen.counts.includes("keyferry_syncs_waiting_total east"));
    await one.run();
    assert.equal(one.seen.settled.length, 1);
  });

  it("claims nothing for a slot of the wheel", async () => {
    await using one = await aSync();
    await one.run();
    await one.store.openCircuit(outage);
    const before = await one.row();
    const asks = aResolved().asks ?? assert.fail();
    one.change({ resolved: aResolved({ asks: { ...asks, place: { ...PLACE, path: "kv/other" } } }) });
    await one.settled(
      { ...before.state, waitsFor: "vault:https://former.test" },
      { kind: "wheel", slot: before.wheel ?? assert.fail() },
    );
    one.pass(30_000);
    await one.run({ lane: "refresh" });
    assert.deepEqual([one.seen.settled.length, one.seen.obtains.length], [1, 1]);
  });

  it("runs when the Vault that it names now answers", async () => {
    const asks = aResolved().asks ?? assert.fail();
    await using one = await away({ resolved: aResolved({ asks: { ...asks, circuit: "vault:https://other.test" } }) });
    await one.run();
    assert.equal(one.seen.obtains.length, 1);
    const { asks: _none, ...elsewhere } = aResolved();
    await using none = await away({ resolved: elsewhere });
    await none.run();
    assert.equal(none.seen.obtains.length, 1, "it needs no Vault");
    await using failing = await away({ resolved: new SyncError("REFERENCE_MISSING", "no VaultAuth") });
    await failing.run();
    assert.equal((await failing.row()).state.error?.code, "REFERENCE_MISSING");
  });

  it("restarts what it owes, when that is due", async () => {
    for (const [at, restarts] of [
      [START, ["app"]],
      [START + 1, []],
    ] as const) {
      const resolved = aResolved({ rolloutTargets: [target] });
      await using one = await away({ resolved, targets: { app: app as never } });
      await one.settled(
        { waitsFor: CIRCUIT, rollout: rollout(at), rolledDigest: `${DIGEST_KEY.id}:old` },
        { kind: "due", at: START },
      );
      await one.run();
      const { state } = await one.row();
      assert.deepEqual([one.seen.restarts, state.rollout], [restarts, restarts.length > 0 ? undefined : rollout(at)]);
      assert.deepEqual(one.seen.did, restarts.length > 0 ? [{ restarted: [target] }] : [], "nothing is claimed before");
    }
  });
});

describe("what a run costs others", () => {
  it("is measured, also when it ends by a bug, which keeps no other from trying", async () => {
    await using one = await aSync();
    one.change({
      obtain: () => {
        one.pass(4_000);
        throw new TypeError("a bug");
      },
    });
    await assert.rejects(one.run(), /^TypeError: a bug/);
    assert.deepEqual(one.seen.settled, [], "nothing is settled that nobody understood");
    assert.ok(one.seen.observed.includes("keyferry_sync_duration_seconds 4"));
  });
});

describe("a run that can be told by another's read", () => {
  it("asks anew when a person or an event asked for it", async () => {
    const reads: unknown[] = [];
    const read = async (asked: { since?: number }) => {
      reads.push(asked.since);
      throw new SyncError("VAULT_PATH_MISSING", "no");
    };
    const identity = aResolved().asks?.identity ?? assert.fail();
    await using one = await aSync({
      obtain: async (run) => {
        await run.read({ identity, mount: "kv", path: "db", engine: "kv-v2" } as never);
        return aData();
      },
      deps: { vault: { isKnown: () => true, giveUp: () => undefined, read } },
    });
    await one.run();
    one.pass(60_000);
    await one.store.nudge(one.key, { now: one.now(), verify: true, atOnce: true });
    one.pass(2_000);
    await one.run();
    assert.equal(reads.length, 2);
    assert.equal(reads[0], undefined);
    assert.equal(typeof reads[1], "number");
  });
});

describe("lease-table 31: the paths of a push", () => {
  const KEY = syncKey({ cluster: "east", kind: "Deployment", namespace: "shop", name: "app" });
  const paths = (...names: readonly string[]) => names.map((name) => aPushed(name));
  const pushing = (wanted: readonly Pushed[] | SyncError, given: Parameters<typeof aSync>[0] = {}) => {
    const asks = { ...(aResolved().asks ?? assert.fail()), place: { ...PLACE, role: "push" as const } };
    const resolved = aResolved({ asks });
    return aSync({
      ...{ declared: { key: KEY }, resolved },
      more: {
        locate: async () => {
          if (wanted instanceof SyncError) throw wanted;
          return { resolved, paths: wanted };
        },
      },
      ...given,
    });
  };

  it("are taken with the claim, and those that it claimed before and never wrote are given up", async () => {
    await using one = await pushing(paths("new"));
    const written = [aPushed("written", { digest: "d" }), aPushed("begun", { writing: "w" } as Partial<Pushed>)];
    await one.settled({ pushed: [...written, aPushed("unused")] }, { kind: "due", at: START });
    await one.run();
    assert.deepEqual((await one.row()).state.pushed?.map(({ path }) => path).sort(), ["begun", "new", "written"]);
  });

  it("are measured: how long a run took, whether it changed anything, and of how many Secrets", async () => {
    await using one = await pushing(paths("db"), { refs: [aReferenceKey()] });
    const { ran } = one.seen;
    one.change({
      obtain: () => {
        one.pass(3_000);
        return aData();
      },
    });
    await one.run();
    assert.deepEqual(ran.at(-1)?.push, { seconds: 3, isUnchanged: false, secrets: 1 });
    one.change({ differs: false, obtain: () => aData() });
    one.pass(1);
    await one.run({ lane: "refresh" });
    assert.deepEqual(ran.at(-1)?.push, { seconds: 0, isUnchanged: true, secrets: 1 });
    const missing = new SourceMissing([{ secret: "db", key: "a", text: "no" }]);
    one.change({
      obtain: () => {
        throw missing;
      },
    });
    one.pass(1);
    await one.run({ lane: "refresh" });
    assert.deepEqual(ran.at(-1)?.push, {
      seconds: 0,
      isUnchanged: false,
      secrets: 1,
      missing: [{ secret: "db", key: "a" }],
    });
    await using sync = await aSync();
    await sync.run();
    assert.equal("push" in (sync.seen.ran[0] ?? {}), false);
  });

  it("that can't be found fail the run before anything is asked", async () => {
    await using one = await pushing(new SyncError("REFERENCE_INVALID", "no such mount"));
    await one.run();
    assert.deepEqual([(await one.row()).state.error?.code, one.seen.obtains], ["REFERENCE_INVALID", []]);
  });

  it("are not more than one claim can take", async () => {
    const many = (count: number, prefix: string) =>
      Array.from({ length: count }, (_, at) => aPushed(`${prefix}-${at}`, { digest: "d" }));
    for (const [former, wanted, isRefused] of [
      [40, 50, false],
      [41, 50, true],
      [90, 7, false],
      [90, 8, true],
      [90, 1, false],
    ] as const) {
      await using one = await pushing(many(wanted, "new"));
      await one.settled({ pushed: many(former, "old") }, { kind: "due", at: START });
      await one.run();
      const { code } = (await one.row()).state.error ?? {};
      assert.equal(code === "DESTINATION_UNSETTLED", isRefused, `${wanted} beside ${former}`);
    }
  });

  it("of another row are not taken: the run writes nothing, and waits for them", async () => {
    await using one = await pushing(paths("db"));
    const other = syncKey({ cluster: "east", kind: "Deployment", namespace: "shop", name: "first" });
    await one.store.declare({ ...one.declared, key: other }, START);
    const claimed = await one.store.claimPush(await one.row(other), {
      now: START,
      until: START + 1,
      pushed: paths("db"),
    });
    assert.ok(claimed !== undefined && !("taken" in claimed));
    await one.run();
    const { state } = await one.row();
    assert.deepEqual([state.error?.code, state.pushed ?? [], one.seen.acts], ["PATH_TAKEN", [], 0]);
    assert.ok(state.awaits?.some((key) => key.startsWith("path:")));
    assert.notEqual(aKey(), KEY);
  });
});
