import assert from "node:assert/strict";
import { it } from "node:test";
import { SyncError } from "../../../lib/errors.ts";
import { circuits } from "../../../lib/outage/circuit.ts";
import type { Circuit } from "../../../lib/ports/store.ts";
import { probesOverdue } from "../../../lib/schedule/passes-due.ts";
import { simulatedSqliteStore } from "../../../lib/store/sqlite/sqlite-store.ts";

const NOW = Date.UTC(2030, 0, 1);
const OPEN: Circuit = {
  ...{ id: "cluster:east", code: "KUBE_UNREACHABLE", message: "", since: NOW },
  ...{ attempts: 1, fence: 1, probeAt: NOW },
};

it("open circuits are read once for all who ask, and again by the next one after they could not be read", async () => {
  let reads = 0;
  const leases = {
    async circuits() {
      reads++;
      if (reads === 1) throw new SyncError("STORE_UNAVAILABLE", "the lease table does not answer");
      return [OPEN];
    },
  };
  const deps = { leases, clock: () => NOW } as unknown as Parameters<typeof circuits>[0];
  const { openAmong } = circuits(deps, {} as Parameters<typeof circuits>[1]);
  await assert.rejects(openAmong([OPEN.id]), { code: "STORE_UNAVAILABLE" });
  assert.deepEqual([await openAmong([OPEN.id]), await openAmong(["cluster:west"])], [OPEN, undefined]);
  assert.equal(reads, 2);
});

it("a circuit that opened while the clock was hours ahead is probed once the clock is right, by a message too", async () => {
  for (const isByMessage of [false, true]) {
    await using leases = simulatedSqliteStore(undefined);
    let now = NOW + 3 * 3_600_000;
    const line = () => undefined;
    const deps = {
      ...{ leases, clock: () => now, random: () => 0.5, queue: { send: async () => undefined } },
      ...{ fleet: () => undefined, metrics: { count: line }, log: { debug: line, info: line, warn: line } },
    } as unknown as Parameters<typeof circuits>[0];
    const all = circuits(deps, {} as Parameters<typeof circuits>[1]);
    await all.open(new SyncError("KUBE_UNREACHABLE", "no network", { circuit: OPEN.id }));
    const signal = new AbortController().signal;
    const probed = () => (isByMessage ? all.probe(OPEN.id, signal) : all.probeDue(signal));
    await probed();
    assert.equal((await leases.circuits()).length, 1, "by the clock that is ahead it is not due");
    now = NOW;
    assert.equal(probesOverdue(await leases.circuits(), now).length, 1);
    await probed();
    assert.deepEqual(await leases.circuits(), [], "its cluster left the fleet");
  }
});
