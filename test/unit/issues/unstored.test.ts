import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type ErrorCode, SyncError } from "../../../lib/errors.ts";
import { endIssues } from "../../../lib/issues/end-issues.ts";
import type { Issue } from "../../../lib/ports/issues.ts";
import type { Json } from "../../../lib/util/json.ts";
import { aKey } from "../../builders.ts";
import { leaseless, START } from "./an-issue.ts";
import { anIssuingVault, IDENTITY, ISSUED, WAY } from "./an-issuing-vault.ts";

const KEY = aKey();
const certificate = { serial: "17:0a", mount: "pki" };

/** The end of a certificate that was refused a few times, where Vault answers so to its revocation and to a look. */
async function end(
  revoke: ErrorCode,
  look: ErrorCode | "found" | "bug",
  changed: Partial<Issue> = {},
  way: object = WAY,
) {
  let count = 0;
  const vault = anIssuingVault({
    ask: () => {
      const answer = count++ === 0 ? revoke : look;
      if (answer === "bug") throw new TypeError("bug");
      if (answer === "found") return ISSUED;
      throw new SyncError(answer, "no");
    },
  });
  vault.targets.set("login", { ...way, identity: IDENTITY } as unknown as Json);
  const shared = { state: "ending", endAt: START, shared: true, sealedToken: "", target: "login", tries: 5 } as const;
  const issue = leaseless({ ...shared, certificate, ...changed });
  const [left] = await endIssues(vault.deps, KEY, [issue], [issue], new AbortController().signal);
  return { left, vault };
}

describe("a certificate that Vault does not have", () => {
  it("is told, and forgotten with the next look, after some refusals", async () => {
    const { left, vault } = await end("VAULT_ANSWER_INVALID", "VAULT_PATH_MISSING");
    assert.deepEqual([left?.endBy, left?.endAt], ["none", START + 1_000]);
    assert.match(vault.said.join(), /^certificate-not-stored: Vault does not have it \(no_store/);
    const { request, repeatable } = vault.requests[1] as { readonly request: object; readonly repeatable: boolean };
    assert.deepEqual(request, { namespace: "team", method: "GET", mount: "pki", path: "cert/17:0a" });
    assert.equal(repeatable, true);
    const { namespace: _none, ...way } = WAY;
    const root = await end("VAULT_ANSWER_INVALID", "VAULT_PATH_MISSING", {}, way);
    assert.equal("namespace" in (root.vault.requests[1] as { readonly request: object }).request, false);
  });

  it("is one that Vault may have while it shows it, says nothing of it, or was not asked often", async () => {
    for (const [revoke, look, changed, requests] of [
      ["VAULT_ANSWER_INVALID", "found", {}, 2],
      ["VAULT_ANSWER_INVALID", "VAULT_UNAVAILABLE", {}, 2],
      ["VAULT_DENIED", "VAULT_PATH_MISSING", {}, 1],
      ["VAULT_ANSWER_INVALID", "VAULT_PATH_MISSING", { tries: 4 }, 1],
    ] as const) {
      const { left, vault } = await end(revoke, look, changed);
      assert.deepEqual([left?.endBy, vault.requests.length], [undefined, requests], `${revoke} ${look}`);
      assert.deepEqual(vault.said, [`issue-not-ended: ${revoke}`]);
    }
  });

  it("hides no bug", async () => {
    await assert.rejects(end("VAULT_ANSWER_INVALID", "bug"), TypeError);
  });
});
