import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { ErrorCode } from "../../../lib/errors.ts";
import type { KubeCall } from "../../../lib/kubernetes/kube-call.ts";
import { connectionFailure, refusalOf } from "../../../lib/kubernetes/kube-errors.ts";
import { failureOf } from "../../../lib/kubernetes/kube-failure.ts";
import { SECRET, VAULT_STATIC_SECRET } from "../../../lib/resource-kinds.ts";

const PLACE = { cluster: "prod-eu", namespace: "pay", name: "db" };
const SECRET_WRITE: KubeCall = { ...PLACE, verb: "patch", kind: SECRET };
const SECRET_READ: KubeCall = { ...PLACE, verb: "get", kind: SECRET };
const STATUS_WRITE: KubeCall = { ...PLACE, verb: "patch", kind: VAULT_STATIC_SECRET, subresource: "status" };

const VALUE = "s3cr3t";
const cause = (field: string, reason: string) => ({ field, reason, message: `Invalid value: ${VALUE}` });

interface Case {
  readonly what: string;
  readonly http: number;
  readonly call?: KubeCall;
  /** Missing: not a Status. */
  readonly status?: { readonly reason?: string; readonly details?: object; readonly message?: string };
  readonly code: ErrorCode;
}

const invalid = (...causes: object[]) => ({ reason: "Invalid", details: { kind: "Secret", name: "db", causes } });

const CASES: readonly Case[] = [
  { what: "a login that is refused", http: 401, status: { reason: "Unauthorized" }, code: "KUBE_LOGIN_REFUSED" },
  { what: "a page from a load balancer", http: 503, code: "KUBE_UNREACHABLE" },
  { what: "an API server without etcd", http: 503, status: { reason: "ServiceUnavailable" }, code: "KUBE_FAILED" },
  { what: "too many requests", http: 429, status: { reason: "TooManyRequests" }, code: "KUBE_THROTTLED" },
  {
    what: "a body that is too large",
    http: 413,
    status: { reason: "RequestEntityTooLarge" },
    code: "SECRET_TOO_LARGE",
  },
  { what: "a body that is too large, in front", http: 413, code: "SECRET_TOO_LARGE" },
  { what: "a status that is too large", http: 413, call: STATUS_WRITE, code: "KUBE_REJECTED" },
  {
    what: "data over the limit",
    http: 422,
    status: invalid(cause("data", "FieldValueTooLong")),
    code: "SECRET_TOO_LARGE",
  },
  {
    what: "immutable data",
    http: 422,
    status: invalid(cause("data", "FieldValueForbidden")),
    code: "SECRET_IMMUTABLE",
  },
  {
    what: "immutable data and another type",
    http: 422,
    status: invalid(cause("type", "FieldValueInvalid"), cause("data", "FieldValueForbidden")),
    code: "SECRET_IMMUTABLE",
  },
  { what: "another type", http: 422, status: invalid(cause("type", "FieldValueInvalid")), code: "SECRET_TYPE_DIFFERS" },
  {
    what: "another type that needs other keys",
    http: 422,
    status: invalid(cause("type", "FieldValueInvalid"), cause("data[tls.crt]", "FieldValueRequired")),
    code: "SECRET_REFUSED",
  },
  {
    what: "a missing key",
    http: 422,
    status: invalid(cause("data[tls.crt]", "FieldValueRequired")),
    code: "SECRET_REFUSED",
  },
  {
    what: "a bad label",
    http: 422,
    status: invalid(cause("metadata.labels", "FieldValueInvalid")),
    code: "SECRET_REFUSED",
  },
  {
    what: "another uid",
    http: 422,
    status: invalid(cause("metadata.uid", "FieldValueInvalid")),
    code: "KUBE_CONFLICT",
  },
  {
    what: "a failed test of a JSON patch",
    http: 422,
    status: { reason: "Invalid", details: {} },
    code: "KUBE_CONFLICT",
  },
  {
    what: "a policy of which nothing is known",
    http: 422,
    status: { reason: "Invalid", details: { kind: "secrets", causes: [{ message: VALUE }] } },
    code: "KUBE_REJECTED",
  },
  {
    what: "a status without a field",
    http: 422,
    call: STATUS_WRITE,
    status: {
      reason: "Invalid",
      details: { kind: "VaultStaticSecret", causes: [cause("status.a", "FieldValueRequired")] },
    },
    code: "KUBE_REJECTED",
  },
  {
    what: "no namespace",
    http: 404,
    status: { reason: "NotFound", details: { kind: "namespaces" } },
    code: "NAMESPACE_MISSING",
  },
  {
    what: "no Secret to write",
    http: 404,
    status: { reason: "NotFound", details: { kind: "secrets" } },
    code: "SECRET_MISSING",
  },
  {
    what: "no Secret to read",
    http: 404,
    call: SECRET_READ,
    status: { reason: "NotFound", details: { kind: "secrets" } },
    code: "REFERENCE_MISSING",
  },
  {
    what: "no such kind",
    http: 404,
    call: STATUS_WRITE,
    status: { reason: "NotFound", details: {} },
    code: "KUBE_REJECTED",
  },
  {
    what: "a namespace on its way out",
    http: 403,
    status: { reason: "Forbidden", details: { kind: "secrets", causes: [cause("", "NamespaceTerminating")] } },
    code: "NAMESPACE_TERMINATING",
  },
  {
    what: "a quota",
    http: 403,
    status: {
      reason: "Forbidden",
      details: { kind: "secrets", name: "db" },
      message: 'secrets "db" is forbidden: exceeded quota: q, requested: count/secrets=1',
    },
    code: "QUOTA_EXCEEDED",
  },
  { what: "a role", http: 403, status: { reason: "Forbidden", details: { kind: "secrets" } }, code: "KUBE_DENIED" },
  { what: "a refusal without details", http: 403, status: { reason: "Forbidden" }, code: "KUBE_REJECTED" },
  {
    what: "a conflict",
    http: 409,
    status: { reason: "Conflict", details: { kind: "secrets" } },
    code: "KUBE_CONFLICT",
  },
  { what: "a name that is taken", http: 409, status: { reason: "AlreadyExists" }, code: "KUBE_CONFLICT" },
  { what: "our malformed body", http: 500, status: {}, code: "REQUEST_MALFORMED" },
  { what: "our malformed status", http: 500, call: STATUS_WRITE, status: {}, code: "KUBE_REJECTED" },
  { what: "a failure with a reason", http: 500, status: { reason: "InternalError" }, code: "KUBE_FAILED" },
  {
    what: "a cursor from the future",
    http: 504,
    status: { reason: "Timeout", details: { causes: [cause("", "ResourceVersionTooLarge")], retryAfterSeconds: 1 } },
    code: "KUBE_FAILED",
  },
  { what: "a page of someone else", http: 404, code: "KUBE_ANSWER_INVALID" },
];

describe("refusals of an API server", () => {
  for (const { what, http, call = SECRET_WRITE, status, code } of CASES) {
    it(`kubernetes-rules 13, 14: ${what} is ${code}, and no message is repeated`, () => {
      const message = `the server says ${VALUE}`;
      const body = status ? { kind: "Status", message, ...status } : `<html>${VALUE}</html>`;
      const error = refusalOf(call, failureOf(http, body));
      assert.equal(error.code, code);
      assert.ok(!JSON.stringify([error.message, error.stack, error.cause ?? ""]).includes(VALUE));
      assert.ok(error.message.includes("prod-eu"));
    });
  }

  it("only an unreachable cluster opens its circuit (lease-table 16)", () => {
    assert.equal(refusalOf(SECRET_WRITE, failureOf(502, "")).circuit, "cluster:prod-eu");
    assert.equal(
      refusalOf(SECRET_WRITE, failureOf(500, { kind: "Status", reason: "InternalError" })).circuit,
      undefined,
    );
  });

  it("keeps the pause that was asked for, in ms", () => {
    const status = { kind: "Status", details: { retryAfterSeconds: 2 } };
    assert.equal(refusalOf(SECRET_WRITE, failureOf(429, status, 7_000)).retryAfterMs, 2_000);
    assert.equal(refusalOf(SECRET_WRITE, failureOf(429, "slow down", 7_000)).retryAfterMs, 7_000);
    assert.equal(refusalOf(SECRET_WRITE, failureOf(429, "slow down")).retryAfterMs, undefined);
  });
});

describe("connections that fail", () => {
  const coded = (code: string, cause?: unknown) => Object.assign(new Error("x", { cause }), { code });

  it("names TLS, nonsense and everything else apart", () => {
    const codeOf = (error: unknown) => (connectionFailure("prod-eu", error) as { code: unknown }).code;
    for (const code of ["SELF_SIGNED_CERT_IN_CHAIN", "CERT_HAS_EXPIRED", "ERR_TLS_CERT_ALTNAME_INVALID", "EPROTO"]) {
      assert.equal(codeOf(coded(code)), "KUBE_TLS_REFUSED");
    }
    assert.equal(codeOf(coded("HPE_INVALID_CONSTANT")), "KUBE_ANSWER_INVALID");
    assert.equal(codeOf(new Error("x", { cause: coded("ECONNREFUSED") })), "KUBE_UNREACHABLE");
  });

  it("lets a bug be a bug", () => {
    const bug = new TypeError("undefined is not a function");
    assert.equal(connectionFailure("prod-eu", bug), bug);
  });
});
