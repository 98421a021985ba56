import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { FoundAuth } from "../../../lib/declarations/find-auth.ts";
import { warningsOfAuth } from "../../../lib/declarations/warnings.ts";

const of = (spec: object) => warningsOfAuth({ spec, subject: "VaultAuth shop/default" } as unknown as FoundAuth);

describe("the warning about a VaultAuth", () => {
  it("is that its service account's token names no audience", () => {
    for (const method of ["kubernetes", "jwt"] as const) {
      const [warned, ...more] = of({ method, [method]: { serviceAccount: "app" } });
      assert.deepEqual([warned?.type, warned?.reason, more], ["AudienceMissing", "NoAudiences", []]);
      assert.match(
        warned?.message ?? "",
        new RegExp(`^VaultAuth shop/default names no audiences.*spec\\.${method}\\.audiences`),
      );
      assert.equal(of({ method, [method]: { serviceAccount: "app", audiences: ["", ""] } }).length, 1);
    }
  });

  it("is none where it does, or where there is no such token", () => {
    for (const spec of [
      { method: "kubernetes", kubernetes: { serviceAccount: "app", audiences: ["", "vault"] } },
      { method: "jwt", jwt: { secretRef: "token" }, kubernetes: { serviceAccount: "app" } },
      { method: "appRole", kubernetes: { serviceAccount: "app" } },
    ])
      assert.deepEqual(of(spec), []);
  });
});
