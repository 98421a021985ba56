import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { nameFindings } from "../../../lib/doctor/vault/names.ts";
import { vaultEvents } from "../../../lib/embedded/vault-events.ts";
import { SyncError } from "../../../lib/errors.ts";
import { warnOfOneVault } from "../../../lib/nudging/same-vault.ts";
import type { ReconcileDeps } from "../../../lib/ports/deps.ts";
import type { FleetVault } from "../../../lib/ports/fleet-vault.ts";
import type { VaultTarget } from "../../../lib/ports/vault.ts";

const forever = new AbortController().signal;
const aVault = (name: string): FleetVault => ({ name, addresses: [`https://${name}`], identities: [], caFile: "ca" });
const VAULTS = ["one", "two", "dead", "sealed", "other"].map(aVault);
const IDS: Readonly<Record<string, string | undefined>> = { one: "same", two: "same", other: "another" };
const ca = {
  resolve: async (target: VaultTarget) => ({ ...target, caPem: target.caOf ?? "" }),
  refused: () => undefined,
};

const idOf = async ({ address, caPem }: VaultTarget): Promise<string | undefined> => {
  const name = address.slice("https://".length);
  assert.equal(caPem, name);
  if (name === "dead") throw new SyncError("VAULT_UNAVAILABLE", "away");
  return IDS[name];
};

describe("names of fleet.yaml that lead to one Vault", () => {
  it("are found by doctor, whatever other Vaults do not answer", async () => {
    const examiner = {
      health: async (target: VaultTarget) => ({
        ...{ version: "1", isSealed: false, isInitialized: true, time: undefined },
        clusterId: await idOf(target),
      }),
    } as unknown as Parameters<typeof nameFindings>[0]["examiner"];
    const found = await nameFindings({ vaults: VAULTS, examiner, ca }, forever);
    assert.deepEqual(
      found.map(({ code, where }) => [code, where]),
      [["VAULT_NAMED_TWICE", "vaults one, two in fleet.yaml"]],
    );
  });

  it("are told in the engine's log, once for each change of the Vaults", async () => {
    const told: unknown[] = [];
    const log = { warn: (event: string, fields: object) => void told.push([event, Object(fields).vaults]) };
    const deps = { vault: { clusterId: idOf }, log } as unknown as ReconcileDeps;
    let vaults = VAULTS;
    const events = vaultEvents(deps, ca, () => vaults);
    await events.checkNames(forever);
    await events.checkNames(forever);
    assert.deepEqual(told, [["vault-named-twice", ["one", "two"]]]);
    vaults = VAULTS.slice(1);
    await events.checkNames(forever);
    assert.equal(told.length, 1);
  });

  it("are told of no failure that a stop causes, and of any other one", async () => {
    const told: string[] = [];
    const log = { error: (event: string) => void told.push(event) } as unknown as ReconcileDeps["log"];
    const vault = { clusterId: async () => assert.fail("ended") } as unknown as ReconcileDeps["vault"];
    await warnOfOneVault({ vault, log }, ca, VAULTS, AbortSignal.abort());
    assert.deepEqual(told, []);
    await warnOfOneVault({ vault, log }, ca, VAULTS, forever);
    assert.deepEqual(told, ["vault-names-check-crashed"]);
  });
});
