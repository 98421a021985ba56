import assert from "node:assert/strict";
import { createPrivateKey, X509Certificate } from "node:crypto";
import { describe, it } from "node:test";
import { newAuthority, serverCertificate } from "../../../lib/admission/authority.ts";
import {
  type Authority,
  isNextDue,
  LEAF_LIFE_MS,
  renewAt,
  signingAuthority,
  validAuthorities,
} from "../../../lib/admission/authority-times.ts";

const NOW = Date.parse("2026-11-29T10:00:00.250Z");
const lived = (from: number, to: number): Authority => ({ cert: `${from}`, key: "", notBefore: from, notAfter: to });

describe("the CA of the webhook", () => {
  it("signs certificates that Node accepts for names and addresses, and that end before it does", async () => {
    const authority = await newAuthority(NOW);
    const leaf = await serverCertificate(authority, ["keyferry.example.com", "10.0.0.7"], NOW);
    const ca = new X509Certificate(authority.cert);
    const certificate = new X509Certificate(leaf.cert);
    assert.equal(ca.ca, true);
    assert.ok(certificate.verify(ca.publicKey));
    assert.ok(certificate.checkIssued(ca));
    assert.equal(certificate.checkHost("keyferry.example.com"), "keyferry.example.com");
    assert.equal(certificate.checkIP("10.0.0.7"), "10.0.0.7");
    assert.equal(certificate.checkHost("other.example.com"), undefined);
    assert.ok(certificate.checkPrivateKey(createPrivateKey(leaf.key)));
    assert.equal(Date.parse(certificate.validTo), leaf.notAfter);
    assert.equal(Date.parse(ca.validTo), authority.notAfter);
    const late = await serverCertificate(authority, ["a"], authority.notAfter - 1_000);
    assert.equal(late.notAfter, authority.notAfter);
    assert.ok(leaf.notAfter <= NOW + LEAF_LIFE_MS);
  });

  it("gets a successor at two thirds, which signs at five sixths; both are in the bundle until the first ends", () => {
    const first = lived(0, 600);
    const second = lived(400, 1_000);
    assert.equal(renewAt(first), 400);
    assert.deepEqual([isNextDue([], 0), isNextDue([first], 399), isNextDue([first], 400)], [true, false, true]);
    assert.equal(isNextDue([first, second], 450), false);
    const signs = (now: number): string | undefined => signingAuthority([second, first], now)?.cert;
    assert.deepEqual([signs(399), signs(499), signs(500), signs(600)], ["0", "0", "400", "400"]);
    const bundle = (now: number): readonly string[] => validAuthorities([second, first], now).map(({ cert }) => cert);
    assert.deepEqual([bundle(450), bundle(599), bundle(600), bundle(1_000)], [["0", "400"], ["0", "400"], ["400"], []]);
    // Nothing better is there: it signs until its end.
    assert.equal(signingAuthority([first], 599)?.cert, "0");
  });
});
