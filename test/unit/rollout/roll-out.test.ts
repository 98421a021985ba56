import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { digestKey } from "../../../lib/digest.ts";
import { type ErrorCode, SyncError } from "../../../lib/errors.ts";
import type { Origin } from "../../../lib/origins/origin.ts";
import type { Claim } from "../../../lib/ports/claim.ts";
import type { ResourceEvent } from "../../../lib/ports/resources.ts";
import { EMPTY_STATE, type OwedRollout } from "../../../lib/ports/rows.ts";
import type { RolloutTarget, SeenTarget } from "../../../lib/ports/workloads.ts";
import { isCovered, rollOut } from "../../../lib/rollout/rollout.ts";
import { aRow } from "../../builders.ts";

const NOW = Date.UTC(2030, 0, 1);
const KEY = digestKey(Buffer.alloc(32, 1));
const [OLD, NEW] = [`${KEY.id}:old`, `${KEY.id}:new`];
const SINCE = NOW - 20_000;
const OWED: OwedRollout = { digest: NEW, since: SINCE, at: NOW, attempts: 0 };
const target = (name: string): RolloutTarget => ({ kind: "Deployment", name });
const there = (changed: Partial<SeenTarget> = {}): SeenTarget => ({
  ...{ resourceVersion: "7", deleting: false, paused: false, createdAt: NOW - 3_600_000, restartTimes: [] },
  ...changed,
});

interface Given {
  readonly targets?: readonly string[];
  readonly owed?: Partial<OwedRollout> | null;
  readonly digest?: string;
  readonly seen?: Readonly<Record<string, SeenTarget | ErrorCode | undefined>>;
  /** How often a restart meets a change of its target. */
  readonly moves?: number;
  readonly retryAfterMs?: number;
  readonly isLost?: boolean;
}

async function rolled({
  targets = ["app"],
  owed = {},
  digest = NEW,
  seen = {},
  moves = 0,
  retryAfterMs,
  isLost = false,
}: Given = {}) {
  const done: string[] = [];
  const events: ResourceEvent[] = [];
  const counts: string[] = [];
  const log: string[] = [];
  let left = moves;
  const rollouts = {
    async get({ cluster, namespace, name }: { cluster: string; namespace: string; name: string }) {
      done.push(`get ${cluster}/${namespace}/${name}`);
      const found = name in seen ? seen[name] : there();
      if (typeof found === "string")
        throw new SyncError(found, "why", retryAfterMs === undefined ? {} : { retryAfterMs });
      return found;
    },
    async restart({ name }: { name: string }, resourceVersion: string, at: number) {
      done.push(`restart ${name} at ${resourceVersion}`);
      assert.equal(at, NOW);
      return left-- <= 0;
    },
  };
  const apis = {
    ...{ rollouts, clock: () => NOW, random: () => 0.5 },
    log: { info: (event: string) => void log.push(event), warn: (event: string) => void log.push(event) },
    metrics: { count: (_name: string, labels: object) => void counts.push(Object.values(labels).join(" ")) },
  } as unknown as Parameters<typeof rollOut>[0];
  const row = aRow({ state: { ...EMPTY_STATE, rolledDigest: OLD } });
  const takeToWrite = async () => {
    done.push("takeToWrite");
    if (isLost) throw new SyncError("LEASE_LOST", "gone");
  };
  const claim = { row, takeToWrite } as unknown as Claim;
  const origin = { emit: async (event: ResourceEvent) => void events.push(event) } as unknown as Origin;
  const state = { ...row.state, ...(owed && { rollout: { ...OWED, ...owed } }) };
  const question = { state, digest, key: KEY, targets: targets.map(target), isAskedFor: false, now: NOW };
  const result = await rollOut(apis, { claim, origin, signal: new AbortController().signal }, question);
  return { ...result, done, events, counts, log };
}

describe("restarts that are owed and due", () => {
  it("are done under the lease, told, and not owed any more", async () => {
    const one = await rolled({ targets: ["app", "web"] });
    assert.deepEqual(one.done, [
      ...[
        "get east/shop/app",
        "takeToWrite",
        "restart app at 7",
        "get east/shop/web",
        "takeToWrite",
        "restart web at 7",
      ],
    ]);
    assert.deepEqual([one.state, one.restarted], [{ rolledDigest: NEW }, [target("app"), target("web")]]);
    assert.deepEqual(one.condition, {
      status: "True",
      reason: "RolloutRestartTriggered",
      message: "Rollout restart triggered",
    });
    assert.deepEqual(one.events, [
      {
        type: "Normal",
        reason: "RolloutRestartTriggered",
        message: "Rollout restart triggered for Deployment app, Deployment web",
      },
    ]);
    assert.deepEqual([one.counts, one.log], [["east restarted", "east restarted"], ["rollout-restarted"]]);
  });

  it("wait for their time", async () => {
    const one = await rolled({ owed: { at: NOW + 1 } });
    assert.deepEqual(
      [one.done, one.state, one.condition],
      [[], { rolledDigest: OLD, rollout: { ...OWED, at: NOW + 1 } }, undefined],
    );
    assert.equal("restarted" in one, false);
  });

  it("are none without targets, or without other data", async () => {
    const none = await rolled({ targets: [] });
    assert.deepEqual([none.done, none.state, none.condition], [[], { rolledDigest: NEW }, null]);
    const same = await rolled({ owed: null, digest: OLD });
    assert.deepEqual([same.done, same.state, "condition" in same], [[], { rolledDigest: OLD }, false]);
  });

  it("are not needed by what was restarted or made since", async () => {
    for (const seen of [{ restartTimes: [SINCE] }, { createdAt: SINCE }]) {
      const one = await rolled({ seen: { app: there(seen) } });
      assert.deepEqual(
        [one.done, one.state, one.counts, one.events],
        [["get east/shop/app"], { rolledDigest: NEW }, ["east covered"], []],
      );
      assert.equal(one.condition?.status, "True");
      assert.equal("restarted" in one, false);
    }
  });

  it("come a minute after the last restart", async () => {
    const restartedAt = SINCE - 1;
    const one = await rolled({ seen: { app: there({ restartTimes: [restartedAt] }) } });
    assert.deepEqual(one.state, { rolledDigest: OLD, rollout: { ...OWED, at: restartedAt + 60_000 } });
    assert.deepEqual([one.condition, one.counts, one.log], [undefined, [], []]);
    const over = await rolled({
      owed: { since: NOW - 50_000 },
      seen: { app: there({ restartTimes: [NOW - 60_000] }) },
    });
    assert.deepEqual(over.restarted, [target("app")]);
    const ahead = await rolled({ seen: { app: there({ restartTimes: [NOW + 60_001] }) } });
    assert.deepEqual(ahead.restarted, [target("app")], "a time that far in the future is no restart");
  });

  it("that fail are told once, and tried again by their code", async () => {
    for (const [seen, code, pause] of [
      [undefined, "TARGET_MISSING", 15_000],
      [there({ deleting: true }), "TARGET_MISSING", 15_000],
      [there({ paused: true }), "TARGET_PAUSED", 15_000],
      ["KUBE_FAILED", "KUBE_FAILED", 500],
      ["KUBE_DENIED", "KUBE_DENIED", 15_000],
    ] as const) {
      const first = await rolled({ seen: { app: seen } });
      const { rollout } = first.state;
      assert.deepEqual([rollout?.attempts, first.state.rolledDigest], [1, OLD], code);
      assert.ok((rollout?.at ?? 0) >= NOW + pause, `${code}: ${(rollout?.at ?? 0) - NOW}`);
      assert.ok((rollout?.at ?? 0) <= NOW + 2 * pause, `${code}: ${(rollout?.at ?? 0) - NOW}`);
      assert.equal(first.condition?.status, "False");
      assert.match(first.condition?.message ?? "", new RegExp(`^${code}: `));
      assert.deepEqual(
        first.events.map(({ type, reason }) => [type, reason]),
        [["Warning", "RolloutRestartFailed"]],
      );
      assert.deepEqual([first.counts, first.log], [["east failed"], ["rollout-failed"]]);
      const again = await rolled({ owed: { attempts: 3 }, seen: { app: seen } });
      assert.deepEqual([again.events, again.state.rollout?.attempts], [[], 4]);
    }
    const paused = await rolled({ seen: { app: there({ paused: true, restartTimes: [SINCE] }) } });
    assert.deepEqual(paused.counts, ["east covered"]);
  });

  it("that fail wait as long as the API server asks", async () => {
    const { state } = await rolled({ seen: { app: "KUBE_FAILED" }, retryAfterMs: 40_000 });
    assert.ok((state.rollout?.at ?? 0) >= NOW + 40_000);
  });

  it("of several targets are done for those that can be, and tried again at the earliest time of the others", async () => {
    const restartedAt = SINCE - 1;
    const one = await rolled({
      targets: ["app", "gone", "soon"],
      seen: { gone: undefined, soon: there({ restartTimes: [restartedAt] }) },
    });
    assert.deepEqual(one.restarted, [target("app")]);
    assert.ok((one.state.rollout?.at ?? 0) < restartedAt + 60_000);
    assert.equal(
      one.condition?.message,
      "TARGET_MISSING: there is no Deployment gone in this namespace: create it, or remove it from rolloutRestartTargets",
    );
    assert.deepEqual(
      one.events.map(({ reason }) => reason),
      ["RolloutRestartTriggered", "RolloutRestartFailed"],
    );
    const two = await rolled({ targets: ["a", "b"], seen: { a: undefined, b: undefined } });
    assert.equal(two.condition?.message.split("; ").length, 2);
  });

  it("are read again where their target changed meanwhile, five times", async () => {
    const one = await rolled({ moves: 4 });
    assert.deepEqual([one.done.filter((what) => what.startsWith("get")).length, one.restarted], [5, [target("app")]]);
    const never = await rolled({ moves: 9 });
    assert.match(
      never.condition?.message ?? "",
      /^KUBE_CONFLICT: Deployment app changed between reading and writing 5 times/,
    );
    assert.equal(never.done.filter((what) => what.startsWith("get")).length, 5);
  });

  it("are left when the cluster is away or the lease is lost, which ends the run", async () => {
    for (const code of ["KUBE_UNREACHABLE", "DEADLINE_EXCEEDED", "KUBE_LOGIN_REFUSED"] as const) {
      await assert.rejects(rolled({ seen: { app: code } }), { code });
    }
    await assert.rejects(rolled({ isLost: true }), { code: "LEASE_LOST" });
  });
});

describe("a target that was restarted or made since", () => {
  it("is so by the later of both times, and not by one that is far in the future", () => {
    assert.equal(isCovered(there({ restartTimes: [SINCE] }), SINCE, NOW), true);
    assert.equal(isCovered(there({ restartTimes: [SINCE - 1] }), SINCE, NOW), false);
    assert.equal(isCovered(there({ createdAt: SINCE }), SINCE, NOW), true);
    assert.equal(isCovered(there(), SINCE, NOW), false);
    assert.equal(isCovered(there({ restartTimes: [NOW + 60_000] }), SINCE, NOW), true);
    assert.equal(isCovered(there({ restartTimes: [NOW + 60_001] }), SINCE, NOW), false);
    assert.equal(isCovered(there({ restartTimes: [NOW + 60_001, SINCE] }), SINCE, NOW), true);
  });
});
