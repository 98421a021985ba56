import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { SyncError } from "../../../lib/errors.ts";
import { cleanupKey, type SyncKey } from "../../../lib/keys.ts";
import type { ReconcileDeps } from "../../../lib/ports/deps.ts";
import type { Issue } from "../../../lib/ports/issues.ts";
import type { KeysMessage } from "../../../lib/ports/queue.ts";
import { EMPTY_STATE, type Row, type RowState } from "../../../lib/ports/rows.ts";
import type { RenewAnswer } from "../../../lib/ports/vault-issues.ts";
import type { Batch } from "../../../lib/reconcile/batch.ts";
import { renewRow } from "../../../lib/reconcile/renew-row.ts";
import { type SqliteStore, simulatedSqliteStore } from "../../../lib/store/sqlite/sqlite-store.ts";
import type { JsonObject } from "../../../lib/util/json.ts";
import { aCluster, aDeclared, aKey } from "../../builders.ts";
import { anIssue, START } from "../issues/an-issue.ts";
import { anIssuingVault } from "../issues/an-issuing-vault.ts";

const KEY = aKey();
const SLOT = { period: 100, phase: 0 };
const MINUTE_MS = 60_000;
const { signal } = new AbortController();
const away = (): never => {
  throw new SyncError("VAULT_UNAVAILABLE", "away");
};

const kept = (serial: string, changed: Partial<Issue> = {}) =>
  anIssue({ serial, sealedToken: `${KEY} ${serial} hvs.own`, renewWithin: 270, ...changed });

interface Scene {
  readonly issues: readonly Issue[];
  readonly key?: SyncKey;
  readonly state?: Partial<RowState>;
  readonly renewLease?: () => RenewAnswer;
  readonly renewToken?: () => RenewAnswer;
  /** Since when the cluster is out of reach. */
  readonly outSince?: number;
  /** How many probes of it have failed. */
  readonly probes?: number;
  /** Whether fleet.yaml still has the cluster. */
  readonly isInFleet?: boolean;
  readonly writeStatus?: () => never;
  /** What a worker, whose lease ends just then, records between the read and the claim of the row. */
  readonly meanwhile?: readonly Issue[];
}

async function readOf(leases: SqliteStore, key: SyncKey): Promise<Row> {
  return (await leases.read([key], "strong")).get(key) ?? assert.fail(`no ${key}`);
}

/** A row in a table in memory that has these issues, on the renew wheel, and parked. */
async function scene(given: Scene) {
  const {
    issues,
    key = KEY,
    state,
    renewLease,
    renewToken,
    outSince,
    probes = 60,
    isInFleet = true,
    writeStatus,
    meanwhile,
  } = given;
  const leases = simulatedSqliteStore(undefined);
  const declared = aDeclared({ key: KEY });
  await leases.declare(declared, START - MINUTE_MS);
  const known = (await leases.read([KEY], "strong")).get(KEY) ?? assert.fail();
  const { lease } = (await leases.claim(known, { now: START - MINUTE_MS, until: START })) ?? assert.fail();
  const settled = { ...EMPTY_STATE, appliedHash: declared.hash, ...state, issues };
  const schedule = { kind: "parked" } as const;
  await leases.settle(lease, { state: settled, schedule, renew: SLOT, now: START - MINUTE_MS });
  if (key !== KEY) await leases.retire(KEY, START + 60 * MINUTE_MS, START - MINUTE_MS);
  const claim: typeof leases.claim = async (row, options) => {
    if (slow !== undefined && meanwhile !== undefined)
      await leases.record(slow, { ...settled, issues: meanwhile }, START - 2);
    return leases.claim(row, options);
  };
  const slow =
    meanwhile && (await leases.claim(await readOf(leases, key), { now: START - 2, until: START - 1 }))?.lease;
  const vault = anIssuingVault({ ...(renewLease && { renewLease }), ...(renewToken && { renewToken }) });
  const statuses: JsonObject[] = [];
  const sent: KeysMessage[] = [];
  const opened: (string | undefined)[][] = [];
  const resources = {
    async writeStatus(_ref: unknown, status: JsonObject) {
      writeStatus?.();
      statuses.push(status);
      return "101";
    },
    emit: async () => undefined,
  };
  const deps = {
    ...{ ...vault.deps, resources },
    leases: { ...leases, claim, target: vault.deps.leases.target },
    queue: { send: async (messages: readonly KeysMessage[]) => void sent.push(...messages) },
    fleet: () =>
      isInFleet
        ? aCluster({ vaults: [{ name: "main", addresses: [], identities: [], retentionMs: 5 * MINUTE_MS }] })
        : undefined,
  } as unknown as ReconcileDeps;
  const batch = {
    signal,
    atVault: (_key: SyncKey, _target: unknown, ask: () => Promise<unknown>) => ask(),
    circuits: {
      openAmong: async (circuits: readonly string[]) => {
        opened.push([...circuits]);
        return outSince !== undefined && circuits.includes("cluster:east")
          ? { since: outSince, attempts: probes }
          : undefined;
      },
    },
  } as unknown as Batch;
  const read = () => readOf(leases, key);
  const renew = async (at = START) => renewRow(deps, await read(), at, batch);
  return {
    ...vault,
    renew,
    read,
    sent,
    statuses,
    leases,
    opened,
    [Symbol.asyncDispose]: () => leases[Symbol.asyncDispose](),
  };
}

const issuesOf = async (one: { read: () => Promise<Row> }) => (await one.read()).state.issues ?? [];

describe("lease-table 29: a slot of the renew wheel", () => {
  it("writes nothing where Vault renews all that it is asked to", async () => {
    await using one = await scene({ issues: [kept("a"), kept("b", { state: "ending", endAt: START + 1 })] });
    const before = await one.read();
    await one.renew();
    assert.deepEqual([await one.read(), one.sent, one.statuses], [before, [], []]);
    assert.ok(one.asked.some((what) => what.startsWith("renewLease")));
  });

  it("asks nothing for a row without something to keep, or without a slot", async () => {
    for (const issues of [[], [kept("a", { state: "ending", endAt: START })], [kept("a", { state: "asking" })]]) {
      await using one = await scene({ issues, outSince: START - 60 * MINUTE_MS });
      const before = await one.read();
      await one.renew();
      assert.deepEqual([one.asked, one.opened, await one.read()], [[], [], before]);
    }
  });

  it("notes what is lost of what is in use, and runs the sync at once", async () => {
    await using one = await scene({ issues: [kept("a"), kept("b")], renewLease: () => ({ kind: "gone" }) });
    await one.renew();
    const row = await one.read();
    assert.deepEqual([row.dueAt, row.state.issues?.map(({ lost }) => lost)], [START, ["gone", "gone"]]);
    assert.deepEqual(
      one.said.filter((line) => line.startsWith("issue-lost")),
      ["issue-lost: gone", "issue-lost: gone"],
    );
  });

  it("claims nothing for what is known to be lost, whose sync has a time of its own, but renews it", async () => {
    for (const lost of ["truncated", "gone", "denied"] as const) {
      await using one = await scene({ issues: [kept("a", { lost })], renewLease: () => ({ kind: "gone" }) });
      const before = await one.read();
      await one.renew();
      assert.deepEqual([await one.read(), one.sent], [before, []], lost);
      assert.ok(one.asked.some((what) => what.startsWith("renewLease")));
    }
    await using one = await scene({
      issues: [kept("a", { lost: "gone" }), kept("b")],
      renewLease: () => ({ kind: "gone" }),
    });
    await one.renew();
    assert.equal((await one.read()).dueAt, START, "another one is lost for the first time");
  });

  it("notes nothing on what was replaced while Vault was asked", async () => {
    const meanwhile = [kept("a", { state: "ending", endAt: START + 9 }), kept("b")];
    await using one = await scene({ issues: [kept("a")], meanwhile, renewLease: () => ({ kind: "gone" }) });
    await one.renew();
    assert.deepEqual(await issuesOf(one), meanwhile);
  });

  it("leaves what stands in a clean-up as it is when it is lost: nothing is issued for it", async () => {
    const key = cleanupKey(KEY, aDeclared({ key: KEY }).uid);
    const sealedToken = `${KEY} a hvs.own`;
    await using one = await scene({ key, issues: [kept("a", { sealedToken })], renewLease: () => ({ kind: "gone" }) });
    const before = await one.read();
    await one.renew();
    assert.deepEqual(await one.read(), before);
  });
});

describe("a renewal without an answer", () => {
  it("is tried again some seconds later, by a message", async () => {
    await using one = await scene({ issues: [kept("a")], renewLease: away });
    const before = await one.read();
    await one.renew();
    assert.deepEqual(one.sent, [{ kind: "keys", keys: [KEY], lane: "renew", at: START + 15_000 }]);
    assert.deepEqual([await one.read(), one.statuses], [before, []]);
  });

  it("is tried again after a minute where Vault says that it does not renew it now", async () => {
    const answers: RenewAnswer[] = [];
    const one = await scene({ issues: [kept("a"), kept("b")], renewLease: () => answers.shift() ?? away() });
    await using _one = one;
    answers.push({ kind: "unrenewed" }, { kind: "unrenewed" });
    await one.renew();
    answers.push({ kind: "unrenewed" });
    await one.renew();
    assert.deepEqual(
      one.sent.map(({ at = 0 }) => at - START),
      [60_000, 15_000],
    );
  });

  it("is told on the resource when the next slot comes first, once, and until it is renewed", async () => {
    const answers: (() => RenewAnswer)[] = [away, away, () => ({ kind: "renewed", seconds: 600, renewable: true })];
    await using one = await scene({ issues: [kept("a")], renewLease: () => (answers.shift() ?? away)() });
    const slot = START - 100_000;
    // Its last try: a message some seconds after the slot.
    await one.renew(slot + 90_000);
    assert.deepEqual(one.sent, []);
    const [atRisk] = (await issuesOf(one)).map((issue) => issue.atRisk);
    assert.equal(atRisk, slot + (600 - SLOT.period) * 1_000);
    const told = JSON.stringify(one.statuses);
    assert.match(told, /LeaseAtRisk/);
    assert.ok(told.includes(new Date(atRisk ?? 0).toISOString()), told);
    assert.equal((await one.read()).dueAt, undefined);
    await one.renew(slot);
    assert.equal(one.statuses.length, 1);
    await one.renew(slot);
    assert.deepEqual(
      (await issuesOf(one)).map((issue) => issue.atRisk),
      [undefined],
    );
    assert.deepEqual([one.statuses.length, one.said.filter((line) => line.startsWith("lease-at-risk")).length], [2, 1]);
    assert.deepEqual(
      one.counts.filter((name) => name.includes("at_risk")),
      ["keyferry_leases_at_risk_total"],
    );
  });

  it("because TLS was refused makes the row run as well: its declaration may name another CA by now", async () => {
    const distrusted = (): never => {
      throw new SyncError("VAULT_TLS_REFUSED", "another CA");
    };
    await using one = await scene({ issues: [kept("a")], renewLease: distrusted });
    await one.renew();
    assert.equal((await one.read()).dueAt, undefined, "not yet");
    await one.renew(START - 90_000);
    assert.equal((await one.read()).dueAt, START);
    assert.match(JSON.stringify(one.statuses), /LeaseAtRisk/);
  });

  it("is told of the issue that it is about alone", async () => {
    const answers: (() => RenewAnswer)[] = [away];
    const renewed = (): RenewAnswer => ({ kind: "renewed", seconds: 600, renewable: true });
    await using one = await scene({ issues: [kept("a"), kept("b")], renewLease: () => (answers.shift() ?? renewed)() });
    await one.renew(START - 90_000);
    assert.deepEqual(
      (await issuesOf(one)).map(({ serial, atRisk }) => [serial, atRisk !== undefined]),
      [
        ["a", true],
        ["b", false],
      ],
    );
  });

  it("is told of the one in use, also where a former one is not renewed either", async () => {
    const former = kept("a", { state: "ending", inUseUntil: START + 60 * MINUTE_MS, tokenSeconds: 200 });
    await using one = await scene({ issues: [former, kept("b")], renewLease: away, renewToken: away });
    await one.renew(START - 90_000);
    assert.deepEqual(
      (await issuesOf(one)).map(({ serial, atRisk }) => [serial, atRisk !== undefined]),
      [
        ["a", false],
        ["b", true],
      ],
    );
  });

  it("is told of no former credential and of no clean-up", async () => {
    const former = kept("a", {
      state: "ending",
      inUseUntil: START + 60 * MINUTE_MS,
      endAt: START + 1,
      tokenSeconds: 600,
    });
    await using ending = await scene({
      issues: [former, kept("live", { lost: "gone" })].slice(0, 1),
      renewLease: away,
    });
    await ending.renew(START - 90_000);
    assert.deepEqual(ending.statuses, []);
    const key = cleanupKey(KEY, aDeclared({ key: KEY }).uid);
    await using retired = await scene({ key, issues: [kept("a")], renewLease: away });
    await retired.renew(START - 90_000);
    assert.deepEqual(retired.statuses, []);
  });

  it("is noted though the resource can't be written, and not where its cluster left the fleet", async () => {
    const denied = (): never => {
      throw new SyncError("KUBE_DENIED", "no");
    };
    await using one = await scene({ issues: [kept("a")], renewLease: away, writeStatus: denied });
    await one.renew(START - 90_000);
    const row = await one.read();
    assert.deepEqual(
      [row.state.issues?.[0]?.atRisk !== undefined, row.state.seen, row.leaseUntil],
      [true, undefined, undefined],
    );
    await using left = await scene({ issues: [kept("a")], renewLease: away, isInFleet: false });
    const before = await left.read();
    await left.renew(START - 90_000);
    assert.deepEqual(await left.read(), before);
  });

  it("is no reason to go on after a bug", async () => {
    const bug = (): never => {
      throw new TypeError("a bug");
    };
    await using one = await scene({ issues: [kept("a")], renewLease: away, writeStatus: bug });
    await assert.rejects(one.renew(START - 90_000), TypeError);
  });
});

describe("a cluster that is out of reach", () => {
  const outFor = (ms: number, more: Partial<Scene> = {}) =>
    scene({ issues: [kept("a")], outSince: START - ms, ...more });

  it("keeps its credentials for their retention, and no longer", async () => {
    for (const [ms, isEnded] of [
      [5 * MINUTE_MS, false],
      [5 * MINUTE_MS + 1, true],
    ] as const) {
      await using one = await outFor(ms);
      await one.renew();
      const row = await one.read();
      const states = row.state.issues?.map(({ state }) => state) ?? [];
      assert.deepEqual([states.includes("live"), row.renew !== undefined], [!isEnded, !isEnded], `${ms}`);
      assert.equal(
        one.said.some((line) => line.startsWith("issues-ended-out-of-reach")),
        isEnded,
      );
      if (isEnded) assert.equal(row.dueAt, START);
    }
  });

  it("keeps them when few probes have failed: the clock may have been set forward since", async () => {
    for (const [probes, isEnded] of [
      [5, false],
      [6, true],
    ] as const) {
      await using one = await outFor(60 * MINUTE_MS, { probes });
      await one.renew();
      const states = (await issuesOf(one)).map(({ state }) => state);
      assert.equal(states.includes("live"), !isEnded, `${probes} probes`);
    }
  });

  it("does not shorten what a clean-up keeps", async () => {
    const key = cleanupKey(KEY, aDeclared({ key: KEY }).uid);
    await using one = await outFor(60 * MINUTE_MS, { key });
    await one.renew();
    assert.deepEqual(
      (await issuesOf(one)).map(({ state }) => state),
      ["live"],
    );
  });
});
