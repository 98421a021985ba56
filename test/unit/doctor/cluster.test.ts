import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { coversSecrets } from "../../../lib/doctor/cluster/admission.ts";
import { lackingFields } from "../../../lib/doctor/cluster/crds.ts";
import { tokenEnd } from "../../../lib/doctor/cluster/credentials.ts";
import { skewOf } from "../../../lib/doctor/cluster/reach.ts";
import { skewFindings } from "../../../lib/doctor/cluster/versions.ts";
import { serverEnds, timeLeft } from "../../../lib/doctor/server-ends.ts";

const NOW = Date.parse("2026-11-29T08:00:00Z");
const HERE = { cluster: "one", where: "cluster one" };

describe("clocks", () => {
  it("a server's time is compared with the middle of the request", () => {
    assert.equal(skewOf("Sun, 29 Nov 2026 08:01:00 GMT", NOW - 500, NOW + 1_500), 60_000);
    assert.equal(skewOf(undefined, NOW, NOW), undefined);
    assert.equal(skewOf("yesterday", NOW, NOW), undefined);
  });

  it("what all parties tolerate is no finding; minutes are an error", () => {
    assert.deepEqual(skewFindings(HERE, undefined), []);
    assert.deepEqual(skewFindings(HERE, 29_000), []);
    const [ahead] = skewFindings(HERE, 45_000);
    assert.equal(ahead?.severity, "warning");
    assert.match(ahead?.what ?? "", /45 s ahead/);
    const [behind] = skewFindings(HERE, -600_000);
    assert.equal(behind?.severity, "error");
    assert.match(behind?.what ?? "", /600 s behind/);
  });
});

describe("ends", () => {
  it("a certificate is told of in its last week", () => {
    const look = (endsAt: number) => ({ certificates: [{ subject: "CN=api", names: [], endsAt }] });
    assert.deepEqual(serverEnds(look(NOW + 8 * 86_400_000), HERE, NOW), []);
    const [soon] = serverEnds(look(NOW + 3 * 86_400_000), HERE, NOW);
    assert.equal(soon?.code, "CERTIFICATE_ENDS_SOON");
    assert.match(soon?.what ?? "", /CN=api.*in 3 days/);
    // TLS refuses it, which is a finding of its own.
    assert.deepEqual(serverEnds(look(NOW - 1), HERE, NOW), []);
  });

  it("people read times in one unit", () => {
    assert.equal(timeLeft(3 * 86_400_000), "3 days");
    assert.equal(timeLeft(47 * 3_600_000), "47 hours");
    assert.equal(timeLeft(59 * 60_000), "59 minutes");
    assert.equal(timeLeft(-5), "0 minutes");
  });

  it("a token's end and account come from its claims", () => {
    const token = (claims: object) => `h.${Buffer.from(JSON.stringify(claims)).toString("base64url")}.s`;
    assert.deepEqual(tokenEnd(token({ exp: 1_800_000_000, sub: "system:serviceaccount:keyferry:runner" })), {
      what: "token",
      endsAt: 1_800_000_000_000,
      account: "keyferry/runner",
    });
    assert.deepEqual(tokenEnd(token({ exp: 1, sub: "system:serviceaccount:a b:$(id)" })), {
      what: "token",
      endsAt: 1_000,
    });
    assert.equal(tokenEnd(token({ sub: "x" })), undefined);
    assert.equal(tokenEnd("opaque"), undefined);
  });
});

describe("definitions", () => {
  const of = (properties: object) => ({ type: "object", properties });

  it("fields that the API server would drop are named with their paths", () => {
    const ours = of({ a: {}, b: of({ c: {}, d: {} }), list: { items: of({ e: {} }) } });
    const theirs = of({ b: of({ c: {} }), list: { items: of({}) } });
    assert.deepEqual(lackingFields(ours, theirs, "spec"), ["spec.a", "spec.b.d", "spec.list[].e"]);
    assert.deepEqual(lackingFields(ours, ours, "spec"), []);
  });

  it("a schema that keeps unknown fields lacks none", () => {
    assert.deepEqual(lackingFields(of({ a: {} }), { "x-kubernetes-preserve-unknown-fields": true }, "spec"), []);
  });
});

describe("webhooks", () => {
  const rule = { apiGroups: [""], resources: ["secrets"], operations: ["CREATE"] };

  it("those for writes of Secrets count", () => {
    assert.ok(coversSecrets(rule));
    assert.ok(coversSecrets({ apiGroups: ["*"], resources: ["*/*"], operations: ["*"] }));
    assert.ok(!coversSecrets({ ...rule, operations: ["DELETE"] }));
    assert.ok(!coversSecrets({ ...rule, resources: ["pods"] }));
    assert.ok(!coversSecrets({ ...rule, apiGroups: ["apps"] }));
  });
});
