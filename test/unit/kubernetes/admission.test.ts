import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { ErrorCode } from "../../../lib/errors.ts";
import type { KubeCall } from "../../../lib/kubernetes/kube-call.ts";
import { refusalOf } from "../../../lib/kubernetes/kube-errors.ts";
import { failureOf, isAbsent, isExpired, isUnknownKind } from "../../../lib/kubernetes/kube-failure.ts";
import { SECRET } from "../../../lib/resource-kinds.ts";

const CALL: KubeCall = { cluster: "prod-eu", namespace: "pay", name: "db", verb: "patch", kind: SECRET };
const VALUE = "s3cr3t";

const webhook = (name: string, more: object = {}) => ({
  kind: "Status",
  message: `admission webhook "${name}" denied the request: ${VALUE}`,
  ...more,
});
const cause = (message: string, more: object = {}) => ({
  kind: "Status",
  reason: "Invalid",
  details: { kind: "secrets", causes: [{ message, ...more }] },
});
const refusal = (http: number, body: unknown) => refusalOf(CALL, failureOf(http, body, 7_000));
const says = (http: number, body: unknown, code: ErrorCode, name?: string): void => {
  const { code: given, message, retryAfterMs } = refusal(http, body);
  assert.equal(given, code, message);
  if (name !== undefined) assert.ok(message.includes(name), message);
  assert.ok(!message.includes(VALUE), message);
  if (code.startsWith("ADMISSION_")) assert.equal(retryAfterMs, undefined);
};

describe("who is asked for admission", () => {
  it("may choose any code, reason and details, and is known by the API server's own words", () => {
    const details = {
      kind: "secrets",
      retryAfterSeconds: 9,
      causes: [{ field: VALUE, reason: VALUE, message: VALUE }],
    };
    for (const http of [400, 401, 403, 404, 409, 410, 413, 422, 429, 500, 503, 504]) {
      const body = webhook("team.example.com", { reason: VALUE, details });
      says(http, body, "ADMISSION_DENIED", "the admission webhook team.example.com denies");
      const failure = failureOf(http, body);
      assert.deepEqual(
        [isAbsent(failure, "secrets"), isUnknownKind(failure), isExpired(failure)],
        [false, false, false],
      );
    }
  });

  it("is a policy by the cause that the API server adds", () => {
    for (const message of [
      `ValidatingAdmissionPolicy 'no-plain' with binding 'all' denied request: ${VALUE}`,
      `ValidatingAdmissionPolicy 'no-plain' denied request: ${VALUE}`,
      `policy 'no-plain' with binding 'all' denied request: ${VALUE}`,
      `policy "no-plain" denied request: ${VALUE}`,
    ]) {
      for (const http of [401, 403, 413, 422])
        says(http, cause(message), "ADMISSION_DENIED", "the admission policy no-plain denies");
    }
  });

  it("may be out of reach, or out of dry runs", () => {
    says(
      500,
      cause(`failed calling webhook "a.example.com": failed to call webhook: ${VALUE}`),
      "ADMISSION_FAILED",
      "a.example.com",
    );
    says(500, cause('failed calling webhook "a.example.com"; no further details available'), "ADMISSION_FAILED");
    const message = 'admission webhook "a.example.com" does not support dry run';
    says(400, { kind: "Status", reason: "BadRequest", message }, "ADMISSION_DENIED", "dry runs");
  });

  it("is not named by what is no name", () => {
    for (const name of [VALUE.toUpperCase(), `x ${VALUE}`, "a\u001b]0;x", "-", ""]) {
      const { message } = refusal(400, webhook(name));
      assert.ok(!message.includes(VALUE) && !message.includes("\u001b"), message);
    }
    says(400, webhook(`X-${VALUE}`), "ADMISSION_DENIED", "an admission webhook without a readable name");
    says(400, webhook("a".repeat(254)), "KUBE_REJECTED");
  });

  it("is nobody where such words stand in what others wrote", () => {
    says(
      422,
      cause(`Invalid value: "ValidatingAdmissionPolicy 'p' denied request: "`, { field: "data[a]" }),
      "SECRET_REFUSED",
    );
    says(
      422,
      cause("ValidatingAdmissionPolicy 'p' denied request: x", { field: "data[a]", reason: "FieldValueInvalid" }),
      "SECRET_REFUSED",
    );
    says(409, { kind: "Status", message: `Conflict: admission webhook "a" denied the request: x` }, "KUBE_CONFLICT");
    says(500, `admission webhook "a" denied the request: x`, "KUBE_FAILED");
  });
});
