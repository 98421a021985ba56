import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { describe, it } from "node:test";
import { certificateOf } from "../../../../lib/kinds/pki/certificate.ts";
import { pkiData, tlsKeys } from "../../../../lib/kinds/pki/data.ts";
import type { Rendering } from "../../../../lib/ports/templates.ts";
import { SecretValue } from "../../../../lib/secret-value.ts";
import type { Transformation } from "../../../../lib/transform/transformation.ts";
import { aRow } from "../../../builders.ts";
import { anAnswer, changed, type Order } from "./answers.ts";

const PLAIN: Transformation = { excludeRaw: true, templates: [], includes: [], excludes: [], missingKey: "default" };

interface Asked {
  readonly order?: Order;
  readonly type?: string;
  readonly transformation?: Partial<Transformation>;
  /** Fields that the engine keeps. */
  readonly kept?: readonly string[];
}

async function dataFor({ order = {}, type = "Opaque", transformation = {}, kept = [] }: Asked = {}) {
  const answer = await anAnswer(order);
  const templates = {
    render: async () => ({
      outputs: new Map([["out", SecretValue.of("rendered")]]),
      fields: new Set(kept),
      missing: [],
    }),
  } as never;
  const run = { row: aRow({}), templates, signal: new AbortController().signal };
  const wanted = { transformation: { ...PLAIN, ...transformation }, destination: { type } };
  const { data } = await pkiData(run, wanted, answer, certificateOf(answer, "pki/issue/web"));
  return { answer, text: Object.fromEntries([...data].map(([key, value]) => [key, value.reveal().toString()])) };
}

describe("the Secret of a certificate", () => {
  it("has all fields of the answer, the chain as one text, and _raw as Vault sent it", async () => {
    const { text, answer } = await dataFor({ transformation: { excludeRaw: false } });
    const fields = ["_raw", "ca_chain", "certificate", "expiration", "issuing_ca", "private_key", "private_key_type"];
    assert.deepEqual(Object.keys(text).sort(), [...fields, "serial_number"]);
    assert.equal(text.ca_chain, answer.fields.get("issuing_ca"));
    assert.equal(text.expiration, "1767229200");
    assert.ok(Array.isArray(JSON.parse(text._raw ?? "").ca_chain));
  });

  it("joins the PEMs of a longer chain by newlines", async () => {
    const answer = await anAnswer();
    const issued = certificateOf(answer, "pki/issue/web");
    const longer = { ...answer, fields: new Map([...answer.fields, ["ca_chain", ["one", "two"]]]) };
    const run = { row: aRow({}), templates: {} as never, signal: new AbortController().signal };
    const wanted = { transformation: PLAIN, destination: { type: "Opaque" } };
    const { data } = await pkiData(run, wanted, longer, issued);
    assert.equal(data.get("ca_chain")?.reveal().toString(), "one\ntwo");
  });

  it("shows templates the chain as a list, and has it as one text even where a template fills its key", async () => {
    const answer = await anAnswer();
    const issued = certificateOf(answer, "pki/issue/web");
    const longer = { ...answer, fields: new Map([...answer.fields, ["ca_chain", ["one", "two"]]]) };
    for (const outputs of [new Map(), new Map([["ca_chain", SecretValue.of("[one two]")]])]) {
      let seen: unknown;
      const render = async ({ input }: Rendering) => {
        seen = input.secrets.ca_chain;
        return { outputs, fields: new Set(["ca_chain"]), missing: [] };
      };
      const run = { row: aRow({}), templates: { render }, signal: new AbortController().signal };
      const transformation = { ...PLAIN, templates: [{ name: "t", key: "ca_chain", text: "" }] };
      const { data } = await pkiData(run, { transformation, destination: { type: "Opaque" } }, longer, issued);
      assert.deepEqual(seen, ["one", "two"]);
      assert.equal(data.get("ca_chain")?.reveal().toString(), "one\ntwo");
    }
  });

  it("has the chain of the answer behind the certificate, or the issuer where there is none", async () => {
    const issued = certificateOf(await anAnswer(), "pki/issue/web");
    const crt = (chain: readonly string[], issuer: string | undefined) => {
      const { pem, privateKeyPem } = issued;
      const keys = tlsKeys({ pem, privateKeyPem, chain, ...{ issuer } } as never, "kubernetes.io/tls", PLAIN);
      return ["tls.crt", "ca.crt"].map((key) => keys.get(key)?.reveal().toString().replace(pem, "own"));
    };
    assert.deepEqual(crt(["one"], "issuer"), ["own\none", "issuer"]);
    assert.deepEqual(crt(["one", "two"], undefined), ["own\none\ntwo", "one"]);
    assert.deepEqual(crt([], "issuer"), ["own\nissuer", "issuer"]);
    assert.deepEqual(crt([], undefined), ["own", undefined]);
  });

  it("has the keys of TLS beside the fields, if it is a Secret for TLS", async () => {
    const { text } = await dataFor({ type: "kubernetes.io/tls" });
    assert.equal(text["tls.crt"], `${text.certificate}\n${text.ca_chain}`);
    assert.equal(text["tls.key"], text.private_key);
    assert.equal(text["ca.crt"], text.issuing_ca);
  });

  it("has the issuing CA in place of a chain", async () => {
    const { text } = await dataFor({ type: "kubernetes.io/tls", order: { byRoot: true } });
    assert.equal(text.ca_chain, undefined);
    assert.equal(text["tls.crt"], `${text.certificate}\n${text.issuing_ca}`);
    assert.equal(text["ca.crt"], text.issuing_ca);
  });

  for (const format of ["der", "pem_bundle"] as const) {
    it(`has PEM for TLS, and no private key in tls.crt, in the format ${format}`, async () => {
      const { text } = await dataFor({ type: "kubernetes.io/tls", order: { format } });
      const blocks = text["tls.crt"]?.match(/-----BEGIN [A-Z ]+-----/g);
      assert.deepEqual(blocks, ["-----BEGIN CERTIFICATE-----", "-----BEGIN CERTIFICATE-----"]);
      assert.equal(new X509Certificate(text["tls.crt"] ?? "").subject, "CN=web.example.com");
      assert.equal(new X509Certificate(text["ca.crt"] ?? "").subject, "CN=Inter");
      assert.match(text["tls.key"] ?? "", /^-----BEGIN PRIVATE KEY-----\n/);
    });
  }

  it("has the keys of TLS whatever the filters drop", async () => {
    const transformation = { includes: ["^serial_number$"] };
    const { text } = await dataFor({ type: "kubernetes.io/tls", transformation, kept: ["serial_number"] });
    assert.deepEqual(Object.keys(text).sort(), ["ca.crt", "out", "serial_number", "tls.crt", "tls.key"]);
  });

  it("has only what templates make, once there are any", async () => {
    const transformation = { templates: [{ name: "t", key: "out", text: "rendered" }], excludes: [".*"] };
    const { text } = await dataFor({ type: "kubernetes.io/tls", transformation });
    assert.deepEqual(text, { out: "rendered" });
  });

  it("does without a CA that the answer does not have", async () => {
    const answer = changed(await anAnswer({ byRoot: true }), { issuing_ca: undefined });
    const run = { row: aRow({}), templates: {} as never, signal: new AbortController().signal };
    const wanted = { transformation: PLAIN, destination: { type: "kubernetes.io/tls" } };
    const { data } = await pkiData(run, wanted, answer, certificateOf(answer, "pki/issue/web"));
    assert.equal(data.get("tls.crt")?.reveal().toString(), answer.fields.get("certificate"));
    assert.equal(data.has("ca.crt"), false);
  });
});
