import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { FleetVault } from "../../../lib/ports/fleet-vault.ts";
import { EMPTY_STATE, type Pushed, type Row } from "../../../lib/ports/rows.ts";
import {
  MAX_PATHS,
  takenUnderOtherName,
  toClaim,
  underClaimedNames,
  underPresentNames,
  withNamesOf,
} from "../../../lib/reconcile/present-names.ts";
import { aKey, aPushed, aRow } from "../../builders.ts";

const ADDRESS = "https://vault.test:8200";
const VAULTS: readonly FleetVault[] = [{ name: "main", addresses: ["https://new.test", ADDRESS], identities: [] }];

function aRowWith(...pushed: readonly Pushed[]): Row {
  return aRow({ state: { ...EMPTY_STATE, pushed } });
}

function atAddress(name = "db", overrides: Partial<Pushed> = {}): Pushed {
  return aPushed(name, { ...overrides, vault: ADDRESS });
}

function seen(...pushed: readonly Pushed[]): readonly Pushed[] | undefined {
  return underPresentNames(aRowWith(...pushed), VAULTS).state.pushed;
}

describe("the paths of a row under the present names of their Vaults", () => {
  it("are as they were where no name changed, and where the former one is not an address of a Vault", () => {
    for (const row of [aRow(), aRowWith(aPushed()), aRowWith(aPushed("db", { vault: "former" }))]) {
      assert.equal(underPresentNames(row, VAULTS), row);
      assert.equal(underPresentNames(row, undefined), row);
      assert.equal(withNamesOf(row, row, VAULTS), row);
      assert.equal(underClaimedNames(row.state, row.state, VAULTS), row.state);
    }
  });

  it("are each there once, by what was written last", () => {
    const [old, now] = [
      { digest: "old", version: 1 },
      { digest: "new", version: 2 },
    ];
    assert.deepEqual(seen(atAddress("db", old), aPushed("more")), [aPushed("db", old), aPushed("more")]);
    assert.deepEqual(seen(atAddress("db", old), aPushed()), [aPushed("db", old)]);
    assert.deepEqual(seen(aPushed(), atAddress("db", { writing: "w" })), [aPushed("db", { writing: "w" })]);
    assert.deepEqual(seen(aPushed("db", now), atAddress("db", old)), [aPushed("db", now)]);
    assert.deepEqual(seen(atAddress("db", old), aPushed("db", now)), [aPushed("db", now)]);
  });

  it("are stored under the present name only if that is claimed", () => {
    const claimed = aRowWith(atAddress("a"), atAddress("b"), aPushed("b"));
    const { state } = aRowWith(aPushed("a", { version: 1 }), aPushed("b", { version: 2 }), aPushed("c"));
    assert.deepEqual(underClaimedNames(state, claimed.state, VAULTS).pushed, [
      atAddress("a", { version: 1 }),
      aPushed("b", { version: 2 }),
      aPushed("c"),
    ]);
  });

  it("are claimed with new ones, as many as one claim may take", () => {
    const names = Array.from({ length: 60 }, (_, n) => `path-${n}`);
    const read = aRowWith(...names.map((name) => atAddress(name)));
    const paths = [...names, "new"].map((name) => aPushed(name));
    const taken = toClaim(underPresentNames(read, VAULTS), read, paths);
    assert.deepEqual([taken[0], taken[1], taken.length], [aPushed("new"), aPushed("path-0"), MAX_PATHS - 60]);
    const full = aRowWith(...Array.from({ length: MAX_PATHS }, (_, n) => atAddress(`${n}`)));
    assert.deepEqual(toClaim(underPresentNames(full, VAULTS), full, [aPushed("0")]), []);
  });

  it("belong to a row that has them under another name, and not to one that the index alone still has", async () => {
    const [key, other] = [aKey("own"), aKey("other")];
    const holder = { ...aRow({ key: other }), state: { ...EMPTY_STATE, pushed: [atAddress()] } };
    const taken = { taken: { vault: ADDRESS, path: "kv/db", role: "push" }, by: other };
    const askedOf = async (keys: readonly (typeof key)[], rows: readonly Row[]) => {
      const leases = {
        byPlace: async (vault: string) => ({
          items: vault === ADDRESS ? keys.map((one) => ({ key: one, path: "kv/db", role: "push" as const })) : [],
        }),
        read: async () => new Map(rows.map((row) => [row.key, row])),
      };
      return takenUnderOtherName(leases, key, [aPushed()], VAULTS);
    };
    assert.deepEqual(await askedOf([other], [holder]), taken);
    assert.equal(await askedOf([other], [{ ...holder, state: EMPTY_STATE }]), undefined);
    assert.equal(await askedOf([key], []), undefined);
    assert.equal(await askedOf([], []), undefined);
  });
});
