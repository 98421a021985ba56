import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { circuitOfCluster } from "../../../lib/circuits.ts";
import { MINUTE_MS, SECOND_MS } from "../../../lib/clock.ts";
import type { Circuit, ClusterRow } from "../../../lib/ports/store.ts";
import { isTokenSweepDue, passesDue, probesOverdue } from "../../../lib/schedule/passes-due.ts";

const NOW = Date.UTC(2030, 0, 1);

function aClusterRow(overrides: Partial<ClusterRow> = {}): ClusterRow {
  return { name: "east", fence: 5, dueAt: NOW - 1, state: { cursors: {}, attempts: 0 }, ...overrides };
}

function aCircuit(overrides: Partial<Circuit> = {}): Circuit {
  return {
    id: circuitOfCluster("east"),
    code: "KUBE_UNREACHABLE",
    message: "silent",
    since: NOW,
    attempts: 1,
    fence: NOW,
    probeAt: NOW + SECOND_MS,
    ...overrides,
  };
}

const due = (rows: readonly ClusterRow[], open: readonly Circuit[] = []) =>
  passesDue({ fleet: ["east"], rows, open, now: NOW });

describe("the sweep of tokens", () => {
  it("is asked for by one of ten ticks, whenever in its minute each of them comes", () => {
    for (const offset of [0, 1, 31_000, 59_999]) {
      const ticks = Array.from({ length: 30 }, (_, minute) => NOW + minute * MINUTE_MS + offset);
      assert.equal(ticks.filter(isTokenSweepDue).length, 3);
    }
  });
});

describe("watch passes that a tick dispatches", () => {
  it("are at clusters that were never looked at, and at those whose time has come", () => {
    assert.deepEqual(due([]), [{ cluster: "east", fence: 0 }]);
    assert.deepEqual(due([aClusterRow()]), [{ cluster: "east", fence: 5 }]);
    assert.deepEqual(due([aClusterRow({ dueAt: NOW + 1 })]), []);
  });

  it("are not for clusters that someone looks at, or that left the fleet", () => {
    assert.deepEqual(due([aClusterRow({ leaseUntil: NOW + 1 })]), []);
    assert.deepEqual(due([aClusterRow(), aClusterRow({ name: "gone" })]), [{ cluster: "east", fence: 5 }]);
  });

  it("lease-table 16: are at once at a cluster whose circuit was closed, not after its back-off", () => {
    const error = { code: "KUBE_UNREACHABLE", message: "silent", since: NOW } as const;
    const failed = aClusterRow({ dueAt: NOW + 300 * SECOND_MS, state: { cursors: {}, attempts: 4, error } });
    assert.deepEqual(due([failed], [aCircuit()]), []);
    assert.deepEqual(due([failed]), [{ cluster: "east", fence: 5 }]);
  });

  it("lease-table 16: go with the probes whose message was lost", () => {
    const late = aCircuit({ probeAt: NOW });
    assert.deepEqual(probesOverdue([late, aCircuit()], NOW), [late]);
  });
});
