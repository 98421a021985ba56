import type { Cluster } from "../cluster/cluster.ts";
import type { Postgres } from "../postgres.ts";
import type { VaultPlan } from "./config-file.ts";
import { ensurePlugin } from "./plugins.ts";
import { makeIssuer } from "./reviewer.ts";
import type { VaultClient } from "./vault-client.ts";

/** Durations are in Vault's words, such as `15s`. */
export interface DatabaseRole {
  readonly defaultTtl?: string;
  readonly maxTtl?: string;
  /** How long the database takes to make each credential. */
  readonly creationSeconds?: number;
  /** The advisory lock of the database that each creation waits for. */
  readonly creationLock?: number;
}

/** What a role of PKI says besides that it issues for any name; see Vault's API. */
export type PkiRole = Readonly<Record<string, unknown>> & {
  readonly ttl?: string;
  readonly generate_lease?: boolean;
  readonly no_store?: boolean;
};

/** What a platform team does so that its Vault issues credentials. Mounts have the engine's name when not given. */
export interface VaultIssuing {
  /** The database engine with that PostgreSQL, as connection `postgres`. */
  enableDatabase(postgres: Postgres, options?: { readonly mount?: string }): Promise<void>;
  /** A role whose credentials log in to that PostgreSQL: `<mount>/creds/<name>`. */
  putDatabaseRole(name: string, role?: DatabaseRole & { readonly mount?: string }): Promise<void>;
  /** Makes the user in that PostgreSQL, and the role that rotates its password: `<mount>/static-creds/<name>`. */
  putStaticRole(
    postgres: Postgres,
    name: string,
    role: { readonly rotationPeriod: string; readonly mount?: string },
  ): Promise<void>;
  /** The PKI engine with a root CA of its own, as PEM. */
  enablePki(options?: {
    readonly mount?: string;
    readonly commonName?: string;
    readonly ttl?: string;
  }): Promise<string>;
  putPkiRole(name: string, role?: PkiRole & { readonly mount?: string }): Promise<void>;
  /** The SSH engine as a CA, with a role that signs keys of users: `<mount>/sign/<role>`. */
  enableSsh(options: { readonly mount?: string; readonly role: string; readonly ttl?: string }): Promise<void>;
  /** The Kubernetes secrets engine, as an account of that cluster that may make tokens of other accounts. */
  enableKubernetesSecrets(cluster: Cluster, options?: { readonly mount?: string }): Promise<void>;
  /** A role for tokens of this account in any namespace: `<mount>/creds/<name>`. */
  putKubernetesRole(
    name: string,
    role: { readonly account: string; readonly ttl?: string; readonly mount?: string },
  ): Promise<void>;
}

const CONNECTION = "postgres";

export function vaultIssuing(client: VaultClient, plan: VaultPlan): VaultIssuing {
  const mountPki = async (mount: string, commonName: string, ttl: string) => {
    await client.write(`sys/mounts/${mount}`, { type: "pki", config: { max_lease_ttl: ttl } });
    const root = { common_name: commonName, key_type: "ec", ttl };
    return String((await client.write(`${mount}/root/generate/internal`, root)).data.certificate);
  };
  return {
    async enableDatabase(postgres, { mount = "database" } = {}) {
      await ensurePlugin(client, plan, "database/postgresql-database-plugin");
      await client.write(`sys/mounts/${mount}`, { type: "database" });
      await client.write(`${mount}/config/${CONNECTION}`, connectionTo(postgres));
    },
    async putDatabaseRole(name, { mount = "database", defaultTtl = "1h", maxTtl = "24h", ...creation } = {}) {
      const { creationSeconds, creationLock } = creation;
      await client.write(`${mount}/roles/${name}`, {
        db_name: CONNECTION,
        creation_statements: [
          ...(creationSeconds === undefined ? [] : [`SELECT pg_sleep(${creationSeconds});`]),
          ...(creationLock === undefined ? [] : [`SELECT pg_advisory_xact_lock(${creationLock});`]),
          `CREATE ROLE "{{name}}" WITH LOGIN PASSWORD '{{password}}' VALID UNTIL '{{expiration}}';`,
        ],
        default_ttl: defaultTtl,
        max_ttl: maxTtl,
      });
    },
    async putStaticRole(postgres, name, { mount = "database", rotationPeriod }) {
      await postgres.query(`CREATE ROLE "${name}" WITH LOGIN`);
      await client.write(`${mount}/static-roles/${name}`, {
        db_name: CONNECTION,
        username: name,
        rotation_period: rotationPeriod,
        rotation_statements: [`ALTER ROLE "{{name}}" WITH PASSWORD '{{password}}';`],
      });
    },
    enablePki: ({ mount = "pki", commonName = "harness root", ttl = "87600h" } = {}) =>
      mountPki(mount, commonName, ttl),
    async putPkiRole(name, { mount = "pki", ...role } = {}) {
      const common = { allow_any_name: true, enforce_hostnames: false, key_type: "ec", key_bits: 256, ttl: "1h" };
      await client.write(`${mount}/roles/${name}`, { ...common, ...role });
    },
    async enableSsh({ mount = "ssh", role, ttl = "30m" }) {
      await client.write(`sys/mounts/${mount}`, { type: "ssh" });
      await client.write(`${mount}/config/ca`, { generate_signing_key: true, key_type: "ed25519" });
      const users = { allow_user_certificates: true, allowed_users: "*", default_extensions: { "permit-pty": "" } };
      await client.write(`${mount}/roles/${role}`, { key_type: "ca", ttl, ...users });
    },
    async enableKubernetesSecrets(cluster, { mount = "kubernetes" } = {}) {
      await ensurePlugin(client, plan, "secret/kubernetes");
      await client.write(`sys/mounts/${mount}`, { type: "kubernetes" });
      await client.write(`${mount}/config`, {
        kubernetes_host: cluster.url,
        kubernetes_ca_cert: cluster.caPem,
        service_account_jwt: await makeIssuer(cluster),
        disable_local_ca_jwt: true,
      });
    },
    async putKubernetesRole(name, { mount = "kubernetes", account, ttl = "1h" }) {
      await client.write(`${mount}/roles/${name}`, {
        allowed_kubernetes_namespaces: ["*"],
        service_account_name: account,
        token_default_ttl: ttl,
      });
    },
  };
}

const connectionTo = ({ host, port, database, superuser }: Postgres) => ({
  plugin_name: "postgresql-database-plugin",
  allowed_roles: ["*"],
  connection_url: `postgresql://{{username}}:{{password}}@${host}:${port}/${database}?sslmode=disable&connect_timeout=30`,
  username: superuser.user,
  password: superuser.password,
  // A connection of before a stop of the database is none that a test wants to wait for.
  max_connection_lifetime: "5s",
});
