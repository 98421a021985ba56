import type { Vault, VaultAnswer } from "../harness/index.ts";
import { CERTIFICATE, NS } from "./stage.ts";

export const MERGE = { headers: { "content-type": "application/merge-patch+json" } };

/** The operation has to be refused. */
export async function refused(answer: Promise<{ readonly status: number }>): Promise<void> {
  const { status } = await answer;
  if (status < 400) throw new Error(`it was accepted: ${status}`);
}

/** The operation has to be accepted. */
export async function send(
  vault: Vault,
  method: string,
  path: string,
  ...rest: readonly unknown[]
): Promise<VaultAnswer> {
  const [body, options] = rest as [unknown, { readonly namespace?: string }?];
  const answer = await vault.request(method, path, body, options);
  if (answer.status >= 400) throw new Error(`${method} ${path}: ${answer.status} ${answer.text}`);
  return answer.body;
}

export const write =
  (path: string, body: object = {}, options: object = {}) =>
  (vault: Vault) =>
    send(vault, "POST", path, body, options);
export const patch =
  (path: string, body: object = {}) =>
  (vault: Vault) =>
    send(vault, "PATCH", path, body, MERGE);
export const remove =
  (path: string, options: object = {}) =>
  (vault: Vault) =>
    send(vault, "DELETE", path, undefined, options);
export const read = (path: string) => (vault: Vault) => send(vault, "GET", path);
export const list = (path: string) => (vault: Vault) => send(vault, "LIST", path);

export const aLease = async (vault: Vault) => String((await send(vault, "GET", "database/creds/app")).lease_id);
export const aLeaseInNamespace = async (vault: Vault) =>
  String((await send(vault, "POST", "pki/issue/leased", CERTIFICATE, NS)).lease_id);
export const aSerial = async (vault: Vault) =>
  String((await send(vault, "POST", "pki/issue/web", CERTIFICATE)).data.serial_number);
export const anIssuer = async (vault: Vault) => {
  const root = { common_name: "other root", key_type: "ec" };
  return String((await send(vault, "POST", "pki/issuers/generate/root/internal", root)).data.issuer_id);
};
async function aToken(vault: Vault, give: (auth: NonNullable<VaultAnswer["auth"]>) => string): Promise<string> {
  const { auth } = await send(vault, "POST", "auth/token/create", { ttl: "1h" });
  if (auth === undefined) throw new Error("no token");
  return give(auth);
}
export const token = (vault: Vault) => aToken(vault, ({ client_token: given }) => given);
export const accessor = (vault: Vault) => aToken(vault, (given) => given.accessor);
export async function login(vault: Vault): Promise<string> {
  const roleId = String((await send(vault, "GET", "auth/logins/app/role/app/role-id")).data.role_id);
  const secretId = String((await send(vault, "POST", "auth/logins/app/role/app/secret-id")).data.secret_id);
  return JSON.stringify({ role_id: roleId, secret_id: secretId });
}
export const aCsr = async (vault: Vault) => {
  const order = { common_name: "below", key_type: "ec" };
  return String((await send(vault, "POST", "pki/intermediate/generate/internal", order)).data.csr);
};
export const aSigned = async (vault: Vault) =>
  String(
    (await send(vault, "POST", "pki/root/sign-intermediate", { csr: await aCsr(vault), ttl: "1h" })).data.certificate,
  );
