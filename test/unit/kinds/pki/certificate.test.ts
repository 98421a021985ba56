import assert from "node:assert/strict";
import { createPrivateKey, generateKeyPairSync, X509Certificate } from "node:crypto";
import { describe, it } from "node:test";
import { HOUR_MS, MINUTE_MS } from "../../../../lib/clock.ts";
import { SyncError } from "../../../../lib/errors.ts";
import { certificateOf, mustBeUsable } from "../../../../lib/kinds/pki/certificate.ts";
import { anAnswer, anAnswerFor, changed, NOW, type Order } from "./answers.ts";

const PLACE = "pki/issue/web";
const read = async (order?: Order) => certificateOf(await anAnswer(order), PLACE);

const PEM_NAME = { sec1: "EC ", pkcs8: "", pkcs1: "RSA " } as const;

const refuses = (work: () => unknown, message: RegExp) =>
  assert.throws(work, (error) => {
    assert.ok(error instanceof SyncError);
    assert.equal(error.code, "VAULT_CERTIFICATE_UNUSABLE");
    assert.match(error.message, /^Vault's answer to pki\/issue\/web /);
    assert.match(error.message, message);
    assert.equal(error.cause, undefined);
    return true;
  });

describe("the certificate of an answer", () => {
  const formats = ["pem", "der", "pem_bundle"] as const;
  for (const format of formats) {
    for (const keyFormat of ["sec1", "pkcs8", "pkcs1"] as const) {
      it(`is found in the format ${format}, with its key in ${keyFormat}`, async () => {
        const answer = await anAnswer({ format, keyFormat });
        const issued = certificateOf(answer, PLACE);
        assert.equal(issued.serial, "0c:5e:ab:00:ff");
        assert.equal(issued.notBefore, NOW - 30_000);
        assert.equal(issued.expiration, NOW + HOUR_MS);
        assert.equal(new X509Certificate(issued.pem).subject, "CN=web.example.com");
        assert.deepEqual(issued.chain, [issued.issuer]);
        const key = issued.privateKeyPem.reveal().toString();
        assert.ok(key.startsWith(`-----BEGIN ${PEM_NAME[keyFormat]}PRIVATE KEY-----`));
        assert.ok(issued.x509.checkPrivateKey(createPrivateKey(key)));
        if (format !== "der") assert.equal(key, answer.fields.get("private_key"));
      });
    }
  }

  it("is found with a key of RSA or Ed25519, in whatever encoding Vault chose", async () => {
    for (const [type, options] of [
      ["rsa", { modulusLength: 2048 }],
      ["ed25519", {}],
    ] as const) {
      const { privateKey, publicKey } = generateKeyPairSync(type as "rsa", options as { modulusLength: number });
      const { answer, pem } = await anAnswerFor(publicKey);
      for (const kind of type === "rsa" ? (["pkcs8", "pkcs1"] as const) : (["pkcs8"] as const)) {
        const der = privateKey.export({ format: "der", type: kind }).toString("base64");
        const text = String(privateKey.export({ format: "pem", type: kind })).trim();
        const wrapped = Buffer.from(pem.split("\n").slice(1, -1).join(""), "base64")
          .toString("base64")
          .replace(/(.{40})/g, "$1\n");
        const issued = certificateOf(changed(answer, { private_key: der, certificate: wrapped }), PLACE);
        assert.equal(issued.privateKeyPem.reveal().toString(), text, `${type} ${kind}`);
        assert.equal(new X509Certificate(issued.pem).serialNumber, "0C5EAB00FF");
        assert.ok(issued.pem.split("\n").every((line) => line.length <= 64));
      }
    }
  });

  it("has a serial number of whole bytes, whatever its case", async () => {
    const answer = await anAnswer({ serial: "0abc" });
    const issued = certificateOf(changed(answer, { serial_number: "0A:BC" }), PLACE);
    assert.equal(issued.serial, "0a:bc");
  });

  it("has no chain when a root issued it", async () => {
    const issued = await read({ byRoot: true });
    assert.deepEqual(issued.chain, []);
    assert.equal(new X509Certificate(issued.issuer ?? "").subject, "CN=Root");
  });

  it("is refused when something of it is missing, damaged or another's", async () => {
    const answer = await anAnswer();
    const other = await anAnswer({ serial: "11" });
    const cases = [
      [{ certificate: undefined }, /has no certificate/],
      [{ certificate: "-----BEGIN CERTIFICATE-----" }, /has no certificate/],
      [{ certificate: "bm8=" }, /certificate that can't be read/],
      [{ serial_number: undefined }, /another serial number/],
      [{ certificate: String(other.fields.get("certificate")) }, /another serial number/],
      [{ private_key: undefined }, /has no private key: name a role that issues/],
      [{ private_key: "bm8=" }, /private key that can't be read/],
      [
        { private_key: "-----BEGIN PRIVATE KEY-----\nbm8=\n-----END PRIVATE KEY-----" },
        /private key that can't be read/,
      ],
      [{ private_key: String(other.fields.get("private_key")) }, /private key of another certificate/],
    ] as const;
    for (const [fields, message] of cases) refuses(() => certificateOf(changed(answer, fields), PLACE), message);
  });

  it("is read in no time from text that only begins certificates", () => {
    const text = "-----BEGIN CERTIFICATE-----".repeat(150_000);
    refuses(() => certificateOf({ fields: new Map([["certificate", text]]) }, PLACE), /has no certificate/);
  });
});

describe("a certificate that arrives", () => {
  const check = async (order: Order, declaredOffsetMs?: number) => {
    const issued = await read(order);
    return () => mustBeUsable(issued, { place: PLACE, declaredOffsetMs, now: NOW });
  };

  it("is of use when it does not have to be replaced at once", async () => {
    (await check({}))();
    (await check({}, 30 * MINUTE_MS))();
    (await check({ ttl: 15 }))();
    (await check({ ttl: 3600, backdated: 100 * 3600 }))();
  });

  it("is refused inside its own renewal window, with the lifetime, the offset and the remedy", async () => {
    refuses(
      await check({ ttl: 3600 }, 2 * HOUR_MS),
      /valid for 3600 s only, and due for replacement 7200 s before its end \(spec\.expiryOffset\): lower expiryOffset, or raise spec\.ttl or the role's max_ttl/,
    );
    refuses(await check({ ttl: 3600 }, HOUR_MS - 9_000), /3591 s before its end/);
    refuses(await check({ ttl: 14 }), /4 s before its end \(a third of its lifetime, without spec\.expiryOffset\)/);
    refuses(await check({ ttl: -1 }), /valid for 0 s only/);
  });

  it("is refused when a CA without a name ends before it", async () => {
    refuses(
      await check({ ttl: 3600, caTtl: 3599, caName: "" }),
      /but the CA "without a name" ends at 2026-01-01T00:59:59Z/,
    );
  });

  it("is refused when the CA that issued it ends before it", async () => {
    for (const byRoot of [false, true]) {
      const name = byRoot ? "CN=Root" : "CN=Inter";
      const message = `until 2026-01-01T01:00:00Z, but the CA "${name}" ends at 2026-01-01T00:59:59Z: renew that CA`;
      refuses(await check({ ttl: 3600, caTtl: 3599, byRoot }), new RegExp(message));
      (await check({ ttl: 3600, caTtl: 3600, byRoot }))();
    }
  });

  it("is of use when another CA of its chain ends before it, as a cross-signed one may: there is another way up", async () => {
    (await check({ ttl: 3600, rootTtl: 3599 }))();
  });
});
