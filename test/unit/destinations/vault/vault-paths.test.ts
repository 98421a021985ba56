import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { joinBodies } from "../../../../lib/destinations/vault/bodies.ts";
import { vaultPaths } from "../../../../lib/destinations/vault/vault-paths.ts";
import { digestKey } from "../../../../lib/digest.ts";
import { EMPTY_STATE, type Pushed } from "../../../../lib/ports/rows.ts";
import { aPushed, aRow } from "../../../builders.ts";
import { dataOf, digest, NOW } from "./a-scene.ts";

/** What a run first does for these paths of its row, when it is to push to `db`, from a Secret that may be missing. */
function first(known: readonly Pushed[], { isMissing = false, engine = "kv-v2" as Pushed["engine"] } = {}) {
  const apis = { digestKey: digestKey(Buffer.alloc(32, 1)), pushes: { clock: () => NOW } };
  const pushed = aPushed("db", { engine });
  const at = { mount: "kv", path: "db", engine };
  const resolved = { push: { conflict: "fail" }, declaration: {}, located: [{ name: "", at, pushed }] };
  const about = {
    row: aRow({ state: { ...EMPTY_STATE, pushed: known, appliedHash: aRow().declared.hash } }),
    ...{ resolved, data: joinBodies(new Map(isMissing ? [] : [["", dataOf({ a: "1" })]])) },
  };
  const destination = vaultPaths.toWrite(apis as never, about as never);
  const decision = destination.decide(destination.start) as
    | { readonly kind: string; readonly former?: readonly Pushed[]; readonly steps?: ReadonlyMap<unknown, object> }
    | undefined;
  return decision?.former ?? (decision?.steps === undefined ? undefined : [...decision.steps.values()]);
}

describe("lease-table 31: the paths of a row", () => {
  it("that it does not push to any more are emptied", () => {
    const former = aPushed("former", { digest: "d" });
    assert.deepEqual(first([aPushed("db"), former], { isMissing: true }), [former]);
  });

  it("stay claimed while their Secret is missing, and are emptied if something may have been written", () => {
    assert.equal(first([aPushed("db")], { isMissing: true }), undefined, "nothing is done, and nothing written");
    for (const written of [{ digest: "d" }, { writing: "d" }]) {
      const path = aPushed("db", written);
      assert.deepEqual(first([path], { isMissing: true }), [path], JSON.stringify(written));
    }
  });

  it("are left alone until a write that may still come is over", () => {
    const former = (landsBy: number) => aPushed("former", { writing: "d", landsBy });
    assert.equal(first([former(NOW + 1)], { isMissing: true }), undefined);
    assert.deepEqual(first([former(NOW)], { isMissing: true }), [former(NOW)]);
  });

  it("are looked at again when the clock was set back since they were emptied", () => {
    const path = (wroteAt: number) => aPushed("former", { writing: "d", wroteAt, landsBy: wroteAt + 120_000 });
    assert.equal(first([path(NOW)], { isMissing: true }), undefined);
    assert.deepEqual(first([path(NOW + 1)], { isMissing: true }), [path(NOW + 1)]);
  });

  it("have no version that counts where the mount had another version of kv", () => {
    const known = aPushed("db", { digest: digest({ a: "0" }), version: 3 });
    const because = "a Secret changed";
    assert.deepEqual(first([known]), [{ kind: "put", cas: 3, because }]);
    assert.deepEqual(first([known], { engine: "kv-v1" }), [{ kind: "put", cas: 0, because }]);
    assert.deepEqual(first([{ ...known, engine: "kv-v1" }]), [{ kind: "read" }]);
  });
});
