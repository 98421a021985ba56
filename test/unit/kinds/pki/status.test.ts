import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { SyncError } from "../../../../lib/errors.ts";
import { pkiStatus } from "../../../../lib/kinds/pki/status.ts";

const CURRENT = { serial: "0c:5e", expiration: 1_700_003_600_999, issuedAt: 1_700_000_000_500 };

describe("the status of a VaultPKISecret", () => {
  it("names the certificate, in seconds", () => {
    assert.deepEqual(pkiStatus(CURRENT), {
      serialNumber: "0c:5e",
      expiration: 1_700_003_600,
      lastRotation: 1_700_000_000,
      valid: true,
      error: "",
    });
  });

  it("still names it beside an error", () => {
    const status = pkiStatus(CURRENT, new SyncError("VAULT_DENIED", "POST pki/issue/web: allow it"));
    assert.equal(status.serialNumber, "0c:5e");
    assert.equal(status.valid, false);
    assert.equal(status.error, "VAULT_DENIED: POST pki/issue/web: allow it");
  });

  it("says nothing of a certificate that was never issued here", () => {
    assert.deepEqual(pkiStatus(undefined), { valid: true, error: "" });
  });
});
