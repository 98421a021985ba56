import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { pushVaultRights } from "../../../lib/rights/push-vault.ts";

describe("the policy of pushes", () => {
  it("fills in the placeholders of a mount too", () => {
    const push = {
      paths: ["{cluster}/a/**", "{namespace}/b", "team-{name}/c"],
      conflict: "fail",
      deletion: "version",
    } as const;
    const pathsOf = (namespace: string) =>
      pushVaultRights({ cluster: "east", push, kv1: new Set(["east"]), namespace }).map(({ path }) => path);
    const rest = ["+/data/c", "+/delete/c", "+/metadata/c"];
    assert.deepEqual(pathsOf("+"), ["east/a/*", "+/data/b", "+/delete/b", "+/metadata/b", ...rest]);
    assert.deepEqual(pathsOf("{{ns}}"), ["east/a/*", "{{ns}}/data/b", "{{ns}}/delete/b", "{{ns}}/metadata/b", ...rest]);
  });
});
