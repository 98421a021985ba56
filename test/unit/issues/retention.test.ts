import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { retentionOf } from "../../../lib/issues/retention.ts";
import type { FleetVault } from "../../../lib/ports/fleet-vault.ts";

const HOUR = 3_600_000;
const vault = (address: string, retentionMs?: number) =>
  ({ addresses: [address], ...(retentionMs === undefined ? {} : { retentionMs }) }) as unknown as FleetVault;

describe("leases of what left the fleet", () => {
  const vaults = [
    vault("https://other.example", 1),
    { ...vault("https://vault.example", 2 * HOUR), addresses: ["https://in.example", "https://vault.example"] },
    vault("https://plain.example"),
  ];

  it("are kept as long as fleet.yaml says for their Vault", () => {
    assert.equal(retentionOf("vault:https://vault.example", vaults), 2 * HOUR);
  });

  it("are kept for a day otherwise", () => {
    for (const circuit of ["vault:https://plain.example", "vault:https://unknown.example", "cluster:east", undefined])
      assert.equal(retentionOf(circuit, vaults), 24 * HOUR);
    assert.equal(retentionOf("vault:https://vault.example"), 24 * HOUR);
  });
});
