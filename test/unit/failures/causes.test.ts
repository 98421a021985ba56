import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { DISPOSITIONS, type ErrorCode, SyncError } from "../../../lib/errors.ts";
import {
  type CausePlace,
  causeOf,
  causesAhead,
  codeOfCause,
  isAhead,
  isShared,
  mendedAhead,
  saysNothing,
} from "../../../lib/failures/causes.ts";
import type { VaultIdentity, VaultRead } from "../../../lib/ports/vault.ts";
import { readId } from "../../../lib/ports/vault-ids.ts";

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
const asks = (asked: VaultRead) => ({ identity: asked.identity, id: readId(asked) });
const place: CausePlace = { cluster: "east", namespace: "shop", asks: asks(read), destination: "db" };
const error = (code: ErrorCode, message = "why") => new SyncError(code, message);
const CODES = Object.keys(DISPOSITIONS) as ErrorCode[];

describe("what a failure waits for", () => {
  const same = (code: ErrorCode, other: Partial<CausePlace>, message?: string) =>
    causeOf(error(code), place) === causeOf(error(code, message), { ...place, ...other });

  it("a path: with the same login, whoever asks for it, into whichever Secret", () => {
    assert.ok(same("VAULT_PATH_MISSING", { destination: "other" }, "other words"));
    assert.ok(!same("VAULT_PATH_MISSING", { asks: asks({ ...read, path: "web" }) }));
    assert.ok(!same("VAULT_PATH_MISSING", { asks: asks({ ...read, version: 2 }) }));
    assert.ok(!same("VAULT_DENIED", { asks: asks({ ...read, identity: { ...identity, id: "another" } }) }));
    assert.notEqual(causeOf(error("VAULT_DENIED"), place), causeOf(error("VAULT_PATH_MISSING"), place));
  });

  it("a login: whatever is read with it, and with this credential", () => {
    assert.ok(same("VAULT_LOGIN_REFUSED", { asks: asks({ ...read, path: "web" }) }));
    const method = { ...identity.method, credential: { ...credential, version: "2" } } as VaultIdentity["method"];
    assert.ok(!same("VAULT_LOGIN_REFUSED", { asks: asks({ ...read, identity: { ...identity, method } }) }));
  });

  it("a connection: as its VaultConnection says, in its own cluster", () => {
    const other = { ...identity, target: { ...identity.target, tlsServerName: "vault" } };
    assert.ok(same("VAULT_TLS_REFUSED", { asks: asks({ ...read, path: "web" }) }));
    assert.ok(!same("VAULT_TLS_REFUSED", { asks: asks({ ...read, identity: other }) }));
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

  /** What is another one's, by what it is about. */
  const OTHERS: Readonly<Record<string, Partial<CausePlace> & { readonly message?: string }>> = {
    target: {
      asks: asks({ ...read, identity: { ...identity, target: { ...identity.target, address: "https://other" } } }),
    },
    login: { asks: asks({ ...read, identity: { ...identity, id: "another" } }) },
    path: { asks: asks({ ...read, path: "web" }) },
    message: { message: "another why" },
    cluster: { cluster: "west" },
    namespace: { namespace: "other" },
    destination: { destination: "other" },
  };
  const TOLD_APART: readonly (readonly [by: readonly string[], codes: readonly ErrorCode[]])[] = [
    [["target", "cluster"], ["VAULT_TLS_REFUSED"]],
    [["login"], ["VAULT_LOGIN_REFUSED", "CLOUD_UNAVAILABLE"]],
    [
      ["login", "path"],
      ["VAULT_DENIED", "VAULT_PATH_MISSING", "VAULT_ANSWER_INVALID", "VAULT_FAILED"],
    ],
    [
      ["message", "cluster"],
      [
        "KUBE_DENIED",
        "KUBE_LOGIN_REFUSED",
        "KUBE_TLS_REFUSED",
        "KUBE_ANSWER_INVALID",
        "NAMESPACE_MISSING",
        "REFERENCE_MISSING",
        "REFERENCE_INVALID",
        "REFERENCE_NOT_ALLOWED",
      ],
    ],
    [["cluster", "namespace"], ["QUOTA_EXCEEDED"]],
    [
      ["cluster", "namespace", "destination"],
      [
        "SECRET_NOT_OURS",
        "SECRET_MISSING",
        "SECRET_IMMUTABLE",
        "SECRET_TERMINATING",
        "SECRET_TYPE_DIFFERS",
        "DESTINATION_UNSETTLED",
      ],
    ],
  ];
  for (const [by, codes] of TOLD_APART) {
    it(`is told apart by ${by.join(", ")} and nothing else: ${codes.join(", ")}`, () => {
      for (const code of codes) {
        assert.ok(causeOf(error(code), place), code);
        const apart = Object.entries(OTHERS).filter(([, { message, ...other }]) => !same(code, other, message));
        assert.deepEqual(
          apart.map(([what]) => what),
          by,
          code,
        );
      }
    });
  }

  it("is known of no other code", () => {
    const known = TOLD_APART.flatMap(([, codes]) => codes);
    assert.deepEqual(
      CODES.filter((code) => causeOf(error(code), place) !== undefined),
      CODES.filter((code) => known.includes(code)),
    );
  });

  it("is unknown as long as nobody knows where it reads, or what it writes", () => {
    const { asks: _asks, destination: _destination, ...unresolved } = place;
    assert.deepEqual(causesAhead(unresolved), []);
    assert.equal(causeOf(error("SECRET_NOT_OURS"), unresolved), undefined);
  });

  it("is the same login only where the identity is the same, and the version of its credential", () => {
    const withCredential = (id: string, version?: string): Partial<CausePlace> => {
      const { version: _version, ...unversioned } = credential;
      const other = version === undefined ? unversioned : { ...unversioned, version };
      const method = { ...identity.method, credential: other } as VaultIdentity["method"];
      return { asks: asks({ ...read, identity: { ...identity, id, method } }) };
    };
    const causeWith = (id: string, version?: string) =>
      causeOf(error("VAULT_LOGIN_REFUSED"), { ...place, ...withCredential(id, version) });
    const causes = [
      causeWith("identity", "1"),
      causeWith("another", "1"),
      causeWith("identity"),
      causeWith("identity", "undefined"),
    ];
    assert.equal(new Set(causes).size, causes.length);
  });

  it("goes on after a failure that says nothing of it", () => {
    assert.deepEqual(
      new Set(CODES.filter(saysNothing)),
      new Set<ErrorCode>([
        "VAULT_UNAVAILABLE",
        "VAULT_SEALED",
        "VAULT_THROTTLED",
        "KUBE_UNREACHABLE",
        "KUBE_THROTTLED",
        "DEADLINE_EXCEEDED",
        "STORE_UNAVAILABLE",
      ]),
    );
  });

  it("says its code, and whether one sync can ask for all", () => {
    for (const code of CODES) {
      const cause = causeOf(error(code), place);
      if (cause === undefined) continue;
      assert.equal(codeOfCause(cause), code);
      assert.equal(isShared(cause), !code.startsWith("SECRET_") && code !== "DESTINATION_UNSETTLED", code);
      assert.equal(isAhead(cause), causesAhead(place).includes(cause), code);
    }
    assert.deepEqual(causesAhead(place).map(codeOfCause), [
      "VAULT_TLS_REFUSED",
      "CLOUD_UNAVAILABLE",
      "VAULT_LOGIN_REFUSED",
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
    const afterRead: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
      "SECRET_REFUSED",
      "SECRET_TOO_LARGE",
      "TRANSFORM_FAILED",
      "QUOTA_EXCEEDED",
      "SECRET_NOT_OURS",
      "SECRET_MISSING",
      "SECRET_IMMUTABLE",
      "SECRET_TERMINATING",
      "SECRET_TYPE_DIFFERS",
      "DESTINATION_UNSETTLED",
    ]);
    for (const code of CODES) {
      const some = code === "VAULT_DENIED" || code === "VAULT_PATH_MISSING" ? ahead.length - 1 : 0;
      assert.equal(mended(code).length, afterRead.has(code) ? ahead.length : some, code);
    }
    assert.ok(mended("VAULT_PATH_MISSING").includes("VAULT_LOGIN_REFUSED"));
    assert.ok(mended("VAULT_PATH_MISSING").includes("VAULT_DENIED"));
    assert.ok(!mended("VAULT_PATH_MISSING").includes("VAULT_PATH_MISSING"));
    assert.ok(!mended("VAULT_DENIED").includes("VAULT_DENIED"));
  });
});
