import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { DiscoveryDeps } from "../../../lib/discovery/deps.ts";
import type { EventHandler } from "../../../lib/discovery/event-handlers.ts";
import type { Progress } from "../../../lib/discovery/list-and-watch.ts";
import { rowBudget } from "../../../lib/discovery/row-budget.ts";
import type { MissingRows } from "../../../lib/discovery/tombstone-missing.ts";
import { watchAll } from "../../../lib/discovery/watch-all.ts";
import type { WatchTarget } from "../../../lib/discovery/watch-target.ts";
import { type ErrorCode, SyncError } from "../../../lib/errors.ts";
import { type KindRef, VAULT_AUTH, VAULT_DYNAMIC_SECRET, VAULT_STATIC_SECRET } from "../../../lib/resource-kinds.ts";
import { aCluster, aKey, aReference } from "../../builders.ts";
import { QUIET } from "../aws/records.ts";

const START = Date.UTC(2030, 0, 1);
const LISTED = { items: [], resourceVersion: "7" };
const KINDS = [VAULT_AUTH, VAULT_STATIC_SECRET, VAULT_DYNAMIC_SECRET];

/** What a cluster answers to lists of a kind, in turn, the last one again and again; a code is thrown. */
type Lists = Readonly<Record<string, readonly ("served" | "not served" | ErrorCode)[]>>;

interface Given {
  readonly lists?: Lists;
  readonly seconds?: number;
  readonly cut?: string;
  /** A list of this kind takes a second, or so many. */
  readonly slow?: string;
  readonly slowSeconds?: number;
  /** All kinds go on from a cursor, and the cluster has forgotten that of this one. */
  readonly expired?: string;
  /** The cluster forgets the cursor of this kind a second after it was listed first. */
  readonly forgotten?: string;
  /** How many Secrets a sync logs in with. */
  readonly credentials?: number;
  /** The process stops when this kind is watched. */
  readonly stop?: string;
  /** Why what lists lack can't be read. */
  readonly problem?: ErrorCode;
  /** Since when these kinds can't be read, in ms before the start. */
  readonly unreadFor?: Readonly<Record<string, number>>;
  /** The clock steps back by an hour when this kind is listed first. */
  readonly stepsBack?: string;
}

/** Watches three kinds for a minute, or only lists them; watches end at once when `cut` names their kind. */
async function scene({ lists = {}, seconds = 60, slowSeconds = 1, credentials = 0, ...given }: Given) {
  const { cut, slow, expired, forgotten, stop, problem, stepsBack, unreadFor = {} } = given;
  let now = START;
  let skewMs = 0;
  const process = new AbortController();
  const done: string[] = [];
  const asleep = new Set<{ readonly until: number; readonly wake: () => void }>();
  const asked: Record<string, number> = {};
  const deps = {
    ...{ clock: () => now - skewMs, log: QUIET, metrics: { count: () => undefined } },
    leases: {
      referencesOf: async () => (credentials > 0 ? [aReference({ spec: { appRole: { secretRef: "login" } } })] : []),
      references: async () => new Map(),
      removeReference: async () => false,
      byCluster: async () => [
        { key: aKey(), refs: Array.from({ length: credentials }, (_, at) => `east/Secret/shop/login${at || ""}`) },
      ],
    },
    clusters: {
      async list(_cluster: string, { kind }: KindRef, _options: object, _page: unknown, signal: AbortSignal) {
        const at = asked[kind] ?? 0;
        asked[kind] = at + 1;
        done.push(`list ${kind} at ${(now - START) / 1_000}`);
        if (kind === stepsBack) skewMs = 3_600_000;
        if (kind === slow) await sleep(slowSeconds * 1_000, signal);
        if (signal.aborted) throw new SyncError("DEADLINE_EXCEEDED", "late");
        const answers = lists[kind] ?? ["served"];
        const answer = answers[Math.min(at, answers.length - 1)] ?? "served";
        if (answer === "served") return LISTED;
        if (answer === "not served") return undefined;
        throw new SyncError(answer, "no");
      },
      async *watch(
        _cluster: string,
        { kind }: KindRef,
        _options: object,
        since: { seconds: number; resourceVersion: string },
        signal: AbortSignal,
      ) {
        if (kind === expired && since.resourceVersion === "5") {
          yield { type: "EXPIRED" as const };
          return;
        }
        done.push(`watch ${kind} for ${since.seconds}`);
        if (kind === forgotten && asked[kind] === 1) {
          await sleep(1_000, signal);
          yield { type: "EXPIRED" as const };
          return;
        }
        if (kind === stop) process.abort();
        if (kind !== cut) await sleep(since.seconds * 1_000, signal);
        done.push(`end ${kind} at ${(now - START) / 1_000}`);
        yield* [];
      },
    },
  } as unknown as DiscoveryDeps;
  const sleep = (ms: number, signal: AbortSignal) =>
    new Promise<void>((resolve) => {
      if (signal.aborted) return resolve();
      const sleeper = { until: now + ms, wake: resolve };
      asleep.add(sleeper);
      signal.addEventListener("abort", () => {
        asleep.delete(sleeper);
        resolve();
      });
    });
  const handler = {
    list: () => ({ page: async () => undefined, end: async () => undefined }),
    notServed: async () => undefined,
  } as unknown as EventHandler;
  const targets = KINDS.map(
    (kind): WatchTarget => ({
      ...{ isReference: kind === VAULT_AUTH, name: kind.kind, kind, options: { metadataOnly: false }, handler },
    }),
  );
  const progress: Record<string, Progress> = {};
  const told: string[] = [];
  const settled: string[] = [];
  let listed = 0;
  const options = {
    ...{ seconds, againMs: 0, probeRevision: false, acceptMissing: false, sleep },
    onListed: () => {
      listed += 1;
    },
  };
  const input = {
    cursors: Object.fromEntries(
      expired === undefined ? [] : KINDS.map(({ kind }) => [kind, { resourceVersion: "5", movedAt: START }]),
    ),
    unread: Object.fromEntries(Object.entries(unreadFor).map(([name, ms]) => [name, START - ms])),
    budget: rowBudget(deps, "east", undefined),
    missing: {
      settle: async (isWhole: boolean) =>
        void settled.push(`${isWhole ? "whole" : "in part"} at ${(now - START) / 1_000}`),
      problem: () => (problem === undefined || settled.length === 0 ? undefined : new SyncError(problem, "no")),
    } as unknown as MissingRows,
    onProgress: (name: string, next: Progress) => {
      progress[name] = next;
      told.push(`${name} ${next.error?.code ?? "well"}`);
    },
  };
  let isOver = false;
  const all = watchAll(deps, aCluster(), targets, input, options, process.signal).finally(() => {
    isOver = true;
  });
  const turn = () => new Promise((resolve) => setTimeout(resolve));
  for (let idle = 0; !isOver && idle < 3; ) {
    await turn();
    const [next] = [...asleep].sort((one, other) => one.until - other.until);
    if (next !== undefined) asleep.delete(next);
    idle = next === undefined ? idle + 1 : 0;
    now = Math.max(now, next?.until ?? now);
    next?.wake();
  }
  await all;
  return { done, progress, told, settled, listed, elapsed: (now - START) / 1_000 };
}

const of = (done: readonly string[], what: string) => done.filter((one) => one.startsWith(what));

describe("the kinds of a cluster", () => {
  it("are listed, references before what names them, and watched to the end of the time", async () => {
    const { done, progress, listed } = await scene({});
    assert.equal(of(done, "list")[0], "list VaultAuth at 0");
    assert.deepEqual(of(done, "watch").sort(), KINDS.map(({ kind }) => `watch ${kind} for 60`).sort());
    assert.deepEqual(
      of(done, "end"),
      KINDS.map(({ kind }) => `end ${kind} at 60`),
    );
    assert.equal(progress.VaultStaticSecret?.cursor?.resourceVersion, "7");
    assert.equal(listed, 1);
  });

  it("are listed when the references are known, which each sync would miss otherwise", async () => {
    const { done } = await scene({ slow: "VaultAuth" });
    assert.deepEqual(of(done, "list"), [
      "list VaultAuth at 0",
      "list VaultStaticSecret at 1",
      "list VaultDynamicSecret at 1",
    ]);
  });

  it("are left when the process stops", async () => {
    const { elapsed } = await scene({ stop: "VaultDynamicSecret" });
    assert.equal(elapsed, 0);
    const unread = await scene({ stop: "VaultDynamicSecret", lists: { VaultStaticSecret: ["KUBE_DENIED"] } });
    assert.deepEqual([unread.elapsed, of(unread.done, "list VaultStaticSecret").length], [0, 1]);
  });

  it("are listed and no more without time", async () => {
    const { done, elapsed } = await scene({ seconds: 0 });
    assert.deepEqual([of(done, "list").length, of(done, "watch"), elapsed], [3, [], 0]);
  });

  it("are listed without time, and the Secrets of logins after them", async () => {
    const { done, progress } = await scene({ seconds: 0, credentials: 1, slow: "Secret" });
    assert.equal(of(done, "list Secret").length, 1);
    assert.equal(progress["Secret:shop/login"]?.cursor?.resourceVersion, "7");
  });

  it("are watched beside one list and one watch of all Secrets of a namespace that logs in with very many", async () => {
    const { done, progress } = await scene({ credentials: 1_300 });
    assert.deepEqual([of(done, "list Secret").length, of(done, "watch Secret").length], [1, 1]);
    assert.equal(Object.keys(progress).length, KINDS.length + 1);
  });

  it("are tried again each 5 s while they are not served or not readable, and watched for the rest of the time", async () => {
    for (const answer of ["not served", "KUBE_DENIED"] as const) {
      const { done, listed } = await scene({ lists: { VaultStaticSecret: [answer, answer, "served"] } });
      assert.deepEqual(
        of(done, "list VaultStaticSecret"),
        [0, 5, 10].map((at) => `list VaultStaticSecret at ${at}`),
      );
      assert.deepEqual(of(done, "watch VaultStaticSecret"), ["watch VaultStaticSecret for 50"]);
      assert.equal(listed, 1);
    }
  });

  it("have their error until a later try has ended: whoever looks in between sees it", async () => {
    const { told } = await scene({ lists: { VaultStaticSecret: ["KUBE_DENIED", "KUBE_DENIED", "served"] } });
    const [, ...since] = of(told, "VaultStaticSecret").map((one) => one.split(" ")[1]);
    const errors = since.lastIndexOf("KUBE_DENIED") + 1;
    assert.ok(errors > 2);
    assert.deepEqual(new Set(since.slice(0, errors)), new Set(["KUBE_DENIED"]));
    assert.deepEqual(new Set(since.slice(errors)), new Set(["well"]));
  });

  it("are tried again up to the end of the time, and not after it", async () => {
    const { done, progress, elapsed } = await scene({ seconds: 12, lists: { VaultStaticSecret: ["KUBE_DENIED"] } });
    assert.deepEqual(
      of(done, "list VaultStaticSecret"),
      [0, 5, 10].map((at) => `list VaultStaticSecret at ${at}`),
    );
    assert.deepEqual([progress.VaultStaticSecret?.error?.code, elapsed <= 15], ["KUBE_DENIED", true]);
  });

  it("end with the time when none of them can be read, and not with the next try", async () => {
    const lists = Object.fromEntries(KINDS.map(({ kind }) => [kind, ["KUBE_DENIED"] as const]));
    const { done, elapsed } = await scene({ seconds: 12, lists });
    assert.deepEqual([elapsed, of(done, "list VaultAuth").length], [12, 3]);
  });

  it("have no more time when the clock steps back by an hour", async () => {
    const denied = Object.fromEntries(KINDS.map(({ kind }) => [kind, ["KUBE_DENIED"] as const]));
    for (const lists of [denied, { VaultStaticSecret: ["KUBE_DENIED"] as const }, {}]) {
      const { elapsed } = await scene({ seconds: 12, lists, stepsBack: "VaultDynamicSecret" });
      assert.ok(elapsed <= 13, `${elapsed}`);
    }
  });

  it("are watched until the last one is listed, however short the time", async () => {
    for (const cut of [undefined, "VaultDynamicSecret"]) {
      const { done, progress, elapsed } = await scene({
        ...{ seconds: 5, slow: "VaultStaticSecret", slowSeconds: 40 },
        ...(cut === undefined ? {} : { cut }),
      });
      assert.equal(of(done, "list VaultStaticSecret").length, 1);
      for (const { kind } of KINDS) assert.equal(progress[kind]?.error, undefined, kind);
      assert.ok(elapsed >= 40 && elapsed <= 46, `${elapsed}`);
      assert.ok(of(done, "watch VaultDynamicSecret").length > 1);
    }
  });

  it("are watched until one is listed that the cluster has forgotten, and are told of once", async () => {
    const { done, progress, listed, elapsed } = await scene({
      ...{ seconds: 5, expired: "VaultStaticSecret", slow: "VaultStaticSecret", slowSeconds: 40 },
    });
    assert.deepEqual(of(done, "list"), ["list VaultStaticSecret at 0"]);
    for (const { kind } of KINDS) assert.equal(progress[kind]?.error, undefined, kind);
    assert.equal(progress.VaultStaticSecret?.cursor?.resourceVersion, "7");
    assert.ok(elapsed >= 40 && elapsed <= 46, `${elapsed}`);
    assert.equal(listed, 1);
  });

  it("are left together when the cluster is out of reach, or another pass has it", async () => {
    for (const code of ["KUBE_UNREACHABLE", "LEASE_LOST"] as const) {
      const { done, elapsed } = await scene({ lists: { VaultStaticSecret: [code] } });
      assert.deepEqual([of(done, "list VaultStaticSecret").length, elapsed < 1], [1, true], code);
    }
  });

  it("are left together a second after one watch is cut, so that the next pass has all of them", async () => {
    const { done, elapsed } = await scene({ cut: "VaultStaticSecret" });
    assert.equal(elapsed, 1);
    assert.deepEqual(
      of(done, "end").sort(),
      ["VaultAuth at 1", "VaultDynamicSecret at 1", "VaultStaticSecret at 0"].map((one) => `end ${one}`),
    );
  });
});

describe("lease-table 18: what lists lack is handled", () => {
  it("soon after the last list has ended, again and again after that, and at the end", async () => {
    const { settled } = await scene({ seconds: 10, slow: "VaultStaticSecret", slowSeconds: 4 });
    assert.deepEqual(settled, ["whole at 7", "whole at 10", "whole at 11"]);
  });

  it("once in a pass without time", async () => {
    const { settled } = await scene({ seconds: 0, slow: "VaultStaticSecret" });
    assert.deepEqual(settled, ["whole at 1"]);
  });

  it("not while one is listed again that the cluster has forgotten", async () => {
    const { settled } = await scene({
      ...{ seconds: 9, expired: "VaultStaticSecret", slow: "VaultStaticSecret", slowSeconds: 7 },
    });
    assert.equal(settled[0], "whole at 9");
  });

  it("as a part of all when a list may not be read", async () => {
    const { settled } = await scene({ seconds: 0, lists: { VaultStaticSecret: ["KUBE_DENIED"] } });
    assert.deepEqual(settled, ["in part at 0"]);
    const absent = await scene({ seconds: 0, lists: { VaultStaticSecret: ["not served"] } });
    assert.deepEqual(absent.settled, ["whole at 0"]);
  });

  it("by a later pass when the cluster is out of reach, another pass has it, or there was no time for a list", async () => {
    for (const code of ["KUBE_UNREACHABLE", "LEASE_LOST", "DEADLINE_EXCEEDED"] as const) {
      const { settled } = await scene({ seconds: 0, lists: { VaultStaticSecret: [code] } });
      assert.deepEqual(settled, [], code);
    }
  });

  it("when each list was read that can't be read at first: a starting API server does not serve all kinds", async () => {
    for (const code of ["KUBE_REJECTED", "KUBE_FAILED", "KUBE_THROTTLED"] as const) {
      const lists = { VaultStaticSecret: [code, code, "served"] as const };
      const { settled } = await scene({ seconds: 20, lists });
      assert.equal(settled[0], "whole at 12", code);
      const pass = await scene({ seconds: 0, lists, unreadFor: { VaultStaticSecret: 299_999 } });
      assert.deepEqual(pass.settled, [], code);
    }
  });

  it("as a part of all when a list could not be read for five minutes, or never ends in time", async () => {
    const unreadFor = { VaultStaticSecret: 300_000 };
    for (const code of ["KUBE_REJECTED", "DEADLINE_EXCEEDED"] as const) {
      const { settled } = await scene({ seconds: 0, lists: { VaultStaticSecret: [code] }, unreadFor });
      assert.deepEqual(settled, ["in part at 0"], code);
      const other = await scene({ seconds: 0, lists: { VaultDynamicSecret: [code] }, unreadFor });
      assert.deepEqual(other.settled, [], "another one can't be read since now");
    }
    const slow = { seconds: 5, slow: "VaultStaticSecret", slowSeconds: 40 };
    const { settled } = await scene({ ...slow, unreadFor });
    assert.deepEqual([settled[0], settled.at(-1)], ["in part at 3", "whole at 42"]);
    assert.equal((await scene(slow)).settled[0], "whole at 42");
  });

  it("not while a list that was read in the pass can't be read again, however long it could not be before", async () => {
    const lists = { VaultStaticSecret: ["served", "KUBE_FAILED"] } as const;
    const unreadFor = { VaultStaticSecret: 300_000 };
    const { done, settled } = await scene({ seconds: 20, lists, forgotten: "VaultStaticSecret", unreadFor });
    assert.equal(of(done, "list VaultStaticSecret")[1], "list VaultStaticSecret at 6");
    assert.deepEqual(of(settled, "in part"), []);
  });

  it("and the pass ends when the cluster is out of reach for that", async () => {
    const away = await scene({ problem: "KUBE_UNREACHABLE" });
    assert.equal(away.elapsed, 3);
    const denied = await scene({ problem: "KUBE_DENIED" });
    assert.ok(denied.elapsed >= 60);
  });
});
