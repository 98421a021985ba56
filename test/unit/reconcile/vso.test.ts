import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { MINUTE_MS, SECOND_MS } from "../../../lib/clock.ts";
import type { SeenResource, VsoLease, VsoSeen } from "../../../lib/reconcile/ports.ts";
import { standsBack, vsoAtWork, worksBesideVso, writeOfVso } from "../../../lib/reconcile/vso.ts";
import { aRow } from "../../builders.ts";

const NOW = Date.parse("2026-01-01T00:00:00Z");
const SETTLED = NOW - 10 * MINUTE_MS;

const settled = (settledAt: number | undefined = SETTLED) => {
  const row = aRow();
  return { ...row, state: { ...row.state, ...(settledAt === undefined ? {} : { settledAt }) } };
};
const written = (at: number, spec: SeenResource["spec"] = {}): SeenResource => ({
  uid: "u",
  resourceVersion: "9",
  generation: 1,
  deleting: false,
  labels: {},
  annotations: {},
  finalizers: [],
  spec,
  status: {},
  ownerReferences: [],
  statusBy: { manager: "manager", at },
  namespace: "shop",
  name: "db",
});

describe("is Vault Secrets Operator at work?", () => {
  it("kubernetes-rules 24: another's write of a status that is newer than our last settle says so, and who and where", () => {
    const seen = writeOfVso(settled(), written(NOW - SECOND_MS), NOW);
    assert.match(seen?.what ?? "", /the status of VaultStaticSecret shop\/db was written by "manager"/);
    assert.equal(seen?.until, NOW - SECOND_MS + MINUTE_MS);
  });

  it("kubernetes-rules 24: one that is older, that nobody made, or of a sync that we never settled says nothing", () => {
    const { statusBy: _by, ...ours } = written(NOW);
    const { settledAt: _at, ...never } = settled().state;
    assert.equal(writeOfVso(settled(), written(SETTLED), NOW), undefined);
    assert.equal(writeOfVso(settled(), ours, NOW), undefined);
    assert.equal(writeOfVso({ ...settled(), state: never }, written(NOW), NOW), undefined);
    assert.equal(writeOfVso(undefined, written(NOW), NOW), undefined);
  });

  it("it is believed for twice its refreshes: a minute at least, a quarter of an hour at most", () => {
    const cases = [
      ["30s", 60],
      ["5m", 600],
      ["24h", 900],
      ["soon", 60],
    ] as const;
    for (const [refreshAfter, seconds] of cases) {
      const at = NOW - (seconds - 1) * SECOND_MS;
      assert.ok(writeOfVso(settled(0), written(at, { refreshAfter }), NOW), refreshAfter);
      assert.equal(writeOfVso(settled(0), written(at - SECOND_MS, { refreshAfter }), NOW), undefined, refreshAfter);
    }
  });

  const lease = (renewedAt: number, holder = "pod_1"): VsoLease => ({ holder, renewedAt, durationMs: 15 * SECOND_MS });
  const write: VsoSeen = { what: "a write", at: NOW - MINUTE_MS / 2, until: NOW + MINUTE_MS / 2 };

  it("who holds the lease is, with half a minute for clocks that differ", () => {
    assert.match(vsoAtWork(lease(NOW), undefined, NOW) ?? "", /"pod_1" holds the lease/);
    assert.ok(vsoAtWork(lease(NOW - 44 * SECOND_MS), undefined, NOW));
    assert.equal(vsoAtWork(lease(NOW - 45 * SECOND_MS), undefined, NOW), undefined);
  });

  it("who gave it back, or let it go after the last write, is not; without a lease silence says it", () => {
    assert.equal(vsoAtWork(lease(NOW, ""), write, NOW), undefined);
    assert.equal(vsoAtWork(lease(write.at - SECOND_MS, ""), write, NOW), "a write");
    assert.equal(vsoAtWork(lease(NOW - 60 * SECOND_MS), { ...write, at: NOW - 40 * SECOND_MS }, NOW), "a write");
    assert.equal(vsoAtWork(undefined, write, NOW), "a write");
    assert.equal(vsoAtWork(undefined, write, write.until), undefined);
    assert.equal(vsoAtWork(undefined, undefined, NOW), undefined);
  });

  it("fleet.yaml names the namespaces in which both may work", () => {
    assert.equal(worksBesideVso({}, "shop"), false);
    assert.equal(worksBesideVso({ besideVso: ["shop-*", "pay"] }, "pay"), true);
    assert.equal(worksBesideVso({ besideVso: ["shop-*", "pay"] }, "shop"), false);
    assert.equal(worksBesideVso({ besideVso: ["*"] }, "shop"), true);
  });

  it("the message says what was seen and what to do", () => {
    const { code, circuit, message } = standsBack("east", "a write");
    assert.deepEqual([code, circuit], ["OTHER_CONTROLLER", "vso:east"]);
    assert.match(message, /in cluster east: a write\. .*scale the operator to zero.*besideVso/);
  });
});
