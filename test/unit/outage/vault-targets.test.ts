import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type SyncKey, syncKey } from "../../../lib/keys.ts";
import { vaultTargets } from "../../../lib/outage/vault-targets.ts";

const CIRCUIT = "vault:https://vault.test";

/** The rows that are read to find the ways to a Vault, of these that wait for it. */
async function read(waiting: readonly SyncKey[], rotation: number): Promise<readonly SyncKey[]> {
  const asked: SyncKey[] = [];
  const deps = {
    leases: {
      byReference: async () => ({ items: waiting }),
      clusters: async () => [],
      async read(keys: readonly SyncKey[]) {
        asked.push(...keys);
        return new Map();
      },
    },
    fleet: () => undefined,
  } as unknown as Parameters<typeof vaultTargets>[0];
  assert.deepEqual(await vaultTargets(deps, CIRCUIT, rotation), []);
  return asked;
}

/** Syncs that wait for the Vault, by namespace and name. */
const waiting = (namespaces: number, each: (at: number) => number): readonly SyncKey[] =>
  Array.from({ length: namespaces }, (_, at) =>
    Array.from({ length: each(at) }, (_, n) =>
      syncKey({ cluster: "east", kind: "VaultStaticSecret", namespace: `ns-${at}`, name: `s-${n}` }),
    ),
  ).flat();

const namespaceOf = (key: SyncKey) => key.split("/")[2];

describe("the ways to a Vault that is away", () => {
  it("are found by one row of each namespace first, wherever the rotation begins", async () => {
    // The first namespace could fill all places.
    const keys = waiting(20, (at) => (at === 0 ? 500 : 1));
    for (const rotation of [0, 1, 7, 19, 20, 1_000]) {
      const asked = await read(keys, rotation);
      assert.equal(asked.length, 32);
      assert.equal(new Set(asked).size, 32, "no row twice");
      assert.equal(new Set(asked.slice(0, 20).map(namespaceOf)).size, 20, `rotation ${rotation}`);
    }
  });

  it("are found by other rows and namespaces with another rotation", async () => {
    const keys = waiting(40, () => 2);
    const [first, second] = [await read(keys, 0), await read(keys, 9)];
    assert.deepEqual(
      [first[0], second[0]].map(String).map((key) => key.split("/").slice(2).join("/")),
      ["ns-0/s-0", "ns-9/s-1"],
    );
    assert.equal(new Set([...first, ...second].map(namespaceOf)).size, 40);
  });

  it("are none where nothing waits", async () => {
    assert.deepEqual(await read([], 3), []);
  });
});
