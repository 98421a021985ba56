import { generateKeyPairSync } from "node:crypto";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type KeyPairPem, type TestCa, testCa } from "../certificates.ts";

/** Who may talk to whom in one test cluster, and the files that say so. */
export interface Credentials {
  readonly ca: TestCa;
  readonly admin: KeyPairPem;
  readonly controllers: KeyPairPem;
  /** Signs the tokens of service accounts; its public half checks them. */
  readonly serviceAccounts: { readonly publicPem: string; readonly privatePem: string };
  /** The path of a written file. */
  file(name: CredentialFile): string;
}

export type CredentialFile = "ca.pem" | "server.pem" | "server.key" | "service-accounts.pub" | "service-accounts.key";

export async function makeCredentials(name: string, folder: string): Promise<Credentials> {
  const ca = await testCa(`${name} test cluster`);
  const [server, admin, controllers] = await Promise.all([
    ca.serverCert("kube-apiserver", ["127.0.0.1", "localhost", "kubernetes.default.svc", "10.0.0.1"]),
    ca.clientCert("harness-admin", ["system:masters"]),
    ca.clientCert("system:kube-controller-manager", ["system:masters"]),
  ]);
  const pair = generateKeyPairSync("rsa", {
    modulusLength: 2048,
    publicKeyEncoding: { type: "spki", format: "pem" },
    privateKeyEncoding: { type: "pkcs8", format: "pem" },
  });
  const serviceAccounts = { publicPem: pair.publicKey, privatePem: pair.privateKey };
  const file = (part: CredentialFile): string => join(folder, part);
  await mkdir(folder, { recursive: true });
  const contents: Record<CredentialFile, string> = {
    "ca.pem": ca.pem,
    "server.pem": server.cert,
    "server.key": server.key,
    "service-accounts.pub": serviceAccounts.publicPem,
    "service-accounts.key": serviceAccounts.privatePem,
  };
  await Promise.all(
    Object.entries(contents).map(([part, text]) => writeFile(join(folder, part), text, { mode: 0o600 })),
  );
  return { ca, admin, controllers, serviceAccounts, file };
}
