import assert from "node:assert/strict";
import { it } from "node:test";
import { KINDS } from "../../../lib/kinds/registry.ts";
import { SYNC_KINDS } from "../../../lib/resource-kinds.ts";

it("every kind of sync that is discovered is known", () => {
  for (const { kind } of SYNC_KINDS) assert.equal(KINDS.of(kind)?.ref.kind, kind);
  assert.equal(KINDS.of("VaultAuth"), undefined);
});
