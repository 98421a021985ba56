import { type Postgres, startPostgres } from "../../harness/postgres.ts";
import { endAll, type StartedPlace, startPlace } from "./start-place.ts";
import { authMount, ROLE, type WorldOptions } from "./world.ts";

/** A place whose Vault issues credentials of a real PostgreSQL. */
export interface IssuingPlace extends StartedPlace, AsyncDisposable {
  readonly postgres: Postgres;
  /** Vault's own leases of a role's credentials. */
  leases(role?: string): Promise<readonly string[]>;
  /** The login role of the place, with other settings of its tokens. */
  tokens(settings: Readonly<Record<string, unknown>>): Promise<void>;
}

export const ISSUING_POLICY = [
  'path "kv/*" { capabilities = ["read"] }',
  'path "database/creds/*" { capabilities = ["read"] }',
  'path "database/static-creds/*" { capabilities = ["read"] }',
  'path "pki/issue/*" { capabilities = ["update"] }',
  'path "pki/issuer/+/issue/*" { capabilities = ["update"] }',
  'path "pki/revoke" { capabilities = ["update"] }',
  'path "ssh/sign/*" { capabilities = ["update"] }',
  'path "kubernetes/creds/*" { capabilities = ["update"] }',
  'path "team/pki/issue/*" { capabilities = ["update"] }',
  'path "team/sys/leases/revoke/*" { capabilities = ["update"] }',
].join("\n");

export async function startIssuing(
  namespace: string,
  options: Omit<WorldOptions, "clusters"> = {},
): Promise<IssuingPlace> {
  await using started = new AsyncDisposableStack();
  const [place, postgres] = await Promise.all([startPlace(namespace, options), startPostgres()]);
  started.defer(() => endAll(place.world));
  started.use(postgres);
  const { vault } = place.world;
  await vault.writePolicy(ROLE, ISSUING_POLICY);
  await vault.enableDatabase(postgres);
  await vault.putDatabaseRole("app", { defaultTtl: "20s", maxTtl: "1h" });
  const parts = started.move();
  return {
    ...place,
    postgres,
    leases: (role = "app") => vault.leases(`database/creds/${role}`),
    async tokens(settings) {
      await vault.write(`auth/${authMount(place.cluster)}/role/${ROLE}`, {
        bound_service_account_names: ["*"],
        bound_service_account_namespaces: ["*"],
        token_policies: [ROLE],
        token_ttl: "1h",
        ...settings,
      });
    },
    [Symbol.asyncDispose]: () => parts.disposeAsync(),
  };
}

/** A pki mount in the Vault namespace `team`, whose role `web` has a lease for each certificate. */
export async function enablePkiInTeam({ vault }: StartedPlace["world"]): Promise<void> {
  const there = { namespace: "team" };
  await vault.write("sys/namespaces/team");
  await vault.write("sys/mounts/pki", { type: "pki" }, there);
  await vault.write("pki/root/generate/internal", { common_name: "team root", key_type: "ec", ttl: "700h" }, there);
  const role = { allow_any_name: true, enforce_hostnames: false, key_type: "ec", key_bits: 256, ttl: "1h" };
  await vault.write("pki/roles/web", { ...role, generate_lease: true }, there);
}

/** A VaultDynamicSecret: valid by default, overrides for what a test is about. */
export function aDynamicSecret(
  namespace: string,
  name: string,
  spec: Readonly<Record<string, unknown>> = {},
  annotations: Readonly<Record<string, string>> = {},
) {
  return {
    apiVersion: "secrets.hashicorp.com/v1beta1",
    kind: "VaultDynamicSecret",
    metadata: { name, namespace, annotations },
    spec: { mount: "database", path: "creds/app", destination: { name, create: true }, ...spec },
  };
}
