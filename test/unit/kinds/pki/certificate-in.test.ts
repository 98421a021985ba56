import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { certificateOf } from "../../../../lib/kinds/pki/certificate.ts";
import { certificateIn } from "../../../../lib/kinds/pki/certificate-in.ts";
import { SecretValue } from "../../../../lib/secret-value.ts";
import { ANSWER, SERIAL } from "./a-certificate.ts";
import { anAnswer } from "./answers.ts";

describe("the certificate in a Secret", () => {
  it("is found in PEM, also after others, in DER, and in base64 of that, whatever is beside it", async () => {
    const { pem, issuer, x509 } = certificateOf(await ANSWER, "p");
    const base64 = x509.raw.toString("base64");
    for (const value of [
      ...[pem, `${issuer}\n${pem}`, `a text\n${pem}\nand another`],
      ...[x509.raw, base64, `${base64.replace(/.{64}/g, "$&\n")}\n`],
    ]) {
      const data = new Map([
        ["key", SecretValue.of("MIInonsense=")],
        ["number", SecretValue.of(Buffer.of(0x30, 0x82, 1, 2))],
        ["cert", SecretValue.of(value)],
      ]);
      assert.equal(certificateIn(data, SERIAL)?.fingerprint256, x509.fingerprint256);
      assert.equal(certificateIn(data, "01"), undefined);
    }
  });

  it("is not one that is damaged, or cut", async () => {
    const { x509 } = certificateOf(await anAnswer({ format: "der" }), "p");
    const base64 = x509.raw.toString("base64");
    for (const value of [x509.raw.subarray(0, -1), base64.slice(4), `${base64} and more.`, ""]) {
      assert.equal(certificateIn(new Map([["cert", SecretValue.of(value)]]), SERIAL), undefined);
    }
  });

  it("is looked for in large values in no time", () => {
    const data = new Map([["cert", SecretValue.of(`MII${" ".repeat(500_000)}.${"A".repeat(500_000)}`)]]);
    const before = process.threadCpuUsage();
    assert.equal(certificateIn(data, SERIAL), undefined);
    assert.ok(process.threadCpuUsage(before).user < 1_000_000);
  });
});
