import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { mustParseSpec } from "../../../../lib/declarations/parse.ts";
import { SyncError } from "../../../../lib/errors.ts";
import { requestOf, ttlMs } from "../../../../lib/kinds/pki/request.ts";
import type { JsonObject } from "../../../../lib/util/json.ts";

const spec = (fields: JsonObject = {}) =>
  mustParseSpec("VaultPKISecret", { mount: "pki", role: "web", destination: { name: "web" }, ...fields });

describe("a request for a certificate", () => {
  it("sends what VSO sends, empty fields too, but no empty time", () => {
    assert.deepEqual(requestOf(spec()), {
      method: "POST",
      mount: "pki",
      path: "issue/web",
      body: {
        common_name: "",
        alt_names: "",
        ip_sans: "",
        uri_sans: "",
        other_sans: "",
        user_ids: "",
        ttl: "",
        exclude_cn_from_sans: false,
        remove_roots_from_chain: true,
      },
    });
  });

  it("sends every declared field by Vault's name, lists joined by commas", () => {
    const full = spec({
      namespace: "/team/",
      mount: "/pki/",
      role: "web/",
      issuerRef: "inter",
      commonName: "web.example.com",
      altNames: ["a.example.com", "b.example.com"],
      ipSans: ["10.0.0.1", "::1"],
      uriSans: ["spiffe://a", "spiffe://b"],
      otherSans: ["1.2.3;UTF8:a", "1.2.4;UTF8:b"],
      userIDs: ["u1", "u2"],
      notAfter: "2027-01-01T00:00:00Z",
      excludeCNFromSans: true,
      format: "der",
      privateKeyFormat: "pkcs8",
    });
    assert.deepEqual(requestOf(full), {
      namespace: "team",
      method: "POST",
      mount: "pki",
      path: "issuer/inter/issue/web",
      body: {
        common_name: "web.example.com",
        alt_names: "a.example.com,b.example.com",
        ip_sans: "10.0.0.1,::1",
        uri_sans: "spiffe://a,spiffe://b",
        other_sans: "1.2.3;UTF8:a,1.2.4;UTF8:b",
        user_ids: "u1,u2",
        ttl: "",
        not_after: "2027-01-01T00:00:00Z",
        exclude_cn_from_sans: true,
        remove_roots_from_chain: true,
        format: "der",
        private_key_format: "pkcs8",
      },
    });
  });

  it("sends each name once and without spaces around it, which OpenBao would not forgive", () => {
    const altNames = [" a.example.com", "b.example.com, c.example.com ", "", "a.example.com"];
    assert.equal(requestOf(spec({ altNames })).body?.alt_names, "a.example.com,b.example.com,c.example.com");
  });

  it("writes fractions of a TTL in whole seconds, and any other one as declared", () => {
    const sent = ["30d", "1.5d", "90m", "1.5h", "0.5s", "0s"].map((ttl) => requestOf(spec({ ttl })).body?.ttl);
    assert.deepEqual(sent, ["30d", "129600s", "90m", "5400s", "1s", "0s"]);
  });

  it("knows TTLs in days", () => {
    assert.equal(ttlMs("30d"), 30 * 86_400_000);
    assert.equal(ttlMs("1.5h"), 5_400_000);
    assert.deepEqual([ttlMs("0.001s"), ttlMs("0s"), ttlMs("xd")], [1, undefined, undefined]);
    assert.equal(ttlMs("0d"), undefined);
    assert.equal(ttlMs(undefined), undefined);
  });

  const refused = (fields: JsonObject, message: RegExp) =>
    assert.throws(
      () => requestOf(spec(fields)),
      (error) => {
        assert.ok(error instanceof SyncError);
        assert.equal(error.code, "SPEC_INVALID");
        assert.match(error.message, message);
        return true;
      },
    );

  it("refuses a TTL beside an end, which Vault refuses", () => {
    refused({ ttl: "1h", notAfter: "2027-01-01T00:00:00Z" }, /spec\.ttl and spec\.notAfter/);
  });

  it("refuses an offset that is not shorter than the TTL", () => {
    refused({ ttl: "1h", expiryOffset: "1h" }, /spec\.expiryOffset \(1h\).*spec\.ttl \(1h\).*lower expiryOffset/);
    refused({ ttl: "1d", expiryOffset: "48h" }, /at once/);
    requestOf(spec({ ttl: "2d", expiryOffset: "47h" }));
    requestOf(spec({ ttl: "0s", expiryOffset: "47h" }));
  });

  it("refuses an issuer that would lead elsewhere", () => {
    for (const issuerRef of ["../../sys", "a?b", "a#b", "a//b"]) refused({ issuerRef }, /spec\.issuerRef/);
  });
});
