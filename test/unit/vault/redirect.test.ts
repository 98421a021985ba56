import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { redirectedTo } from "../../../lib/vault/redirect.ts";

const FROM = "https://standby:8200/v1/kv/data/db?version=3";
const ASKED = {
  ...{ address: "https://standby:8200", circuit: "https://standby:8200", namespace: undefined, path: "kv/data/db" },
  ...({ method: "GET", repeatable: true, purpose: "kv-v2" } as const),
} as const;
const redirected = (location: string | undefined, status = 307, from = FROM) =>
  redirectedTo({ status, text: "", ...(location !== undefined && { location }) }, new URL(from), ASKED)?.href;

describe("a redirect of Vault", () => {
  it("leads from a standby to the same question at the active node", () => {
    const to = "https://active:8200/v1/kv/data/db?version=3";
    assert.equal(redirected(to), to);
    assert.equal(redirected("/v1/kv/data/db?version=3"), FROM);
  });

  it("lacks the prefix that a proxy put before, and may be spelled otherwise", () => {
    const to = "https://active:8200/v1/kv/data/a%62";
    assert.equal(redirected(to, 307, "https://standby/base/v1/kv/data/ab"), to);
    const odd = "https://active:8200/v1/kv/data/%zz";
    assert.equal(redirected(odd, 307, "https://standby/v1/kv/data/%zz"), odd);
  });

  for (const [what, location, where] of [
    ["another scheme", "http://active:8200/v1/kv/data/db?version=3", "to http://active:8200"],
    ["another path", "https://active:8200/v1/kv/data/other?version=3", "to https://active:8200"],
    ["another query", "https://active:8200/v1/kv/data/db?version=4", "to https://active:8200"],
    ["no query", "https://active:8200/v1/kv/data/db", "to https://active:8200"],
    ["a user", "https://user@active:8200/v1/kv/data/db?version=3", "to https://active:8200"],
    ["a password", "https://:password@active:8200/v1/kv/data/db?version=3", "to https://active:8200"],
    ["what is no address", "https://", "nowhere"],
    ["no place", undefined, "nowhere"],
  ] as const) {
    it(`to ${what} is not followed: nothing is asked there`, () => {
      assert.throws(() => redirected(location), {
        code: "VAULT_ANSWER_INVALID",
        outcome: "none",
        message: new RegExp(`GET kv/data/db of https://standby:8200 is redirected ${where} \\(307\\)`),
      });
    });
  }

  it("of another kind than a standby's is not followed", () => {
    const to = "https://active:8200/v1/kv/data/db?version=3";
    for (const status of [301, 302, 303, 308]) {
      assert.throws(() => redirected(to, status), { code: "VAULT_ANSWER_INVALID" }, `${status}`);
    }
  });

  it("is no other answer", () => {
    for (const status of [200, 300, 304, 306, 309, 400, 503])
      assert.equal(redirected("https://active", status), undefined);
  });
});
