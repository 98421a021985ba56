import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { SyncError } from "../../../lib/errors.ts";
import { cleanupKey } from "../../../lib/keys.ts";
import { annotatedOrigin, PUSH_FINALIZER } from "../../../lib/origins/annotated.ts";
import { announce, announceReference, seenAfter } from "../../../lib/origins/announce.ts";
import { clusterOrigin, declaringResource } from "../../../lib/origins/cluster.ts";
import type { RunOutcome } from "../../../lib/origins/status.ts";
import type { Warning } from "../../../lib/origins/warnings.ts";
import type { ResourceEvent, SeenResource } from "../../../lib/ports/resources.ts";
import type { Row } from "../../../lib/ports/rows.ts";
import { EMPTY_STATE } from "../../../lib/ports/rows.ts";
import { VAULT_DYNAMIC_SECRET, VAULT_PKI_SECRET, VAULT_STATIC_SECRET } from "../../../lib/resource-kinds.ts";
import type { JsonObject } from "../../../lib/util/json.ts";
import { aRow } from "../../builders.ts";
import { aClaim } from "../../claims.ts";
import { aSeen } from "../discovery/a-seen.ts";

const NOW = Date.UTC(2030, 0, 1);
const { signal } = new AbortController();
const WARNING: Warning = { type: "InstantUpdates", status: "False", reason: "Unknown", message: "no events come" };
const OTHER: Warning = { ...WARNING, type: "RotationCheck", message: "never checked" };
const SYNCED: RunOutcome = { kind: "synced", wrote: "created" };
const DENIED: RunOutcome = { kind: "failed", error: new SyncError("VAULT_DENIED", "no") };
const conflict = () => new SyncError("KUBE_CONFLICT", "moved");

type Resources = Parameters<typeof announce>[0]["resources"];

/** A cluster that answers each write of a status with what is next, or accepts it. */
function aCluster(
  answers: readonly (Error | undefined)[] = [],
  found: () => SeenResource | undefined = () => aSeen({ uid: UID }),
) {
  const written: { status: JsonObject; version: string }[] = [];
  const told: ResourceEvent[] = [];
  const released: (readonly string[])[] = [];
  const left = [...answers];
  const resources: Partial<Resources> = {
    get: async () => found(),
    writeStatus: async (_ref, status, version) => {
      written.push({ status, version });
      const answer = left.shift();
      if (answer !== undefined) throw answer;
      return `${version}+`;
    },
    emit: async (_ref, _uid, event) => void told.push(event),
    removeFinalizers: async (_ref, names) => void released.push(names),
  };
  return { apis: { resources: resources as Resources, clock: () => NOW }, written, told, released };
}

const ROW = aRow();
const UID = ROW.declared.uid;
const REF = declaringResource(ROW);

/** What becomes of an outcome: which events, and what was written. */
async function told(outcome: RunOutcome, row: Row = ROW, cluster = aCluster()) {
  const claim = await aClaim(row, () => NOW);
  const announced = await announce(cluster.apis, REF, outcome, claim, signal);
  return { ...cluster, announced, events: cluster.told.map(({ reason, message }) => `${reason}: ${message}`) };
}

/** A row whose status is as it was after this outcome. */
async function after(outcome: RunOutcome): Promise<Row> {
  const { announced } = await told(outcome);
  return { ...ROW, state: { ...EMPTY_STATE, seen: { ...announced.seen, hash: ROW.declared.hash } } };
}

describe("the result of a run", () => {
  it("is written to the status and told as an event", async () => {
    const { written, events, announced } = await told(SYNCED);
    assert.deepEqual(events, ["SecretSynced: Secret synced: created"]);
    assert.equal(written.length, 1);
    assert.equal(written[0]?.version, ROW.declared.seen.resourceVersion);
    assert.equal(announced.isGone, false);
    assert.deepEqual(announced.seen, { resourceVersion: `${written[0]?.version}+`, status: written[0]?.status });
  });

  it("is not written again, though what was written to a Secret is told each time, and a failure once", async () => {
    const again = await told(SYNCED, await after(SYNCED));
    assert.deepEqual([again.written, again.events.length, again.announced.isGone], [[], 1, false]);
    const quiet = await told({ kind: "synced" }, await after(SYNCED));
    assert.deepEqual([quiet.written, quiet.events], [[], []]);
    const failed = await told(DENIED, await after(DENIED));
    assert.deepEqual([failed.written, failed.events], [[], []]);
    const first = await told(DENIED, await after(SYNCED));
    assert.deepEqual([first.written.length, first.events], [1, ["VaultClientError: VAULT_DENIED: no"]]);
  });

  it("is not written or told again a minute later, also of a failure that only a change ends", async () => {
    const parked: RunOutcome = { kind: "failed", error: new SyncError("SPEC_INVALID", "no") };
    for (const outcome of [DENIED, parked, { kind: "synced", warnings: [WARNING] } as const]) {
      const cluster = aCluster();
      const later = { ...cluster, apis: { ...cluster.apis, clock: () => NOW + 60_000 } };
      const { written, events } = await told(outcome, await after(outcome), later);
      assert.deepEqual([written, events], [[], []]);
    }
  });

  it("needs the lease only where it is written", async () => {
    const isLate = () => NOW + 1_000_000;
    const late = async (row: Row) => {
      const claim = await aClaim(row, () => NOW);
      Object.assign(claim, { takeToWrite: () => Promise.reject(new SyncError("LEASE_LOST", "late")) });
      return announce({ ...aCluster().apis, clock: isLate }, REF, DENIED, claim, signal);
    };
    await assert.rejects(late(ROW), { code: "LEASE_LOST" });
    assert.equal((await late(await after(DENIED))).isGone, false);
  });

  it("tells of each warning when it is new", async () => {
    const { events } = await told({ ...SYNCED, warnings: [WARNING, OTHER] });
    assert.deepEqual(events, [
      "SecretSynced: Secret synced: created",
      "Unknown: no events come",
      "Unknown: never checked",
    ]);
    const next = await told(
      { kind: "synced", warnings: [WARNING, OTHER] },
      await after({ ...SYNCED, warnings: [OTHER] }),
    );
    assert.deepEqual(next.events, ["Unknown: no events come"]);
  });

  it("may be one warning between runs, or the end of it, which is no event", async () => {
    const warned = await told({ kind: "warned", type: WARNING.type, warning: WARNING }, await after(SYNCED));
    assert.deepEqual([warned.written.length, warned.events], [1, ["Unknown: no events come"]]);
    assert.deepEqual(warned.told[0]?.type, "Warning");
    const over = await told({ kind: "warned", type: WARNING.type }, await after({ ...SYNCED, warnings: [WARNING] }));
    assert.deepEqual([over.written.length, over.events], [1, []]);
    const conditions = over.announced.seen.status.conditions as readonly JsonObject[];
    assert.deepEqual(
      conditions.map(({ type }) => type),
      ["SecretSynced", "Healthy", "Ready"],
    );
  });

  it("is based on the status of this version of the declaration, and on what discovery read otherwise", async () => {
    const known = await after({ ...SYNCED, warnings: [WARNING] });
    const changed = { ...known, declared: { ...known.declared, hash: "another" } };
    const { written } = await told(SYNCED, changed);
    assert.equal(written[0]?.version, ROW.declared.seen.resourceVersion);
  });

  it("removes members of the status that are over", async () => {
    const row = await after({ ...SYNCED, status: { serialNumber: "1" } });
    const { written, announced } = await told({ ...SYNCED, status: { serialNumber: null } }, row);
    assert.equal(written[0]?.status.serialNumber, null);
    assert.equal("serialNumber" in announced.seen.status, false);
  });
});

describe("a status that may be another one than the row has", () => {
  const cases: Readonly<Record<string, (row: Row) => { row: Row; isAfterCut?: true }>> = {
    "after a run that was cut off": (row) => ({ row, isAfterCut: true }),
    "after a write without an answer": (row) => ({
      row: { ...row, state: { ...row.state, ...seenAfter(row, undefined) } },
    }),
  };
  const toldOf = async (
    outcome: RunOutcome,
    { row, isAfterCut }: { row: Row; isAfterCut?: true },
    found?: SeenResource,
  ) => {
    const cluster = aCluster([], () => found);
    const claim = Object.assign(await aClaim(row, () => NOW), isAfterCut && { isAfterCut });
    return { ...cluster, announced: await announce(cluster.apis, REF, outcome, claim, signal) };
  };
  for (const [when, doubtful] of Object.entries(cases)) {
    it(`kubernetes-rules 15: is read, ${when}`, async () => {
      const known = doubtful(await after(SYNCED));
      const { status: failed } = (await after(DENIED)).state.seen ?? assert.fail();
      const other = await toldOf(SYNCED, known, aSeen({ uid: UID, resourceVersion: "200", status: failed }));
      assert.deepEqual([other.written.length, other.written[0]?.version], [1, "200"]);
      assert.deepEqual(other.announced.seen.resourceVersion, "200+");
      const { status = {} } = known.row.state.seen ?? {};
      const same = await toldOf(SYNCED, known, aSeen({ uid: UID, resourceVersion: "200", status }));
      assert.deepEqual([same.written, same.announced.seen], [[], { resourceVersion: "200", status }]);
      const gone = await toldOf(SYNCED, known);
      assert.deepEqual([gone.written, gone.announced.isGone], [[], true]);
    });
  }

  it("is in doubt until it is known again", async () => {
    const row = await after(SYNCED);
    const { seen } = row.state;
    assert.deepEqual(seenAfter(row, undefined), { seen: { ...seen, isDoubtful: true } });
    assert.deepEqual(seenAfter({ ...row, state: EMPTY_STATE }, undefined), {}, "discovery read it");
    const { announced } = await told(DENIED, row);
    assert.deepEqual(seenAfter(row, announced.seen), { seen: { ...announced.seen, hash: ROW.declared.hash } });
  });
});

describe("a resource that changed since its status was read", () => {
  it("is read, and written as it is now", async () => {
    for (const error of [conflict(), new SyncError("REFERENCE_MISSING", "gone")]) {
      const found = () => aSeen({ uid: UID, resourceVersion: "200", status: { other: "kept" } });
      const { written, announced, events } = await told(SYNCED, ROW, aCluster([error], found));
      assert.deepEqual(
        written.map(({ version }) => version),
        [ROW.declared.seen.resourceVersion, "200"],
      );
      assert.deepEqual([announced.seen.resourceVersion, announced.seen.status.other], ["200+", "kept"]);
      assert.equal(events.length, 1);
    }
  });

  it("kubernetes-rules 17: is left alone when it is gone, or another one of that name", async () => {
    for (const found of [undefined, aSeen({ uid: "another" })]) {
      const { written, announced, events } = await told(
        SYNCED,
        ROW,
        aCluster([conflict()], () => found),
      );
      assert.deepEqual([written.length, announced.isGone, events], [1, true, []]);
      assert.deepEqual(announced.seen, ROW.declared.seen);
    }
  });

  it("is given up after three tries", async () => {
    const cluster = aCluster([conflict(), conflict(), conflict(), conflict()]);
    await assert.rejects(told(SYNCED, ROW, cluster), { code: "KUBE_CONFLICT", message: /keeps changing/ });
    assert.equal(cluster.written.length, 3);
    await told(SYNCED, ROW, aCluster([conflict(), conflict()]));
  });

  it("is not the reason of other failures, nor of a bug", async () => {
    for (const error of [new SyncError("KUBE_DENIED", "no"), new TypeError("a bug")])
      await assert.rejects(told(SYNCED, ROW, aCluster([error])), error);
  });
});

describe("the verdict about a reference", () => {
  const verdictOn = async (row: Row, cluster = aCluster(), error?: SyncError) => {
    const ref = { ...REF, kind: { ...REF.kind, kind: "VaultAuth" } };
    const claim = await aClaim(row, () => NOW);
    const warnings = [{ type: "AudienceMissing", reason: "NoAudience", message: "set one" }] as const;
    const verdict = { ...(error ? { error } : {}), warnings };
    return announceReference(cluster.apis, ref, verdict, claim, signal);
  };

  it("is written and told once, with its warnings", async () => {
    const cluster = aCluster();
    const { seen } = await verdictOn(ROW, cluster);
    assert.deepEqual(cluster.told, [
      { type: "Normal", reason: "Accepted", message: "VaultAuth accepted" },
      { type: "Warning", reason: "NoAudience", message: "set one" },
    ]);
    assert.deepEqual([cluster.written.length, seen.status.valid], [1, true]);
    const known = { ...ROW, state: { ...EMPTY_STATE, seen: { ...seen, hash: ROW.declared.hash } } };
    const again = aCluster();
    await verdictOn(known, again);
    assert.deepEqual([again.written, again.told], [[], []]);
    const failed = aCluster();
    await verdictOn(known, failed, new SyncError("REFERENCE_INVALID", "no role"));
    assert.equal(failed.told.length, 2);
  });

  it("is told to nobody when the resource is gone", async () => {
    const gone = aCluster([conflict()], () => undefined);
    assert.equal((await verdictOn(ROW, gone)).isGone, true);
    assert.deepEqual(gone.told, []);
  });
});

describe("a push that an object's annotations declare", () => {
  const kind = { ...VAULT_STATIC_SECRET, kind: "Secret", group: "", version: "v1" };
  const originOf = (row: Row, cluster = aCluster()) =>
    annotatedOrigin(cluster.apis, row, kind, (annotations) => annotations.path !== undefined);

  const THERE: readonly (readonly [found: SeenResource | undefined, standing: string])[] = [
    [aSeen({ uid: UID, annotations: { path: "kv/db" } }), "declared"],
    [aSeen({ uid: UID }), "gone"],
    [aSeen({ uid: "another", annotations: { path: "kv/db" } }), "gone"],
    [aSeen({ uid: UID, annotations: { path: "kv/db" }, deleting: true }), "gone"],
    [undefined, "gone"],
  ];
  for (const [at, [found, standing]] of THERE.entries()) {
    it(`is ${standing}: ${at}`, async () => {
      const origin = originOf(
        ROW,
        aCluster([], () => found),
      );
      assert.equal(await origin.exists(signal), standing);
      const mustBe = origin.mustBeDeclared(signal);
      if (standing === "declared") await mustBe;
      else await assert.rejects(mustBe, { code: "DECLARATION_GONE" });
    });
  }

  it("has its news as events, and its status in the row alone", async () => {
    const cluster = aCluster();
    const said = async (outcome: RunOutcome, row: Row) => {
      cluster.told.splice(0);
      const announced = await originOf(row, cluster).announce(outcome, await aClaim(row, () => NOW), signal);
      return { announced, events: cluster.told.map(({ reason, message }) => `${reason}: ${message}`) };
    };
    const first = await said({ ...SYNCED, warnings: [WARNING, OTHER] }, ROW);
    assert.deepEqual(first.events, [
      "SecretSynced: Secret synced: created",
      "Unknown: no events come",
      "Unknown: never checked",
    ]);
    assert.deepEqual([cluster.written, first.announced.isGone], [[], false]);
    assert.equal(first.announced.seen.resourceVersion, ROW.declared.seen.resourceVersion);
    const known = (seen: JsonObject): Row => ({
      ...ROW,
      state: { ...EMPTY_STATE, seen: { resourceVersion: "1", status: seen, hash: ROW.declared.hash } },
    });
    const again = await said({ kind: "synced", warnings: [OTHER] }, known(first.announced.seen.status));
    assert.deepEqual(again.events, []);
    const failed = await said(DENIED, known(first.announced.seen.status));
    assert.deepEqual(failed.events, ["VaultClientError: VAULT_DENIED: no"]);
    assert.deepEqual((await said(DENIED, known(failed.announced.seen.status))).events, []);
  });

  it("is released by its finalizer, though not by its clean-up, which may have another object's name", async () => {
    const cluster = aCluster();
    const key = cleanupKey(ROW.key, UID);
    await originOf({ ...ROW, key }, cluster).release(signal);
    assert.deepEqual(cluster.released, []);
    await originOf(ROW, cluster).release(signal);
    assert.deepEqual(cluster.released, [[PUSH_FINALIZER]]);
    assert.deepEqual(originOf(ROW).owner, { apiVersion: "v1", kind: "Secret", name: "db", uid: UID });
  });
});

describe("the declaration of a row in its cluster", () => {
  it("is released by VSO's finalizer of its kind, where there is one, and not by its clean-up", async () => {
    const cluster = aCluster();
    await clusterOrigin(cluster.apis, ROW).release(signal);
    assert.deepEqual(cluster.released, [["vaultstaticsecret.secrets.hashicorp.com/finalizer"]]);
    for (const [kind, finalizer] of [
      [VAULT_DYNAMIC_SECRET, "vaultdynamicsecret.secrets.hashicorp.com/finalizer"],
      [VAULT_PKI_SECRET, "vaultpkisecrets.secrets.hashicorp.com/finalizer"],
    ] as const) {
      const other = aCluster();
      await clusterOrigin(other.apis, ROW, kind).release(signal);
      assert.deepEqual(other.released, [[finalizer]]);
    }
    await clusterOrigin(cluster.apis, { ...ROW, key: cleanupKey(ROW.key, UID) }, VAULT_STATIC_SECRET).release(signal);
    const { finalizer: _ofVso, ...own } = VAULT_STATIC_SECRET;
    await clusterOrigin(cluster.apis, ROW, { ...own, kind: "Own" }).release(signal);
    assert.equal(cluster.released.length, 1);
  });

  it("has its own events", async () => {
    const cluster = aCluster();
    const event = { type: "Normal", reason: "R", message: "m" } as const;
    await clusterOrigin(cluster.apis, ROW).emit(event, signal);
    assert.deepEqual(cluster.told, [event]);
  });
});
