import assert from "node:assert/strict";
import { it } from "node:test";
import { SyncError } from "../../../lib/errors.ts";
import { syncKey } from "../../../lib/keys.ts";
import { KINDS } from "../../../lib/kinds/registry.ts";
import { SYNC_KINDS } from "../../../lib/resource-kinds.ts";
import { aCluster, aDeclared } from "../../builders.ts";

it("every kind of sync that is discovered is known", () => {
  for (const { kind } of SYNC_KINDS) assert.equal(KINDS.of(kind)?.ref.kind, kind);
  assert.equal(KINDS.of("VaultAuth"), undefined);
});

it("kinds that this version does not carry out are parked, and refer to nothing", () => {
  for (const kind of ["VaultPKISecret"]) {
    const declared = aDeclared({ key: syncKey({ cluster: "east", kind, namespace: "shop", name: "app" }) });
    const resolution = KINDS.of(kind)?.resolve({ declared, cluster: aCluster(), reference: () => undefined });
    const { refs, outcome } = resolution ?? assert.fail(kind);
    assert.deepEqual(refs, []);
    assert.ok(outcome instanceof SyncError && outcome.code === "UNSUPPORTED");
    assert.match(outcome.message, new RegExp(`${kind} is not supported`));
  }
});
