/** Lines as both servers write them, about few names that resemble each other, so that paths nearly meet. */

export type Random = () => number;

/** What a generated line says: known without reading it. */
export interface Facts {
  readonly type: "request" | "response";
  readonly operation: string;
  readonly isRefused: boolean;
  /** Without slashes at the ends; empty: root. */
  readonly namespace: string;
  readonly namespaceId: string;
  /** Relative to the namespace. */
  readonly mount: string;
  readonly mountType: string;
  /** Relative to the namespace. */
  readonly path: string;
  readonly version?: number;
}

export function pick<T>(random: Random, items: readonly T[]): T {
  return items[Math.floor(random() * items.length)] as T;
}

/** Words of Vault's API among names that people give. */
const NAMES = [
  ...["data", "metadata", "config", "creds", "static-creds", "roles", "issue", "issuer", "revoke", "login", "destroy"],
  ...["system", "authors", "identity2", "auth2"],
  ...[
    "kv",
    "kv2",
    "app",
    "app2",
    "my app",
    "büro",
    "✓",
    "100%",
    "a%2Fb",
    "data%2Fapp",
    "a&b<c>",
    "Data",
    "...",
    "\u2028",
  ],
];
const NAMESPACES = ["", "", "ns1", "ns1/inner", "kv", "data"];
const OPERATIONS = [
  "create",
  "update",
  "patch",
  "delete",
  "delete",
  "delete",
  "recover",
  "read",
  "list",
  "help",
  "scan",
  "renew",
];
const ENGINES = ["kv", "kv", "kv", "generic", "database", "database", "pki", "pki", "transit", "kv-v2"];

export function somePath(random: Random, most = 3): string {
  return Array.from({ length: 1 + Math.floor(random() * most) }, () => pick(random, NAMES)).join("/");
}

/** What stands below a mount or below `sys`; P: a path, N: a name, L: the random part of a lease. */
const BELOW: Readonly<Record<string, readonly string[]>> = {
  kv: [
    "data/P",
    "data/P",
    "P",
    "metadata/P",
    "metadata/P",
    "delete/P",
    "undelete/P",
    "destroy/P",
    "config",
    "subkeys/P",
  ],
  database: ["roles/P", "static-roles/P", "rotate-role/P", "config/N", "rotate-root/N", "creds/P", "reset/N", "P"],
  pki: [
    ...["roles/P", "issue/N", "sign/N", "issuer/N", "issuer/N/revoke", "issuer/N/issue/N", "issuer/N/sign/N", "keys/N"],
    ...[
      "issuers/generate/root/internal",
      "issuers/import/bundle",
      "config/N",
      "revoke",
      "revoke-with-key",
      "tidy",
      "P",
    ],
    ...["root", "root/replace", "root/generate/internal", "root/rotate/N", "root/sign-intermediate", "intermediate/N"],
  ],
  sys: [
    ...["mounts/M", "mounts/M/tune", "remount", "namespaces/N", "namespaces/N/N", "auth/M", "auth/M/tune", "policy/N"],
    ...["mounts/auth/M/tune", "policies/acl/N", "policies/password/N", "policies/egp/N", "rotate", "seal", "unseal"],
    ...["leases/revoke", "leases/revoke/P/L", "leases/revoke/P/L", "revoke/P/L", "leases/renew", "leases/renew/P/L"],
    ...[
      "leases/revoke-prefix/P",
      "leases/revoke-prefix/P/L",
      "leases/revoke-force/P",
      "leases/lookup",
      "wrapping/wrap",
    ],
    ...[
      "leases/revoke/auth/M/login/L",
      "leases/revoke-prefix/auth/M",
      "leases/revoke-prefix/auth",
      "capabilities-self",
    ],
  ],
  auth: ["login", "login/N", "role/N", "role/N/secret-id", "users/N", "config", "oidc/callback", "oidc/role/N", "P"],
  token: [
    ...["create", "revoke", "revoke-accessor", "revoke-orphan", "renew", "lookup", "tidy", "roles/N"],
    ...["revoke-self", "renew-self", "lookup-self"],
  ],
  identity: ["entity", "entity/name/N", "group/id/N", "lookup/entity", "oidc/key/N", "mfa/method/N"],
};

const SUFFIX: Readonly<Record<string, string>> = { "": "", ns1: ".nsA", "ns1/inner": ".nsB", kv: ".nsC", data: ".nsD" };

function lease(random: Random): string {
  const letters = Array.from({ length: 24 }, () => pick(random, [..."abcXYZ019"])).join("");
  return `${letters}${pick(random, Object.values(SUFFIX))}`;
}

function filled(random: Random, template: string): string {
  return template
    .split("/")
    .map((part) => {
      if (part === "P") return somePath(random);
      if (part === "N") return pick(random, NAMES);
      if (part === "M") return somePath(random, 2);
      return part === "L" ? lease(random) : part;
    })
    .join("/");
}

/** An operation of any kind, by any server. */
export function someFacts(random: Random): Facts {
  const namespace = pick(random, NAMESPACES);
  const area = pick(random, ["engine", "engine", "engine", "sys", "sys", "auth", "token", "identity"]);
  const engine = pick(random, ENGINES);
  const mount = {
    ...{ sys: "sys", token: "auth/token", identity: "identity" },
    ...{ auth: `auth/${somePath(random, 2)}`, engine: somePath(random, 2) },
  }[area] as string;
  const templates = BELOW[area === "engine" ? engine : area] ?? BELOW.kv ?? [];
  const version = Math.floor(random() * 5);
  return {
    type: random() < 0.9 ? "response" : "request",
    operation: random() < 0.5 ? "update" : pick(random, OPERATIONS),
    isRefused: random() < 0.05,
    ...{ namespace, mount, path: `${mount}/${filled(random, pick(random, templates))}` },
    namespaceId: namespace === "" ? "root" : (SUFFIX[namespace] ?? "").slice(1),
    mountType: area === "engine" ? engine : area === "auth" ? "approle" : area,
    ...(version > 0 && area === "engine" && { version }),
  };
}

/** What users write into fields that an audit device does not hash: everything that a search could take for the line. */
const DECOYS: readonly object[] = [
  { type: "request", operation: "read", path: "auth/token/renew-self" },
  { type: "response", operation: "update", version: 77, error: "refused" },
  { text: '"type":"request","operation":"read"', request: { path: "kv/data/app", operation: "delete" } },
  { path: 'auth/token/revoke-self","operation":"list', namespace: { path: "ns1/" }, mount_point: "kv/" },
  {},
];

/** The line of these facts, in the order of names of one of the servers. */
export function lineOf(random: Random, facts: Facts): string {
  const { type, operation, isRefused, namespace, namespaceId, mount, mountType, path, version } = facts;
  // Relative to the namespace as well, where that can be told.
  const isRelative = namespace === "" || (random() < 0.1 && !mount.startsWith(`${namespace}/`));
  const point = isRelative ? `${mount}/` : `${namespace}/${mount}/`;
  const told = { mount_point: point, mount_type: mountType };
  const at = { namespace: { id: namespaceId, ...(namespace !== "" && { path: `${namespace}/` }) } };
  const answer = { ...pick(random, DECOYS), version };
  const data = { data: pick(random, DECOYS) };
  const id = "00000000-0000-4000-8000-000000000001";
  const auth = { display_name: pick(random, ["root", 'the "path"', "operation"]), policies: ["default"] };
  const response = type === "response" ? { response: { ...told, data: JSON.parse(JSON.stringify(answer)) } } : {};
  const error = isRefused ? { error: "1 error occurred:\n\t* permission denied\n\n" } : {};
  const time = { time: "2026-01-01T00:00:00Z" };
  const line =
    random() < 0.5
      ? { ...time, type, auth, request: { id, operation, ...told, ...at, path, ...data }, ...response, ...error }
      : { auth, ...error, request: { ...data, id, ...told, ...at, operation, path }, ...response, ...time, type };
  return written(random, line);
}

/** As the servers write it, as a shipper might write it again, and as nobody writes it. */
function written(random: Random, line: object): string {
  const text = JSON.stringify(line).replaceAll("&", "\\u0026").replaceAll("<", "\\u003c").replaceAll(">", "\\u003e");
  const how = random();
  if (how < 0.85) return text;
  if (how < 0.9) return JSON.stringify(line, undefined, 1);
  if (how < 0.95) return ` ${text}\n`;
  const word = pick(random, ["operation", "response", "update", "path", "type", "renew-self"]);
  return text.replaceAll(word, `\\u00${word.charCodeAt(0).toString(16)}${word.slice(1)}`);
}
