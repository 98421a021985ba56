// The next one registers its parts by it.
import "reflect-metadata";
import { type KeyObject, webcrypto } from "node:crypto";
import {
  BasicConstraintsExtension,
  Extension,
  type JsonGeneralName,
  PemConverter,
  PublicKey,
  SubjectAlternativeNameExtension,
  type X509Certificate,
  X509CertificateGenerator,
} from "@peculiar/x509";
import { SECOND_MS } from "../../../../lib/clock.ts";
import type { IssuedData } from "../../../../lib/ports/vault-issues.ts";
import { type LosslessObject, parseLossless } from "../../../../lib/util/lossless.ts";

const ALGORITHM = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };

/** When all these certificates are issued: 2026-01-01. */
export const NOW = Date.UTC(2026, 0, 1);

type KeyFormat = "sec1" | "pkcs8" | "pkcs1";

export interface Order {
  /** Seconds; an hour. */
  readonly ttl?: number;
  /** Seconds before NOW from which it is valid; 30, as Vault's. */
  readonly backdated?: number;
  /** Seconds after NOW until which the intermediate, and the root, are valid; a year. */
  readonly caTtl?: number;
  /** The same of the root alone, which the chain names then. */
  readonly rootTtl?: number;
  readonly subject?: string;
  readonly names?: readonly JsonGeneralName[];
  /** An extension that holds these bytes, in hexadecimal. */
  readonly holds?: string;
  readonly format?: "pem" | "der" | "pem_bundle";
  /** `pkcs1`: an RSA key. */
  readonly keyFormat?: KeyFormat;
  readonly serial?: string;
  /** Issued by the root itself: no chain. */
  readonly byRoot?: boolean;
  /** Of the issuing CA; empty: it has none. */
  readonly caName?: string;
}

const YEAR_S = 365 * 24 * 3600;
const at = (s: number) => new Date(NOW + s * SECOND_MS);
const newKeys = () => webcrypto.subtle.generateKey(ALGORITHM, true, ["sign", "verify"]);
const RSA = {
  name: "RSASSA-PKCS1-v1_5",
  hash: "SHA-256",
  modulusLength: 2048,
  publicExponent: new Uint8Array([1, 0, 1]),
};
const newRsaKeys = () => webcrypto.subtle.generateKey(RSA, true, ["sign", "verify"]);

interface Authority {
  readonly cert: X509Certificate;
  readonly keys: webcrypto.CryptoKeyPair;
}

async function authority(name: string, ttl: number, above?: Authority): Promise<Authority> {
  const keys = await newKeys();
  const cert = await X509CertificateGenerator.create({
    subject: name === "" ? "" : `CN=${name}`,
    issuer: above?.cert.subject ?? (name === "" ? "" : `CN=${name}`),
    notBefore: at(-YEAR_S),
    notAfter: at(ttl),
    publicKey: keys.publicKey,
    signingKey: (above?.keys ?? keys).privateKey,
    signingAlgorithm: ALGORITHM,
    extensions: [new BasicConstraintsExtension(true, undefined, true)],
  });
  return { cert, keys };
}

const pemOf = (cert: X509Certificate) => cert.toString("pem").trim();
const base64Of = (cert: X509Certificate) => Buffer.from(cert.rawData).toString("base64");

/** An answer with a certificate for this public key, whose private key is to be put in. */
export async function anAnswerFor(
  key: KeyObject,
): Promise<{ readonly answer: Pick<IssuedData, "response" | "fields">; readonly pem: string }> {
  const ca = await authority("Root", YEAR_S);
  const leaf = await X509CertificateGenerator.create({
    ...{ serialNumber: "0c5eab00ff", subject: "CN=web.example.com", issuer: ca.cert.subject },
    ...{ notBefore: at(0), notAfter: at(3600), signingKey: ca.keys.privateKey, signingAlgorithm: ALGORITHM },
    publicKey: new PublicKey(key.export({ format: "der", type: "spki" })),
  });
  const pem = pemOf(leaf);
  const fields = new Map([
    ["certificate", pem],
    ["serial_number", "0c:5e:ab:00:ff"],
    ["issuing_ca", pemOf(ca.cert)],
  ]);
  return { answer: { response: {} as LosslessObject, fields }, pem };
}

async function authoritiesOf({ caName, caTtl = YEAR_S, rootTtl = caTtl, byRoot = false }: Order) {
  const root = await authority((byRoot ? caName : undefined) ?? "Root", rootTtl);
  return { root, ca: byRoot ? root : await authority(caName ?? "Inter", caTtl, root) };
}

/** An answer of Vault's with a real certificate. */
export async function anAnswer(order: Order = {}): Promise<Pick<IssuedData, "response" | "fields">> {
  const { ttl = 3600, backdated = 30, format = "pem", byRoot = false } = order;
  const { root, ca } = await authoritiesOf(order);
  const keys = await (order.keyFormat === "pkcs1" ? newRsaKeys() : newKeys());
  const leaf = await X509CertificateGenerator.create({
    serialNumber: order.serial ?? "0c5eab00ff",
    subject: order.subject ?? "CN=web.example.com",
    issuer: ca.cert.subject,
    notBefore: at(-backdated),
    notAfter: at(ttl),
    publicKey: keys.publicKey,
    signingKey: ca.keys.privateKey,
    signingAlgorithm: ALGORITHM,
    extensions: [
      ...(order.names === undefined ? [] : [new SubjectAlternativeNameExtension([...order.names])]),
      ...(order.holds === undefined ? [] : [new Extension("1.2.3.4", false, Buffer.from(order.holds, "hex"))]),
    ],
  });
  const { pem, base64 } = await keyOf(keys.privateKey, order.keyFormat ?? "pkcs8");
  const text = format === "der" ? base64Of : pemOf;
  const certificate = format === "pem_bundle" ? [pem, ...[leaf, ca.cert, root.cert].map(pemOf)].join("\n") : text(leaf);
  const response = parseLossless(
    JSON.stringify({
      ...(byRoot
        ? {}
        : { ca_chain: [ca, ...(order.rootTtl === undefined ? [] : [root])].map(({ cert }) => text(cert)) }),
      certificate,
      expiration: (NOW + ttl * SECOND_MS) / SECOND_MS,
      issuing_ca: text(ca.cert),
      private_key: format === "der" ? base64 : pem,
      private_key_type: order.keyFormat === "pkcs1" ? "rsa" : "ec",
      serial_number: (leaf.serialNumber.match(/../g) ?? []).join(":"),
    }),
  ) as LosslessObject;
  return { response, fields: new Map(Object.entries(response)) };
}

async function keyOf(key: webcrypto.CryptoKey, format: KeyFormat) {
  const pkcs8 = Buffer.from(await webcrypto.subtle.exportKey("pkcs8", key));
  if (format === "pkcs8") return { pem: PemConverter.encode(pkcs8, "PRIVATE KEY"), base64: pkcs8.toString("base64") };
  const { createPrivateKey } = await import("node:crypto");
  const object = createPrivateKey({ key: pkcs8, format: "der", type: "pkcs8" });
  return {
    pem: String(object.export({ format: "pem", type: format })).trim(),
    base64: object.export({ format: "der", type: format }).toString("base64"),
  };
}

/** The answer with other fields; undefined leaves one out. */
export function changed(
  answer: Pick<IssuedData, "response" | "fields">,
  fields: Readonly<Record<string, string | undefined>>,
): Pick<IssuedData, "response" | "fields"> {
  const next = new Map(answer.fields);
  for (const [key, value] of Object.entries(fields)) value === undefined ? next.delete(key) : next.set(key, value);
  return { ...answer, fields: next };
}
