import type { Postgres, Vault, VaultAnswer, VaultFlavor } from "../harness/index.ts";

/** One kind of operation: what is recorded are the lines of `run` alone. */
export interface OperationKind {
  readonly name: string;
  /** Missing: both. Only OpenBao has namespaces without a licence, and only Vault still has some old paths. */
  readonly only?: VaultFlavor;
  /** What the operation needs; its result is given to `run`. */
  readonly before?: (vault: Vault) => Promise<string>;
  readonly run: (vault: Vault, given: string) => Promise<unknown>;
}

const MERGE = { headers: { "content-type": "application/merge-patch+json" } };
const LEASED = { generate_lease: true, allow_any_name: true, ttl: "1h" };
const CERTIFICATE = { common_name: "app.example.com" };
const NS = { namespace: "ns1" };

/** Everything that the kinds find there. */
export async function prepare(vault: Vault, postgres: Postgres): Promise<void> {
  for (const mount of ["kv", "team/kv", "old"]) await vault.enableKv(mount, 2);
  await vault.enableKv("kv1", 1);
  for (const path of ["app", "gone", "cas"]) await vault.putKv("kv", path, { password: "first" });
  await vault.putKv("kv1", "gone", { password: "first" });
  await vault.enableDatabase(postgres);
  await vault.putDatabaseRole("app");
  await vault.putDatabaseRole("gone");
  await vault.putStaticRole(postgres, "fixed", { rotationPeriod: "24h" });
  await postgres.query("CREATE ROLE rotated WITH LOGIN SUPERUSER PASSWORD 'first'");
  const { host, port, database } = postgres;
  await vault.write("database/config/rotated", {
    plugin_name: "postgresql-database-plugin",
    connection_url: `postgresql://{{username}}:{{password}}@${host}:${port}/${database}?sslmode=disable`,
    username: "rotated",
    password: "first",
  });
  await vault.enablePki();
  await vault.putPkiRole("web");
  await vault.putPkiRole("gone");
  await vault.putPkiRole("leased", LEASED);
  await vault.enablePki({ mount: "pki-old" });
  await vault.enableAppRole({ mount: "logins/app", role: "app", policies: ["default"] });
  await vault.write("sys/mounts/transit", { type: "transit" });
  await vault.write("transit/keys/app");
  if (vault.flavor === "openbao") await prepareNamespaces(vault);
}

async function prepareNamespaces(vault: Vault): Promise<void> {
  for (const name of ["ns1", "gone"]) await vault.write(`sys/namespaces/${name}`);
  await vault.write("sys/namespaces/inner", {}, NS);
  for (const namespace of ["ns1", "ns1/inner"]) {
    await vault.write("sys/mounts/kv", { type: "kv", options: { version: "2" } }, { namespace });
  }
  await vault.write("sys/mounts/pki", { type: "pki" }, NS);
  await vault.write("pki/root/generate/internal", { ...CERTIFICATE, key_type: "ec" }, NS);
  await vault.write("pki/roles/leased", { ...LEASED, key_type: "ec" }, NS);
  await vault.write("sys/auth/approle", { type: "approle" }, NS);
}

/** The operation has to be refused. */
async function refused(answer: Promise<{ readonly status: number }>): Promise<void> {
  const { status } = await answer;
  if (status < 400) throw new Error(`it was accepted: ${status}`);
}

/** The operation has to be accepted. */
async function send(vault: Vault, method: string, path: string, ...rest: readonly unknown[]): Promise<VaultAnswer> {
  const [body, options] = rest as [unknown, { readonly namespace?: string }?];
  const answer = await vault.request(method, path, body, options);
  if (answer.status >= 400) throw new Error(`${method} ${path}: ${answer.status} ${answer.text}`);
  return answer.body;
}

const write =
  (path: string, body: object = {}, options: object = {}) =>
  (vault: Vault) =>
    send(vault, "POST", path, body, options);
const patch =
  (path: string, body: object = {}) =>
  (vault: Vault) =>
    send(vault, "PATCH", path, body, MERGE);
const remove =
  (path: string, options: object = {}) =>
  (vault: Vault) =>
    send(vault, "DELETE", path, undefined, options);
const read = (path: string) => (vault: Vault) => send(vault, "GET", path);
const list = (path: string) => (vault: Vault) => send(vault, "LIST", path);

const aLease = async (vault: Vault) => String((await send(vault, "GET", "database/creds/app")).lease_id);
const aLeaseInNamespace = async (vault: Vault) =>
  String((await send(vault, "POST", "pki/issue/leased", CERTIFICATE, NS)).lease_id);
const aSerial = async (vault: Vault) =>
  String((await send(vault, "POST", "pki/issue/web", CERTIFICATE)).data.serial_number);
const anIssuer = async (vault: Vault) => {
  const root = { common_name: "other root", key_type: "ec" };
  return String((await send(vault, "POST", "pki/issuers/generate/root/internal", root)).data.issuer_id);
};
async function aToken(vault: Vault, give: (auth: NonNullable<VaultAnswer["auth"]>) => string): Promise<string> {
  const { auth } = await send(vault, "POST", "auth/token/create", { ttl: "1h" });
  if (auth === undefined) throw new Error("no token");
  return give(auth);
}
const token = (vault: Vault) => aToken(vault, ({ client_token: given }) => given);
const accessor = (vault: Vault) => aToken(vault, (given) => given.accessor);
async function login(vault: Vault): Promise<string> {
  const roleId = String((await send(vault, "GET", "auth/logins/app/role/app/role-id")).data.role_id);
  const secretId = String((await send(vault, "POST", "auth/logins/app/role/app/secret-id")).data.secret_id);
  return JSON.stringify({ role_id: roleId, secret_id: secretId });
}
const aCsr = async (vault: Vault) => {
  const order = { common_name: "below", key_type: "ec" };
  return String((await send(vault, "POST", "pki/intermediate/generate/internal", order)).data.csr);
};
const aSigned = async (vault: Vault) =>
  String(
    (await send(vault, "POST", "pki/root/sign-intermediate", { csr: await aCsr(vault), ttl: "1h" })).data.certificate,
  );

const DATA = { data: { password: "second" } };

const KV: readonly OperationKind[] = [
  { name: "kv-v2: write", run: write("kv/data/app", DATA) },
  { name: "kv-v2: patch", run: patch("kv/data/app", DATA) },
  { name: "kv-v2: read", run: read("kv/data/app") },
  { name: "kv-v2: list", run: list("kv/metadata") },
  { name: "kv-v2: delete the latest version", run: remove("kv/data/app") },
  { name: "kv-v2: undelete", run: write("kv/undelete/app", { versions: [3] }) },
  { name: "kv-v2: delete versions", run: write("kv/delete/app", { versions: [1] }) },
  { name: "kv-v2: destroy", run: write("kv/destroy/app", { versions: [1] }) },
  { name: "kv-v2: write metadata", run: write("kv/metadata/app", { max_versions: 5 }) },
  { name: "kv-v2: patch metadata", run: patch("kv/metadata/app", { custom_metadata: { team: "shop" } }) },
  { name: "kv-v2: delete metadata", run: remove("kv/metadata/gone") },
  { name: "kv-v2: configure", run: write("kv/config", { max_versions: 7 }) },
  {
    name: "kv-v2: write that is refused",
    run: (vault) => refused(vault.request("POST", "kv/data/cas", { ...DATA, options: { cas: 7 } })),
  },
  {
    name: "kv-v2: write that is denied",
    run: (vault) => refused(vault.request("POST", "kv/data/app", DATA, { token: "hvs.none" })),
  },
  {
    name: "kv-v2: write with a wrapped answer",
    run: write("kv/data/app", DATA, { headers: { "x-vault-wrap-ttl": "60s" } }),
  },
  { name: "kv-v2: write in a mount of two segments", run: write("team/kv/data/app", DATA) },
  { name: "kv-v2: write to a path that begins with data", run: write("kv/data/data/app", DATA) },
  { name: "kv-v2: write to a path with spaces", run: write("kv/data/my%20app/the%20db", DATA) },
  { name: "kv-v2: write to a path in Unicode", run: write("kv/data/b%C3%BCro/%E2%9C%93", DATA) },
  { name: "kv-v2: write to a path with percent signs", run: write("kv/data/100%25/a%252Fb", DATA) },
  { name: "kv-v2: write to a path with HTML signs", run: write("kv/data/a%26b%3Cc%3E", DATA) },
  { name: "kv-v1: write", run: write("kv1/app", { password: "second" }) },
  { name: "kv-v1: read", run: read("kv1/app") },
  { name: "kv-v1: list", run: list("kv1") },
  { name: "kv-v1: write to a path that begins with data", run: write("kv1/data/app", { password: "second" }) },
  { name: "kv-v1: write to a path that begins with metadata", run: write("kv1/metadata/app", { password: "second" }) },
  { name: "kv-v1: write to config", run: write("kv1/config", { password: "second" }) },
  { name: "kv-v1: delete", run: remove("kv1/gone") },
];

const ENGINES: readonly OperationKind[] = [
  { name: "sys: enable an engine", run: write("sys/mounts/new/kv", { type: "kv" }) },
  { name: "sys: tune an engine", run: write("sys/mounts/new/kv/tune", { description: "new" }) },
  { name: "sys: read an engine's tuning", run: read("sys/mounts/new/kv/tune") },
  { name: "sys: disable an engine", run: remove("sys/mounts/new/kv") },
  { name: "sys: remount an engine", run: write("sys/remount", { from: "old", to: "moved" }) },
  { name: "database: configure", run: write("database/config/postgres", { allowed_roles: ["*"] }) },
  { name: "database: write a role", run: write("database/roles/app", { db_name: "postgres", default_ttl: "2h" }) },
  { name: "database: delete a role", run: remove("database/roles/gone") },
  { name: "database: read credentials", run: read("database/creds/app") },
  {
    name: "database: write a static role",
    run: write("database/static-roles/fixed", { db_name: "postgres", username: "fixed", rotation_period: "48h" }),
  },
  { name: "database: rotate a static role", run: write("database/rotate-role/fixed") },
  { name: "database: read a static role's credentials", run: read("database/static-creds/fixed") },
  { name: "database: rotate the root credentials", run: write("database/rotate-root/rotated") },
  { name: "transit: encrypt", run: write("transit/encrypt/app", { plaintext: "c2Vjb25k" }) },
  { name: "transit: rotate a key", run: write("transit/keys/app/rotate") },
];

const PKI: readonly OperationKind[] = [
  { name: "pki: issue", run: write("pki/issue/web", CERTIFICATE) },
  { name: "pki: issue by an issuer", run: write("pki/issuer/default/issue/web", CERTIFICATE) },
  { name: "pki: write a role", run: write("pki/roles/web", { key_type: "ec", allow_any_name: true, ttl: "2h" }) },
  { name: "pki: patch a role", run: patch("pki/roles/web", { ttl: "3h" }) },
  { name: "pki: delete a role", run: remove("pki/roles/gone") },
  { name: "pki: configure URLs", run: write("pki/config/urls", { issuing_certificates: ["https://ca.example.com"] }) },
  {
    name: "pki: revoke a certificate",
    before: aSerial,
    run: (vault, serial_number) => send(vault, "POST", "pki/revoke", { serial_number }),
  },
  {
    name: "pki: generate a root beside others",
    run: write("pki/issuers/generate/root/internal", { common_name: "second root", key_type: "ec" }),
  },
  {
    name: "pki: patch an issuer",
    before: anIssuer,
    run: (vault, id) => send(vault, "PATCH", `pki/issuer/${id}`, { issuer_name: "third" }, MERGE),
  },
  { name: "pki: delete an issuer", before: anIssuer, run: (vault, id) => send(vault, "DELETE", `pki/issuer/${id}`) },
  {
    name: "pki: revoke an issuer",
    before: anIssuer,
    run: (vault, id) => send(vault, "POST", `pki/issuer/${id}/revoke`),
  },
  {
    name: "pki: choose the default issuer",
    before: anIssuer,
    run: (vault, id) => send(vault, "POST", "pki/config/issuers", { default: id }),
  },
  {
    name: "pki: rotate the root",
    run: write("pki/root/rotate/internal", { common_name: "next root", key_type: "ec" }),
  },
  {
    name: "pki: request an intermediate",
    run: write("pki/intermediate/generate/internal", { common_name: "below", key_type: "ec" }),
  },
  {
    name: "pki: sign an intermediate",
    before: aCsr,
    run: (vault, csr) => send(vault, "POST", "pki/root/sign-intermediate", { csr, ttl: "1h" }),
  },
  {
    name: "pki: set a signed intermediate",
    before: aSigned,
    run: (vault, certificate) => send(vault, "POST", "pki/intermediate/set-signed", { certificate }),
  },
  { name: "pki: delete the root", run: remove("pki-old/root") },
];

const LEASES: readonly OperationKind[] = [
  {
    name: "leases: look up",
    before: aLease,
    run: (vault, lease_id) => send(vault, "POST", "sys/leases/lookup", { lease_id }),
  },
  {
    name: "leases: renew",
    before: aLease,
    run: (vault, lease_id) => send(vault, "POST", "sys/leases/renew", { lease_id }),
  },
  {
    name: "leases: revoke by the body",
    before: aLease,
    run: (vault, lease_id) => send(vault, "POST", "sys/leases/revoke", { lease_id, sync: true }),
  },
  {
    name: "leases: revoke by the path",
    before: aLease,
    run: (vault, id) => send(vault, "POST", `sys/leases/revoke/${id}`, { sync: true }),
  },
  {
    name: "leases: revoke one by its prefix",
    before: aLease,
    run: (vault, id) => send(vault, "POST", `sys/leases/revoke-prefix/${id}`, { sync: true }),
  },
  {
    name: "leases: revoke below a prefix",
    before: aLease,
    run: write("sys/leases/revoke-prefix/database/creds", { sync: true }),
  },
  { name: "leases: forget below a prefix", before: aLease, run: write("sys/leases/revoke-force/database/creds/app") },
  {
    name: "leases: revoke by the old path",
    only: "vault",
    before: aLease,
    run: (vault, id) => send(vault, "POST", `sys/revoke/${id}`, { sync: true }),
  },
  {
    name: "leases: revoke all of a login",
    before: login,
    run: write("sys/leases/revoke-prefix/auth/logins/app", { sync: true }),
  },
];

const LOGINS: readonly OperationKind[] = [
  { name: "sys: enable a login", run: write("sys/auth/people", { type: "userpass" }) },
  { name: "sys: tune a login", run: write("sys/auth/people/tune", { description: "people" }) },
  { name: "sys: tune a login by its mount", run: write("sys/mounts/auth/people/tune", { description: "people" }) },
  { name: "userpass: write a user", run: write("auth/people/users/ann", { password: "first" }) },
  {
    name: "userpass: login",
    run: (vault) => vault.write("auth/people/login/ann", { password: "first" }, { token: null }),
  },
  { name: "sys: disable a login", run: remove("sys/auth/people") },
  { name: "approle: write a role", run: write("auth/logins/app/role/app", { token_policies: ["default", "app"] }) },
  { name: "approle: make a secret id", run: write("auth/logins/app/role/app/secret-id") },
  {
    name: "approle: login",
    before: login,
    run: (vault, body) => vault.write("auth/logins/app/login", JSON.parse(body), { token: null }),
  },
  { name: "approle: delete a role", run: remove("auth/logins/app/role/app") },
  { name: "token: create", run: write("auth/token/create", { ttl: "1h" }) },
  {
    name: "token: look up itself",
    before: token,
    run: (vault, own) => vault.read("auth/token/lookup-self", { token: own }),
  },
  {
    name: "token: renew itself",
    before: token,
    run: (vault, own) => vault.write("auth/token/renew-self", {}, { token: own }),
  },
  {
    name: "token: revoke itself",
    before: token,
    run: (vault, own) => vault.write("auth/token/revoke-self", {}, { token: own }),
  },
  {
    name: "token: renew another",
    before: token,
    run: (vault, other) => send(vault, "POST", "auth/token/renew", { token: other }),
  },
  {
    name: "token: revoke another",
    before: token,
    run: (vault, other) => send(vault, "POST", "auth/token/revoke", { token: other }),
  },
  {
    name: "token: revoke by its accessor",
    before: accessor,
    run: (vault, other) => send(vault, "POST", "auth/token/revoke-accessor", { accessor: other }),
  },
  {
    name: "policies: write",
    run: write("sys/policies/acl/app", { policy: 'path "kv/*" { capabilities = ["read"] }' }),
  },
  { name: "policies: delete", run: remove("sys/policies/acl/app") },
  {
    name: "policies: write by the old path",
    run: write("sys/policy/old", { policy: 'path "kv/*" { capabilities = ["read"] }' }),
  },
  {
    name: "policies: write one for passwords",
    run: write("sys/policies/password/app", { policy: 'length = 20\nrule "charset" {\n  charset = "abcde"\n}' }),
  },
  { name: "identity: write an entity", run: write("identity/entity/name/app", { policies: ["app"] }) },
  { name: "identity: write a group", run: write("identity/group", { name: "apps", policies: ["app"] }) },
  { name: "identity: look up an entity", run: write("identity/lookup/entity", { name: "app" }) },
  { name: "identity: delete an entity", run: remove("identity/entity/name/app") },
];

const OTHERS: readonly OperationKind[] = [
  { name: "sys: ask for capabilities", run: write("sys/capabilities-self", { paths: ["kv/data/app"] }) },
  { name: "sys: hash for the audit log", run: write("sys/audit-hash/file", { input: "second" }) },
  { name: "sys: rotate the encryption key", run: write("sys/rotate") },
];

const inNamespaces = (kinds: readonly Omit<OperationKind, "only">[]): readonly OperationKind[] =>
  kinds.map((kind) => ({ ...kind, only: "openbao" }));

const NAMESPACES: readonly OperationKind[] = inNamespaces([
  { name: "namespaces: create", run: write("sys/namespaces/new") },
  { name: "namespaces: kv-v2 write by the header", run: write("kv/data/app", DATA, NS) },
  { name: "namespaces: kv-v2 write by the path", run: write("ns1/kv/data/app", DATA) },
  { name: "namespaces: kv-v2 write in one of another", run: write("inner/kv/data/app", DATA, NS) },
  { name: "namespaces: enable an engine", run: write("sys/mounts/more", { type: "kv" }, NS) },
  { name: "namespaces: disable an engine", run: remove("sys/mounts/more", NS) },
  {
    name: "namespaces: write a policy",
    run: write("sys/policies/acl/app", { policy: 'path "kv/*" { capabilities = ["read"] }' }, NS),
  },
  { name: "namespaces: write a role of a login", run: write("auth/approle/role/app", { token_ttl: "1h" }, NS) },
  { name: "namespaces: pki write a role", run: write("pki/roles/web", { key_type: "ec", allow_any_name: true }, NS) },
  {
    name: "namespaces: renew a token itself",
    before: async (vault) =>
      String((await send(vault, "POST", "auth/token/create", { ttl: "1h" }, NS)).auth?.client_token),
    run: (vault, own) => vault.write("auth/token/renew-self", {}, { ...NS, token: own }),
  },
  {
    name: "namespaces: revoke a lease there",
    before: aLeaseInNamespace,
    run: (vault, id) => send(vault, "POST", `sys/leases/revoke/${id}`, { sync: true }, NS),
  },
  {
    name: "namespaces: revoke a lease from the root",
    before: aLeaseInNamespace,
    run: (vault, id) => send(vault, "POST", `sys/leases/revoke/${id}`, { sync: true }),
  },
  {
    name: "namespaces: revoke a lease of the root from there",
    before: aLease,
    run: (vault, id) => send(vault, "POST", `sys/leases/revoke/${id}`, { sync: true }, NS),
  },
  {
    name: "namespaces: revoke below a prefix",
    before: aLeaseInNamespace,
    run: write("sys/leases/revoke-prefix/pki/issue/leased", { sync: true }, NS),
  },
  { name: "namespaces: delete", run: remove("sys/namespaces/gone") },
]);

/** The last one ends the server's work. */
const LAST: readonly OperationKind[] = [{ name: "sys: seal", run: (vault) => vault.seal() }];

export const KINDS: readonly OperationKind[] = [...[KV, ENGINES, PKI, LEASES, LOGINS, OTHERS, NAMESPACES, LAST].flat()];
