import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { HOUR_MS, MINUTE_MS, SECOND_MS } from "../../../../lib/clock.ts";
import type { VsoLease } from "../../../../lib/ports/clusters.ts";
import type { SeenResource } from "../../../../lib/ports/resources.ts";
import type { VsoSeen } from "../../../../lib/ports/store.ts";
import {
  hasLetGo,
  isSecond,
  recentWrite,
  suspended,
  suspendedIn,
  vsoAtWork,
  worksBesideVso,
  writeOfVso,
  writtenIn,
} from "../../../../lib/vso/stand-back/vso.ts";
import { aCluster, aRow } from "../../../builders.ts";

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
    assert.equal(writeOfVso(settled(NOW - 1), written(NOW - 1), NOW), undefined);
    assert.ok(writeOfVso(settled(NOW - 2), written(NOW - 1), NOW));
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

  const FAR = Date.parse("2099-01-01T00:00:00Z");

  it("kubernetes-rules 24: a write that is dated in the future is not believed, for which of our settles ever", () => {
    for (const at of [FAR, NOW + HOUR_MS, NOW + 31 * SECOND_MS]) {
      assert.equal(writeOfVso(settled(), written(at, { refreshAfter: "24h" }), NOW), undefined);
      assert.equal(recentWrite(written(at), NOW), undefined);
    }
    const seen = writeOfVso(settled(), written(NOW + 29 * SECOND_MS), NOW);
    assert.equal(seen?.until, NOW + MINUTE_MS, "clocks may differ, and the end is estimated from ours");
  });

  it("a program's name that is someone's own words is not repeated", () => {
    const said = (manager: string) =>
      writeOfVso(settled(), { ...written(NOW), statusBy: { manager, at: NOW } }, NOW)?.what ?? "";
    assert.match(said("kubectl-edit"), /by "kubectl-edit"$/);
    for (const manager of ["", "a\u001b[2J", "call +1 555", "x".repeat(65)]) {
      assert.match(said(manager), /by another program$/);
    }
  });

  const lease = (renewedAt: number, holder = "pod_1", seconds = 15): VsoLease => ({
    ...{ holder, renewedAt, durationMs: seconds * SECOND_MS },
  });
  const write: VsoSeen = {
    ...{ what: "a write", name: "VaultStaticSecret/db", at: NOW - MINUTE_MS / 2, until: NOW + MINUTE_MS / 2 },
    isProven: true,
  };

  it("who holds the lease is, with half a minute for clocks that differ", () => {
    assert.match(vsoAtWork(lease(NOW), NOW) ?? "", /"pod_1" holds the lease/);
    assert.ok(vsoAtWork(lease(NOW - 44 * SECOND_MS), NOW));
    assert.equal(vsoAtWork(lease(NOW - 45 * SECOND_MS), NOW), undefined);
    assert.equal(vsoAtWork(lease(NOW, ""), NOW), undefined);
    assert.equal(vsoAtWork(undefined, NOW), undefined);
  });

  it("a lease of years, or from the future, is not believed for years", () => {
    assert.equal(vsoAtWork(lease(FAR), NOW), undefined);
    assert.ok(vsoAtWork(lease(NOW, "pod_1", 2 ** 31), NOW + 5 * MINUTE_MS));
    assert.equal(vsoAtWork(lease(NOW, "pod_1", 2 ** 31), NOW + 6 * MINUTE_MS), undefined);
    assert.equal(hasLetGo(lease(FAR, ""), NOW, NOW), false);
  });

  it("who wrote before the lease was given back, or ran out, wrote no more", () => {
    assert.equal(hasLetGo(lease(NOW, ""), write.at, NOW), true);
    assert.equal(hasLetGo(lease(write.at - SECOND_MS, ""), write.at, NOW), false);
    assert.equal(hasLetGo(lease(NOW - 60 * SECOND_MS), NOW - 50 * SECOND_MS, NOW), true);
    assert.equal(hasLetGo(lease(NOW - 60 * SECOND_MS), NOW - 40 * SECOND_MS, NOW), false);
    assert.equal(hasLetGo(undefined, write.at, NOW), false);
  });

  it("a second write is another one, or the same one later", () => {
    assert.equal(isSecond(write, write), false);
    assert.equal(isSecond(write, { ...write, at: write.at + SECOND_MS }), true);
    assert.equal(isSecond(write, { ...write, name: "VaultStaticSecret/other" }), true);
  });

  it("what was stored holds for its namespace, until its end, and no end is believed that could not be", () => {
    const longest = NOW + 15 * MINUTE_MS + 30 * SECOND_MS;
    const last = { ...write, until: longest };
    const vsoIn = { shop: write, pay: { ...write, until: FAR }, last, late: { ...write, until: longest + 1 } };
    assert.equal(writtenIn({ vsoIn }, "last", NOW), last);
    assert.equal(writtenIn({ vsoIn }, "late", NOW), undefined);
    assert.equal(writtenIn({ vsoIn }, "shop", NOW), write);
    assert.equal(writtenIn({ vsoIn }, "shop", write.until), undefined);
    assert.equal(writtenIn({ vsoIn }, "pay", NOW), undefined);
    assert.equal(writtenIn({ vsoIn }, "toString", NOW), undefined);
    assert.equal(writtenIn({}, "shop", NOW), undefined);
  });

  it("fleet.yaml names the namespaces in which both may work", () => {
    assert.equal(worksBesideVso({}, "shop"), false);
    assert.equal(worksBesideVso({ besideVso: ["shop-*", "pay"] }, "pay"), true);
    assert.equal(worksBesideVso({ besideVso: ["shop-*", "pay"] }, "shop"), false);
    assert.equal(worksBesideVso({ besideVso: ["*"] }, "shop"), true);
  });

  it("the message says what was seen, where it stands, and what to do", () => {
    const { code, circuit, message } = suspended(aCluster(), "someone holds it");
    assert.deepEqual([code, circuit], ["OTHER_CONTROLLER", "vso:east"]);
    assert.match(
      message,
      /in cluster east: someone holds it \(Lease vso\/b0d477c0\.hashicorp\.com\)\. .*scale.*besideVso/,
    );
    const one = suspendedIn(aCluster(), "shop", "a write");
    assert.deepEqual([one.code, one.circuit], ["OTHER_CONTROLLER", "vso:east/shop"]);
    assert.match(one.message, /in namespace shop of cluster east: a write, .*besideVso/);
  });
});
