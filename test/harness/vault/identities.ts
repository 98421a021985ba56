import type { VaultAnswer, VaultClient } from "./vault-client.ts";

/** Whom keyferry is to Vault when it asks for credentials. */
export interface IssuerRights {
  /** Paths that are read, such as `database/creds/app`. */
  readonly reads?: readonly string[];
  /** Paths that are written, such as `pki/issue/app`. */
  readonly updates?: readonly string[];
}

export interface Issuer {
  readonly roleId: string;
  readonly secretId: string;
  /** A new token each time. */
  login(): Promise<IssuerToken>;
}

export interface IssuerToken {
  readonly token: string;
  /** Empty for a batch token. */
  readonly accessor: string;
  /** Seconds. */
  readonly ttl: number;
}

export interface VaultIdentities {
  /**
   * A policy and a role of the AppRole login, both of this name, with these rights and no more: its tokens have no
   * `default` policy. `settings` are more of that role, such as `{ token_ttl: "10s" }`.
   */
  putIssuer(
    name: string,
    rights: IssuerRights,
    settings?: Readonly<Record<string, string | number | boolean>>,
  ): Promise<Issuer>;
}

/** What a token may do with itself and with leases whose ids it knows, and nothing of what else `default` allows. */
const OWN = {
  update: ["auth/token/renew-self", "auth/token/revoke-self", "sys/leases/renew", "sys/leases/lookup"],
  read: ["auth/token/lookup-self"],
};

/** The least that renews and gives back what was asked for at these paths. */
export function issuerPolicy({ reads = [], updates = [] }: IssuerRights): string {
  const rule = (capability: string) => (path: string) => `path "${path}" { capabilities = ["${capability}"] }\n`;
  return [...[...reads, ...OWN.read].map(rule("read")), ...[...updates, ...OWN.update].map(rule("update"))].join("");
}

const MOUNT = "approle";

export function vaultIdentities(client: VaultClient): VaultIdentities {
  return {
    async putIssuer(name, rights, settings = {}) {
      await client.write(`sys/policies/acl/${name}`, { policy: issuerPolicy(rights) });
      const mounted = await client.request("GET", `sys/auth/${MOUNT}/tune`);
      // Two at once may both find nothing there: the second one's answer is 400 then.
      if (mounted.status !== 200) await client.request("POST", `sys/auth/${MOUNT}`, { type: "approle" });
      const role = `auth/${MOUNT}/role/${name}`;
      await client.write(role, { token_policies: [name], token_no_default_policy: true, ...settings });
      const roleId = String((await client.read(`${role}/role-id`))?.data.role_id);
      const secretId = String((await client.write(`${role}/secret-id`)).data.secret_id);
      return { roleId, secretId, login: () => login(client, roleId, secretId) };
    },
  };
}

async function login(client: VaultClient, roleId: string, secretId: string): Promise<IssuerToken> {
  const body = { role_id: roleId, secret_id: secretId };
  const { auth } = await client.write<VaultAnswer>(`auth/${MOUNT}/login`, body, { token: null });
  if (auth === undefined) throw new Error("Vault's login had no token");
  return { token: auth.client_token, accessor: auth.accessor, ttl: auth.lease_duration };
}
