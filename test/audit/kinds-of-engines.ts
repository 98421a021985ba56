import type { OperationKind } from "./operation-kind.ts";
import {
  aCsr,
  anIssuer,
  aSerial,
  aSigned,
  list,
  MERGE,
  patch,
  read,
  refused,
  remove,
  send,
  write,
} from "./operations.ts";
import { CERTIFICATE } from "./stage.ts";

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

/** Of secrets engines. */
export const OF_ENGINES: readonly OperationKind[] = [KV, ENGINES, PKI].flat();
