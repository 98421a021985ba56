import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { cleanupKey, type SyncKey } from "../../../lib/keys.ts";
import type { Row, RowError, RowState } from "../../../lib/ports/rows.ts";
import { cameBack } from "../../../lib/reconcile/came-back.ts";
import { aKey, aPushed, aRow } from "../../builders.ts";

const KEY = aKey();
const PUSHED = [aPushed("db", { digest: "d" })];
const TAKEN: RowError = { code: "PATH_TAKEN", message: "m", since: 1 };

/** Where the paths of a clean-up are, when its declaration has this row now. */
async function found(successor: Partial<RowState> | undefined, key: SyncKey = cleanupKey(KEY, "uid"), pushed = PUSHED) {
  const left = aRow({ key, state: { ...aRow().state, pushed } });
  const rows = new Map<SyncKey, Row>([[left.key, left]]);
  if (successor !== undefined) rows.set(KEY, aRow({ key: KEY, state: { ...aRow().state, ...successor } }));
  const read = async (keys: readonly SyncKey[], consistency: string) => {
    assert.equal(consistency, "strong");
    return new Map([...rows].filter(([of]) => keys.includes(of)));
  };
  return cameBack({ leases: { read } }, left);
}

describe("lease-table 31: the paths of a clean-up whose declaration came back", () => {
  const APPLIED = { appliedHash: aRow().declared.hash };
  for (const [what, successor, expected] of [
    ["that was not seen again yet", undefined, "unknown"],
    ["that was not applied yet, and may push to the same path", { appliedHash: "former" }, "unknown"],
    ["that fails, and may push to the same path", { error: { ...TAKEN, code: "VAULT_DENIED" } }, "unknown"],
    ["that was applied", APPLIED, "elsewhere"],
    ["that waits until they are free", { error: TAKEN }, "elsewhere"],
  ] as const)
    it(`${what}: ${expected}`, async () => assert.equal(await found(successor), expected));

  it("are the declaration's own where nothing of a clean-up is left, or it is none", async () => {
    assert.equal(await found(APPLIED, KEY), "here");
    assert.equal(await found(APPLIED, cleanupKey(KEY, "uid"), []), "here");
  });
});
