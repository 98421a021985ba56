import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { after, before, describe, it } from "node:test";
import { mustParseSpec } from "../../lib/declarations/parse.ts";
import { certificateOf, mustBeUsable } from "../../lib/kinds/pki/certificate.ts";
import { tlsKeys } from "../../lib/kinds/pki/data.ts";
import { chainIn, chainOf } from "../../lib/kinds/pki/look.ts";
import { differences, leftOutOf, matchesNames } from "../../lib/kinds/pki/matches.ts";
import { requestOf } from "../../lib/kinds/pki/request.ts";
import type { JsonObject } from "../../lib/util/json.ts";
import { isLosslessObject, parseLossless } from "../../lib/util/lossless.ts";
import { startVault, type Vault } from "../harness/index.ts";

const YEAR = "8760h";
const ROLE = {
  allow_any_name: true,
  enforce_hostnames: false,
  allow_wildcard_certificates: true,
  allowed_uri_sans: "*",
  allowed_other_sans: "*",
  allowed_user_ids: "*",
  require_cn: false,
  key_type: "ec",
  key_bits: 256,
  max_ttl: YEAR,
};

/** A root in `root`, and an intermediate in `pki` that it signed. */
async function furnish(vault: Vault): Promise<void> {
  for (const mount of ["root", "pki"]) {
    await vault.write(`sys/mounts/${mount}`, { type: "pki", config: { max_lease_ttl: "87600h" } });
  }
  await vault.write("root/root/generate/internal", { common_name: "Root", ttl: "80000h" });
  const { data } = await vault.write("pki/intermediate/generate/internal", { common_name: "Inter" });
  const order = { csr: data.csr, ttl: "70000h" };
  const signed = await vault.write("root/root/sign-intermediate", order);
  await vault.write("pki/intermediate/set-signed", { certificate: signed.data.certificate });
  for (const mount of ["root", "pki"]) await vault.write(`${mount}/roles/web`, ROLE);
}

const specOf = (fields: JsonObject) =>
  mustParseSpec("VaultPKISecret", { mount: "pki", role: "web", destination: { name: "web" }, ...fields });

async function send(vault: Vault, spec: ReturnType<typeof specOf>) {
  const { method, mount, path, body } = requestOf(spec);
  return { answer: await vault.request(method, `${mount}/${path}`, body), place: `${mount}/${path}` };
}

async function issue(vault: Vault, fields: JsonObject) {
  const spec = specOf(fields);
  const { answer, place } = await send(vault, spec);
  assert.equal(answer.status, 200, answer.text);
  const parsed = parseLossless(answer.text);
  const response = isLosslessObject(parsed) ? parsed.data : undefined;
  assert.ok(isLosslessObject(response));
  const told = new Map(Object.entries(response));
  const issued = certificateOf({ fields: told }, place);
  return { spec, issued, fields: told, place, lacks: differences(spec, issued.x509) };
}

interface Format {
  readonly keyType: string;
  readonly format: string;
  readonly privateKeyFormat: string;
}

/** Issues in this format, and compares what is read of it with Vault's fields. */
async function readsFormat(vault: Vault, { keyType, format, privateKeyFormat }: Format): Promise<void> {
  await vault.write(`pki/roles/${keyType}`, { ...ROLE, key_type: keyType, key_bits: 0 });
  const { issued, fields } = await issue(vault, { role: keyType, format, privateKeyFormat });
  assert.equal(issued.serial, fields.get("serial_number"));
  assert.equal(issued.expiration / 1000, Number(fields.get("expiration")));
  const tls = tlsKeys(issued, "kubernetes.io/tls", { templates: [] });
  const crt = tls.get("tls.crt")?.reveal().toString() ?? "";
  assert.deepEqual(crt.match(/BEGIN [A-Z ]+/g), ["BEGIN CERTIFICATE", "BEGIN CERTIFICATE"]);
  if (format === "pem") assert.equal(crt, `${fields.get("certificate")}\n${fields.get("ca_chain")}`);
  const key = issued.privateKeyPem.reveal().toString();
  if (format !== "der") assert.equal(key, fields.get("private_key"));
  const isPkcs8 = privateKeyFormat === "pkcs8" || keyType === "ed25519";
  assert.ok(key.startsWith(`-----BEGIN ${isPkcs8 ? "" : `${keyType.toUpperCase()} `}PRIVATE KEY-----`));
}

for (const flavor of ["openbao", "vault"] as const) {
  describe(`certificates of ${flavor}`, () => {
    const servers = new AsyncDisposableStack();
    let vault: Vault;
    before(async () => {
      vault = servers.use(await startVault({ flavor }));
      await furnish(vault);
    });
    after(() => servers.disposeAsync());

    // Each with another value, which the certificate then lacks.
    const names: ReadonlyArray<readonly [JsonObject, JsonObject]> = [
      [{ commonName: "WEB.example.com" }, { commonName: "b.example.com" }],
      [{ commonName: "bücher.example" }, { commonName: "b.example.com" }],
      [{ commonName: "My App, Inc" }, { commonName: "My App" }],
      [{ commonName: "me@example.com" }, { commonName: "you@example.com" }],
      [{ commonName: "10.0.0.1" }, { commonName: "10.0.0.2" }],
      [{ commonName: "*.example.com" }, { commonName: "*.example.org" }],
      [{ altNames: ["WWW.example.com", "a.example.com, c.example.com"] }, { altNames: ["b.example.com"] }],
      [{ altNames: ["Me@Example.com", "bücher.example"] }, { altNames: ["you@example.com"] }],
      [{ ipSans: ["10.0.0.1", "2001:DB8::0:1", "::ffff:1.2.3.4"] }, { ipSans: ["10.0.0.1", "10.0.0.2"] }],
      [{ uriSans: ["spiffe://a/B c", "URN:Foo:bar", "https://x.example/a?b=c%20d"] }, { uriSans: ["spiffe://b"] }],
      [{ otherSans: ["1.3.6.1.4.1.311.20.2.3;UTF8:dev@ops.com", "1.2.3;utf8:x y"] }, { otherSans: ["1.2.3;utf8:x"] }],
      [{ userIDs: ["u1", "u 2", "ü"] }, { userIDs: ["u1", "u3"] }],
      [{ commonName: "web.example.com", excludeCNFromSans: true }, { commonName: "web.example.com" }],
      [{ commonName: "web.example.com" }, { commonName: "web.example.com", excludeCNFromSans: true }],
    ];
    for (const [declared, other] of names) {
      it(`have the names of ${JSON.stringify(declared)}`, async () => {
        const { issued, lacks } = await issue(vault, declared);
        assert.deepEqual(lacks, []);
        assert.ok(!matchesNames(specOf(other), issued.x509), JSON.stringify(other));
      });
    }

    it("have all names together", async () => {
      const all = Object.assign({}, ...names.map(([declared]) => declared), { excludeCNFromSans: false });
      assert.deepEqual((await issue(vault, all)).lacks, []);
    });

    it("without a name match a declaration without names", async () => {
      assert.deepEqual((await issue(vault, {})).lacks, []);
    });

    it("are of the issuer that Vault shows to whoever asks, until the default is another one", async () => {
      const shown = async () => {
        const answer = await fetch(`${vault.address}/v1/pki/issuer/default/json`);
        const { data } = (await answer.json()) as { data: { certificate: string; ca_chain: string[] } };
        return chainIn({ fields: new Map(Object.entries(data)) });
      };
      const first = await issue(vault, { commonName: "web.example.com" });
      assert.equal(chainOf(first.issued), await shown());
      const before = (await vault.read("pki/config/issuers"))?.data.default;
      const { data } = await vault.write("pki/root/generate/internal", { common_name: "Another", ttl: "70000h" });
      await vault.write("pki/config/issuers", { default: data.issuer_id });
      assert.notEqual(chainOf(first.issued), await shown());
      assert.equal(chainOf((await issue(vault, { commonName: "web.example.com" })).issued), await shown());
      await vault.write("pki/config/issuers", { default: before });
    });

    it("may lack a name that the role leaves out: it stays without, and is no reason to issue again", async () => {
      const declared = { altNames: ["a_b.example.com", "a.example.com"] };
      const first = await issue(vault, declared);
      assert.deepEqual(first.lacks, ["altNames a_b.example.com"]);
      const leftOut = leftOutOf(first.spec, first.issued.x509) ?? assert.fail();
      const second = await issue(vault, declared);
      assert.ok(matchesNames(second.spec, second.issued.x509, leftOut));
    });

    const lifetimes: ReadonlyArray<readonly [JsonObject, number]> = [
      [{ ttl: "30d" }, 30 * 86_400],
      [{ ttl: "1.5d" }, 1.5 * 86_400],
      [{ ttl: "1.5h" }, 5_400],
      [{ ttl: "90m" }, 5_400],
      [{ ttl: "59.5s" }, 60],
    ];
    for (const [declared, seconds] of lifetimes) {
      it(`last as long as ${JSON.stringify(declared)}`, async () => {
        const from = Date.now();
        const { issued } = await issue(vault, declared);
        const took = Math.ceil((Date.now() - from + 1) / 1000);
        const lasts = (issued.expiration - issued.notBefore) / 1000;
        // Vault sets its begin back by 30 s. It reads its clock for the end first: seconds may begin in between.
        assert.ok(lasts <= seconds + 30 && lasts >= seconds + 30 - took, `${lasts} s, issued within ${took} s`);
      });
    }

    it("end when notAfter says", async () => {
      const notAfter = new Date(Date.now() + 86_400_000).toISOString().replace(/\.\d+Z$/, "Z");
      assert.equal((await issue(vault, { notAfter })).issued.expiration, Date.parse(notAfter));
    });

    it("can't have both, which keyferry refuses before it asks", async () => {
      const { body, mount, path } = requestOf(specOf({ notAfter: "2030-01-01T00:00:00Z" }));
      const answer = await vault.request("POST", `${mount}/${path}`, { ...body, ttl: "1h" });
      assert.equal(answer.status, 400);
    });

    for (const format of ["pem", "der", "pem_bundle"]) {
      for (const privateKeyFormat of ["", "der", "pem", "pkcs8"]) {
        it(`are read in the format ${format}, with a key in ${privateKeyFormat || "the default format"}`, async () => {
          for (const keyType of ["ec", "rsa", "ed25519"])
            await readsFormat(vault, { keyType, format, privateKeyFormat });
        });
      }
    }

    it("come without a chain from a root, whose certificate is then the CA", async () => {
      const { issued, fields } = await issue(vault, { mount: "root" });
      assert.deepEqual(issued.chain, []);
      assert.equal(fields.has("ca_chain"), false);
      assert.equal(issued.issuer, fields.get("issuing_ca"));
    });

    it("come from the declared issuer", async () => {
      const { data } = await vault.write("root/root/generate/internal", { common_name: "Second", ttl: YEAR });
      await vault.write(`root/issuer/${String(data.issuer_id)}`, { issuer_name: "second" });
      const { issued, place } = await issue(vault, { mount: "root", issuerRef: "second", ttl: "1h" });
      assert.equal(place, "root/issuer/second/issue/web");
      assert.equal(issued.x509.issuer, "CN=Second");
    });

    it("are refused when their CA ends before them, where the issuer permits that", async () => {
      const { data } = await vault.write("root/root/generate/internal", { common_name: "Short", ttl: "2h" });
      const id = String(data.issuer_id);
      await vault.write(`root/issuer/${id}`, { issuer_name: "short", leaf_not_after_behavior: "permit" });
      const { issued, place } = await issue(vault, { mount: "root", issuerRef: "short", ttl: "3h" });
      assert.throws(() => mustBeUsable(issued, { place, now: Date.now() }), {
        code: "VAULT_CERTIFICATE_UNUSABLE",
        message: /the CA "CN=Short" ends at/,
      });
    });

    it("are of use beyond the old root that cross-signed theirs, as in a rotation of roots", async () => {
      const names = { common_name: "New", issuer_name: "new", key_name: "new", ttl: YEAR };
      await vault.write("root/root/generate/internal", names);
      await vault.write("root/root/generate/internal", { common_name: "Old", issuer_name: "old", ttl: "2h" });
      const { data } = await vault.write("root/intermediate/cross-sign", { common_name: "New", key_ref: "new" });
      const order = { csr: data.csr, common_name: "New", ttl: "1h" };
      const signed = await vault.write("root/issuer/old/sign-intermediate", order);
      await vault.write("root/intermediate/set-signed", { certificate: signed.data.certificate });
      const { issued, place } = await issue(vault, { mount: "root", issuerRef: "new", ttl: "3h" });
      const ends = issued.chain.map((pem) => new X509Certificate(pem).validToDate.getTime());
      assert.ok(
        ends.some((end) => end < issued.expiration),
        "Vault names the cross-signed one",
      );
      mustBeUsable(issued, { place, now: Date.now() });
    });

    it("are refused when a role cuts their TTL below the offset", async () => {
      await vault.write("pki/roles/short", { ...ROLE, max_ttl: "1h" });
      const { issued, place } = await issue(vault, { role: "short", ttl: "1d", expiryOffset: "2h" });
      const now = Date.now();
      mustBeUsable(issued, { place, now });
      assert.throws(() => mustBeUsable(issued, { place, declaredOffsetMs: 7_200_000, now }), {
        code: "VAULT_CERTIFICATE_UNUSABLE",
        message: /spec\.expiryOffset.*max_ttl/,
      });
    });
  });
}
