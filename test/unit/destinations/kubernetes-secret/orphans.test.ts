import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { withOrphans } from "../../../../lib/destinations/kubernetes-secret/orphans.ts";
import type { Work } from "../../../../lib/destinations/kubernetes-secret/state.ts";
import { EMPTY_STATE, type RowState } from "../../../../lib/ports/rows.ts";
import type { Json } from "../../../../lib/util/json.ts";
import { aDeclared, aRow } from "../../../builders.ts";

interface Scene {
  readonly lastGeneration?: Json;
  readonly observe?: "watch" | "apply";
  readonly state?: Partial<RowState>;
}

/** The Secrets that a row owns, in a cluster where its declaration owns `db` and `former`; undefined: nothing was listed. */
async function ownedAfter({ lastGeneration = 3, observe = "watch", state = {} }: Scene) {
  const declared = aDeclared({ seen: { resourceVersion: "1", status: { lastGeneration } } });
  const row = aRow({ declared, state: { ...EMPTY_STATE, owned: [{ name: "db", uid: "u" }], ...state } });
  const asked: unknown[] = [];
  const ownedNames = async (secret: { readonly namespace: string }, uid: string) => {
    asked.push([secret.namespace, uid]);
    return ["db", "former"];
  };
  const work = { secret: { cluster: "east", namespace: "shop", name: "db" }, seen: { row, observe } } as Work;
  const secrets = { ownedNames } as unknown as Parameters<typeof withOrphans>[0]["secrets"];
  const after = await withOrphans({ secrets }, work, new AbortController().signal);
  if (asked.length === 0) {
    assert.equal(after, work);
    return undefined;
  }
  assert.deepEqual(asked, [["shop", declared.uid]]);
  return after.seen.row.state.owned;
}

describe("kubernetes-rules 6: a Secret that another controller left under a former name", () => {
  it("is recorded beside the one that is there, to be pruned", async () => {
    assert.deepEqual(await ownedAfter({}), [{ name: "db", uid: "u" }, { name: "former" }]);
  });

  it("is not looked for once we have written, where no other controller was, and where keyferry may not list", async () => {
    assert.equal(await ownedAfter({ state: { appliedHash: "h" } }), undefined);
    assert.equal(await ownedAfter({ lastGeneration: 0 }), undefined);
    assert.equal(await ownedAfter({ lastGeneration: "3" }), undefined);
    assert.equal(await ownedAfter({ observe: "apply" }), undefined);
  });
});
