import assert from "node:assert/strict";
import { it } from "node:test";
import { SyncError } from "../../../lib/errors.ts";
import { circuits } from "../../../lib/outage/circuit.ts";
import type { Circuit } from "../../../lib/ports/store.ts";

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
