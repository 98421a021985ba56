import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { clusterOrigin, declaringResource } from "../../../lib/origins/cluster.ts";
import type { SeenResource } from "../../../lib/ports/resources.ts";
import { VAULT_STATIC_SECRET } from "../../../lib/resource-kinds.ts";
import { aRow } from "../../builders.ts";
import { aSeen } from "../discovery/a-seen.ts";

const { signal } = new AbortController();
const ROW = aRow();
const { uid } = ROW.declared;

/** The origin of a row while its cluster shows this resource. */
function originWith(found: SeenResource | undefined) {
  const resources = { get: async () => found } as unknown as Parameters<typeof clusterOrigin>[0]["resources"];
  return clusterOrigin({ resources, clock: () => 0 }, ROW);
}

describe("the declaration of a row in its cluster", () => {
  it("is there, gone, or leaves its Secrets to nobody", async () => {
    for (const [found, standing] of [
      [aSeen({ uid }), "declared"],
      [undefined, "gone"],
      [aSeen({ uid: "next" }), "gone"],
      [aSeen({ uid, deleting: true }), "gone"],
      [aSeen({ uid, deleting: true, finalizers: ["foregroundDeletion"] }), "gone"],
      [aSeen({ uid, deleting: true, finalizers: ["mine", "orphan"] }), "releasing"],
      [aSeen({ uid, finalizers: ["orphan"] }), "declared"],
    ] as const) {
      const origin = originWith(found);
      assert.equal(await origin.exists(signal), standing);
      const mustBe = origin.mustBeDeclared(signal);
      if (standing === "declared") await mustBe;
      else await assert.rejects(mustBe, { code: "DECLARATION_GONE" });
    }
  });

  it("is of the kind in its key, or of that which only a registry knows", () => {
    const at = { cluster: "east", namespace: "shop", name: "db" };
    assert.deepEqual(declaringResource(ROW), { ...at, kind: VAULT_STATIC_SECRET });
    const own = { ...VAULT_STATIC_SECRET, kind: "Own" };
    assert.deepEqual(declaringResource(ROW, own), { ...at, kind: own });
    assert.throws(() => declaringResource(aRow({ key: "east/Unknown/shop/db" as typeof ROW.key })), /no kind/);
  });
});
