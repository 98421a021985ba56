import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { DISPOSITIONS, type ErrorCode, SyncError } from "../../../lib/errors.ts";
import {
  type CausePlace,
  causeOf,
  causesAhead,
  codeOfCause,
  isAhead,
  isOfRead,
  isShared,
  mendedAhead,
} from "../../../lib/failures/causes.ts";
import type { VaultIdentity, VaultRead } from "../../../lib/ports/vault.ts";

const credential = {
  kind: "secret",
  cluster: "east",
  namespace: "shop",
  name: "key",
  key: "id",
  version: "1",
} as const;
const identity: VaultIdentity = {
  id: "identity",
  target: { address: "https://vault", connection: "vso/default", headers: {}, skipTlsVerify: false, timeoutMs: 8_000 },
  mount: "approle",
  headers: {},
  method: { kind: "appRole", roleId: "shop", credential },
};
const read: VaultRead = { identity, mount: "kv", path: "db", engine: "kv-v2", version: 0 };
const place: CausePlace = { cluster: "east", namespace: "shop", read, destination: "db" };
const error = (code: ErrorCode, message = "why") => new SyncError(code, message);
const CODES = Object.keys(DISPOSITIONS) as ErrorCode[];

describe("what a failure waits for", () => {
  const same = (code: ErrorCode, other: Partial<CausePlace>, message?: string) =>
    causeOf(error(code), place) === causeOf(error(code, message), { ...place, ...other });

  it("a path: with the same login, whoever asks for it, into whichever Secret", () => {
    assert.ok(same("VAULT_PATH_MISSING", { destination: "other" }, "other words"));
    assert.ok(!same("VAULT_PATH_MISSING", { read: { ...read, path: "web" } }));
    assert.ok(!same("VAULT_PATH_MISSING", { read: { ...read, version: 2 } }));
    assert.ok(!same("VAULT_DENIED", { read: { ...read, identity: { ...identity, id: "another" } } }));
    assert.notEqual(causeOf(error("VAULT_DENIED"), place), causeOf(error("VAULT_PATH_MISSING"), place));
  });

  it("a login: whatever is read with it, and with this credential", () => {
    assert.ok(same("VAULT_LOGIN_REFUSED", { read: { ...read, path: "web" } }));
    const method = { ...identity.method, credential: { ...credential, version: "2" } } as VaultIdentity["method"];
    assert.ok(!same("VAULT_LOGIN_REFUSED", { read: { ...read, identity: { ...identity, method } } }));
  });

  it("a connection: as its VaultConnection says, in its own cluster", () => {
    const other = { ...identity, target: { ...identity.target, tlsServerName: "vault" } };
    assert.ok(same("VAULT_TLS_REFUSED", { read: { ...read, path: "web" } }));
    assert.ok(!same("VAULT_TLS_REFUSED", { read: { ...read, identity: other } }));
    assert.ok(!same("VAULT_TLS_REFUSED", { cluster: "west" }));
  });

  it("what the message names, a namespace, or a Secret", () => {
    assert.ok(same("KUBE_DENIED", { destination: "other" }));
    assert.ok(!same("KUBE_DENIED", {}, "another permission"));
    assert.ok(same("QUOTA_EXCEEDED", { destination: "other" }, "another Secret"));
    assert.ok(!same("QUOTA_EXCEEDED", { namespace: "other" }));
    assert.ok(!same("SECRET_NOT_OURS", { destination: "other" }));
  });

  it("nothing that others wait for, when it is the sync's own data or tells of nothing", () => {
    for (const code of ["SECRET_REFUSED", "TRANSFORM_FAILED", "VAULT_UNAVAILABLE", "SPEC_INVALID"] as const) {
      assert.equal(causeOf(error(code), place), undefined, code);
    }
    assert.equal(causeOf(error("VAULT_DENIED"), { cluster: "east", namespace: "shop" }), undefined);
  });

  it("says its code, and whether one sync can ask for all", () => {
    for (const code of CODES) {
      const cause = causeOf(error(code), place);
      if (cause === undefined) continue;
      assert.equal(codeOfCause(cause), code);
      assert.equal(isShared(cause), !code.startsWith("SECRET_") && code !== "NOT_CONVERGING", code);
      assert.equal(isAhead(cause), causesAhead(place).includes(cause), code);
    }
    assert.deepEqual(causesAhead(place).filter(isOfRead).map(codeOfCause), [
      "VAULT_DENIED",
      "VAULT_PATH_MISSING",
      "VAULT_ANSWER_INVALID",
      "VAULT_FAILED",
    ]);
  });

  it("is mended by whoever gets past it, and by nobody else", () => {
    const ahead = causesAhead(place);
    const mended = (code?: ErrorCode) => mendedAhead(code, ahead).map(codeOfCause);
    assert.deepEqual(mendedAhead(undefined, ahead), ahead);
    assert.deepEqual(mendedAhead("TRANSFORM_FAILED", ahead), ahead);
    assert.ok(mended("VAULT_PATH_MISSING").includes("VAULT_LOGIN_REFUSED"));
    assert.ok(mended("VAULT_PATH_MISSING").includes("VAULT_DENIED"));
    assert.ok(!mended("VAULT_PATH_MISSING").includes("VAULT_PATH_MISSING"));
    for (const code of ["VAULT_LOGIN_REFUSED", "VAULT_UNAVAILABLE", "VAULT_FAILED", "KUBE_DENIED"] as const) {
      assert.deepEqual(mended(code), [], code);
    }
  });
});
