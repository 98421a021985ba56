import assert from "node:assert/strict";
import { it } from "node:test";
import { HANDED_OVER, isLeftToVso, TO_VSO } from "../../../lib/origins/handed-over.ts";

it("what is handed over is left to Vault Secrets Operator, except pushes, which it does not know", () => {
  const handedOver = { [HANDED_OVER]: TO_VSO };
  for (const kind of ["VaultStaticSecret", "VaultDynamicSecret", "VaultPKISecret"]) {
    assert.equal(isLeftToVso(kind, handedOver), true, kind);
    assert.equal(isLeftToVso(kind, {}), false, kind);
  }
  for (const kind of ["VaultPushSecret", "Deployment", "Secret"])
    assert.equal(isLeftToVso(kind, handedOver), false, kind);
});
