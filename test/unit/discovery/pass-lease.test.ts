import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { underPassLease } from "../../../lib/discovery/pass-lease.ts";
import { simulatedSqliteStore } from "../../../lib/store/sqlite/sqlite-store.ts";
import { aDeclared, aKey, aReference, aReferenceKey } from "../../builders.ts";

const START = Date.UTC(2030, 0, 1);
const LEASE_MS = 60_000;

describe("lease-table 21: a pass that has outlasted its claim", () => {
  it("stores and removes nothing once another one has begun, and does all of it before", async () => {
    let now = START;
    await using store = simulatedSqliteStore(undefined);
    const leaseUntil = START + LEASE_MS;
    const row = (await store.claimCluster("east", { now, until: leaseUntil })) ?? assert.fail();
    const late = underPassLease({ leases: store, clock: () => now }, { ...row, leaseUntil });
    const key = aKey();
    const writes: readonly (() => Promise<unknown>)[] = [
      () => late.declare(aDeclared({ key }), now),
      () => late.putReference(aReference()),
      () => late.removeReference(aReferenceKey("missing")),
      () => late.tombstone(key, "another", now),
      () => late.retire(aKey("missing"), now, now),
    ];
    for (const write of writes) await write();
    now = leaseUntil + 1;
    for (const write of writes) await write();
    assert.ok(await store.claimCluster("east", { now, until: now + LEASE_MS }));
    now += 1_001;
    for (const write of [...writes, () => late.removeCluster("east")])
      await assert.rejects(write(), { code: "LEASE_LOST" });
    assert.equal((await store.cluster("east"))?.fence, row.fence + 1);
  });

  it("asks first after its claim, then once a second, and reads without asking", async () => {
    let now = START;
    await using store = simulatedSqliteStore(undefined);
    const leaseUntil = START + LEASE_MS;
    const row = (await store.claimCluster("east", { now, until: leaseUntil })) ?? assert.fail();
    let asked = 0;
    const leases = { ...store, cluster: (name: string) => store.cluster(name).finally(() => asked++) };
    const late = underPassLease({ leases, clock: () => now }, { ...row, leaseUntil });
    for (const [after, expected] of [
      [0, 0],
      [1, 1],
      [1_001, 1],
      [1_002, 2],
    ] as const) {
      now = leaseUntil + after;
      await late.putReference(aReference());
      assert.equal(asked, expected, `${after}`);
    }
    now += LEASE_MS;
    assert.equal((await late.referencesOf("east")).length, 1);
    assert.equal(asked, 2);
    await store.removeCluster("east");
    await assert.rejects(late.putReference(aReference()), { code: "LEASE_LOST" }, "the cluster left the fleet");
  });
});
