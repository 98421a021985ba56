import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
  circuitOfCluster,
  circuitOfVault,
  clusterOfCircuit,
  isOutage,
  placeOfSuspension,
  suspensionOf,
  vaultOfCircuit,
} from "../../lib/circuits.ts";

const CASES = [
  { id: circuitOfVault("https://v:8200"), vault: "https://v:8200" },
  { id: circuitOfVault("https://v:8200//"), vault: "https://v:8200" },
  { id: circuitOfCluster("east"), cluster: "east" },
  { id: suspensionOf("east"), place: { cluster: "east" } },
  { id: suspensionOf("east", "team"), place: { cluster: "east", namespace: "team" } },
] as const;

describe("the id of a circuit", () => {
  for (const { id, ...of } of CASES) {
    it(`says whose it is: ${id}`, () => {
      const found = { vault: vaultOfCircuit(id), cluster: clusterOfCircuit(id), place: placeOfSuspension(id) };
      assert.deepEqual(found, { vault: undefined, cluster: undefined, place: undefined, ...of });
    });
  }

  it("tells an outage from work that is suspended on purpose", () => {
    const outages = CASES.filter(isOutage).map(({ id }) => id);
    assert.deepEqual(outages, ["vault:https://v:8200", "vault:https://v:8200", "cluster:east"]);
  });

  it("is another one for each place", () => {
    assert.equal(new Set(CASES.map(({ id }) => id)).size, CASES.length - 1, "the two of one Vault are the same");
  });
});
