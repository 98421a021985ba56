// Asked for by the next one, which registers its parts by it.
import "reflect-metadata";
import type { webcrypto } from "node:crypto";
import { isIP } from "node:net";
import {
  BasicConstraintsExtension,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  KeyUsageFlags,
  KeyUsagesExtension,
  PemConverter,
  SubjectAlternativeNameExtension,
  type X509Certificate,
  X509CertificateGenerator,
} from "@peculiar/x509";

const DAY_MS = 86_400_000;
const ALGORITHM = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };

/** A certificate with its private key, both PEM. */
export interface KeyPairPem {
  readonly cert: string;
  readonly key: string;
}

/** A certificate authority for one test server or cluster; nothing outside of it trusts it. */
export interface TestCa {
  readonly pem: string;
  /** An authority below this one. What it signs comes with its certificate, as servers send it. */
  intermediate(name: string): Promise<TestCa>;
  /** A server certificate for these names and addresses. */
  serverCert(commonName: string, hosts: readonly string[]): Promise<KeyPairPem>;
  /** A client certificate; Kubernetes reads the user from CN and the groups from O. */
  clientCert(user: string, groups?: readonly string[]): Promise<KeyPairPem>;
}

export async function testCa(name: string): Promise<TestCa> {
  const keys = await newKeys();
  const root = await X509CertificateGenerator.createSelfSigned({
    name: [{ CN: [name] }],
    keys,
    ...validity(),
    signingAlgorithm: ALGORITHM,
    extensions: caExtensions(),
  });
  return caOf(root, keys, []);
}

const caExtensions = (): Extensions => [
  new BasicConstraintsExtension(true, undefined, true),
  new KeyUsagesExtension(KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign | KeyUsageFlags.digitalSignature, true),
];

/** `chain` is what servers send beside their own certificate. */
function caOf(root: X509Certificate, keys: webcrypto.CryptoKeyPair, chain: readonly string[]): TestCa {
  const sign = async (subject: Subject, extensions: Extensions): Promise<KeyPairPem> => {
    const { cert, key } = await issue({ root, signingKey: keys.privateKey, subject, extensions });
    return { cert: [cert, ...chain].join("\n"), key };
  };
  return {
    pem: root.toString("pem"),
    async intermediate(name) {
      const own = await newKeys();
      const certificate = await X509CertificateGenerator.create({
        subject: [{ CN: [name] }],
        issuer: root.subject,
        ...validity(),
        publicKey: own.publicKey,
        signingKey: keys.privateKey,
        signingAlgorithm: ALGORITHM,
        extensions: caExtensions(),
      });
      return caOf(certificate, own, [certificate.toString("pem"), ...chain]);
    },
    serverCert: (commonName, hosts) =>
      sign(
        [{ CN: [commonName] }],
        [
          new ExtendedKeyUsageExtension([ExtendedKeyUsage.serverAuth]),
          new SubjectAlternativeNameExtension(
            hosts.map((value) => ({ type: isIP(value) === 0 ? ("dns" as const) : ("ip" as const), value })),
          ),
        ],
      ),
    clientCert: (user, groups = []) =>
      sign(
        [...groups.map((group) => ({ O: [group] })), { CN: [user] }],
        [new ExtendedKeyUsageExtension([ExtendedKeyUsage.clientAuth])],
      ),
  };
}

type Subject = Array<Record<string, string[]>>;
type Extensions = NonNullable<Parameters<typeof X509CertificateGenerator.create>[0]["extensions"]>;

async function issue(order: {
  root: X509Certificate;
  signingKey: webcrypto.CryptoKey;
  subject: Subject;
  extensions: Extensions;
}): Promise<KeyPairPem> {
  const keys = await newKeys();
  const cert = await X509CertificateGenerator.create({
    subject: order.subject,
    issuer: order.root.subject,
    ...validity(),
    publicKey: keys.publicKey,
    signingKey: order.signingKey,
    signingAlgorithm: ALGORITHM,
    extensions: [...order.extensions, new KeyUsagesExtension(KeyUsageFlags.digitalSignature, true)],
  });
  return { cert: cert.toString("pem"), key: await privatePem(keys.privateKey) };
}

const newKeys = (): Promise<webcrypto.CryptoKeyPair> => crypto.subtle.generateKey(ALGORITHM, true, ["sign", "verify"]);

const privatePem = async (key: webcrypto.CryptoKey): Promise<string> =>
  PemConverter.encode(await crypto.subtle.exportKey("pkcs8", key), "PRIVATE KEY");

/** From a day ago, so that a server with a slow clock believes it too. */
const validity = () => ({ notBefore: new Date(Date.now() - DAY_MS), notAfter: new Date(Date.now() + 30 * DAY_MS) });
