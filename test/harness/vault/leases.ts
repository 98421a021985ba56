import type { VaultClient } from "./vault-client.ts";

/** A lease as Vault itself has it. */
export interface VaultLease {
  readonly id: string;
  readonly issueTime: string;
  /** Empty for one that does not end. */
  readonly expireTime: string;
  readonly renewable: boolean;
  /** Seconds that are left. */
  readonly ttl: number;
}

/** What only an administrator sees and does: Vault's own list of leases, by root token. */
export interface VaultLeases {
  /** The ids below a prefix such as `database/creds/app`, sorted; all of them when not given, those of logins included. */
  leases(prefix?: string): Promise<readonly string[]>;
  /** Undefined when Vault has no such lease. */
  lease(id: string): Promise<VaultLease | undefined>;
  /** When it returns the credential is gone. */
  revokeLease(id: string): Promise<void>;
  /** The same for all below a prefix. `force` forgets also what cannot be revoked. */
  revokeLeases(prefix: string, options?: { readonly force?: boolean }): Promise<void>;
}

interface Listed {
  readonly data: { readonly keys: readonly string[] };
}

interface LookedUp {
  readonly data: { readonly issue_time: string; readonly expire_time: string | null } & {
    readonly renewable: boolean;
    readonly ttl: number;
  };
}

export function vaultLeases(client: VaultClient): VaultLeases {
  async function list(prefix: string): Promise<string[]> {
    const answer = await client.request<Listed>("LIST", `sys/leases/lookup/${prefix}`);
    if (answer.status === 404) return [];
    if (answer.status !== 200) throw new Error(`Vault lists no leases of ${prefix}: ${answer.status} ${answer.text}`);
    const found = answer.body.data.keys.map(async (key) => (key.endsWith("/") ? list(prefix + key) : [prefix + key]));
    return (await Promise.all(found)).flat();
  }
  return {
    leases: async (prefix = "") => (await list(prefix === "" ? "" : `${prefix.replace(/\/$/, "")}/`)).sort(),
    async lease(id) {
      const answer = await client.request<LookedUp>("POST", "sys/leases/lookup", { lease_id: id });
      if (answer.status === 400) return undefined;
      if (answer.status !== 200) throw new Error(`Vault does not look up a lease: ${answer.status} ${answer.text}`);
      const { issue_time, expire_time, renewable, ttl } = answer.body.data;
      return { id, issueTime: issue_time, expireTime: expire_time ?? "", renewable, ttl };
    },
    revokeLease: async (id) => void (await client.write("sys/leases/revoke", { lease_id: id, sync: true })),
    async revokeLeases(prefix, { force = false } = {}) {
      await client.write(`sys/leases/revoke-${force ? "force" : "prefix"}/${prefix}`, { sync: true });
    },
  };
}
