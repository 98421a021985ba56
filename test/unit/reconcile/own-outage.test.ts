import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { circuitOfCluster, circuitOfVault } from "../../../lib/circuits.ts";
import { SyncError } from "../../../lib/errors.ts";
import { ownOutage } from "../../../lib/reconcile/own-outage.ts";

const OWN = circuitOfVault("https://own.test:8200");
const OTHER = circuitOfVault("https://other.test:8200");
const CLUSTER = circuitOfCluster("east");

describe("a row that met an outage", () => {
  it("waits for the end of that of its own Vault or of its cluster, and tries again by itself for another one's", () => {
    for (const [circuit, own, told] of [
      [OWN, OWN, OWN],
      [OTHER, OWN, undefined],
      [OTHER, undefined, undefined],
      [CLUSTER, OWN, CLUSTER],
      [CLUSTER, undefined, CLUSTER],
      [undefined, OWN, undefined],
    ] as const) {
      const cause = new Error("reset");
      const met = new SyncError("VAULT_UNAVAILABLE", "away", { cause, ...(circuit && { circuit }) });
      const error = ownOutage(met, own);
      assert.equal(error.circuit, told, `${circuit} for a row of ${own}`);
      assert.deepEqual([error.code, error.message, error.cause], ["VAULT_UNAVAILABLE", "away", cause]);
    }
  });
});
