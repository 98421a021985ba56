import type { OperationKind } from "./operation-kind.ts";
import { accessor, aLease, aLeaseInNamespace, login, remove, send, token, write } from "./operations.ts";
import { NS } from "./stage.ts";

const DATA = { data: { password: "second" } };

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

/** Of everything but secrets engines, and in namespaces. */
export const OF_THE_SYSTEM: readonly OperationKind[] = [LEASES, LOGINS, OTHERS, NAMESPACES].flat();
