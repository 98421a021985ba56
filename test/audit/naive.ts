import type { Facts } from "./generated.ts";

/**
 * What a change means for one place, from the place's view: which operations would change what is read there? Each
 * place names the paths of Vault's API that it depends on, and the operation is looked up among them.
 */
export interface Touch {
  readonly version?: number;
  readonly forget?: boolean;
  readonly lease?: boolean;
}

const CHANGES = ["create", "update", "patch", "delete", "recover"];
const RANDOM_PART = /^[0-9A-Za-z]{24}(\.[^./]+)?$/;

export function isChange({ type, operation, isRefused, path }: Facts): boolean {
  const isSelf = ["renew", "revoke", "lookup"].some((verb) => path === `auth/token/${verb}-self`);
  return type === "response" && CHANGES.includes(operation) && !isRefused && !isSelf;
}

/** `place` is absolute, as in the index of places. Undefined: the operation does not concern it. */
export function touchOf(facts: Facts, place: string): Touch | undefined {
  if (!isChange(facts)) return undefined;
  const [first] = facts.path.split("/");
  if (first === "sys") return bySystem(facts, place);
  if (first === "auth" || first === "identity") return undefined;
  const mount = `${inNamespace(facts, facts.mount)}/`;
  if (!`${place}/`.startsWith(mount)) return undefined;
  const rest = place.slice(mount.length);
  const below = facts.path.slice(facts.mount.length + 1);
  if (facts.mountType === "kv" || facts.mountType === "generic") return inKv(facts, below, rest);
  if (facts.mountType === "database") return inDatabase(below, rest);
  return facts.mountType === "pki" ? inPki(below, rest) : undefined;
}

const inNamespace = ({ namespace }: Facts, path: string): string => (namespace === "" ? path : `${namespace}/${path}`);

function inKv({ operation, version }: Facts, below: string, rest: string): Touch | undefined {
  if (below === "config") return {};
  if (rest === "") return undefined;
  if (below === `data/${rest}`) return version === undefined ? {} : { version };
  if (below === `metadata/${rest}`) return operation === "delete" ? { forget: true } : {};
  if (["delete", "undelete", "destroy"].some((verb) => below === `${verb}/${rest}`)) return {};
  const isSurelyV2 = below.startsWith("data/") && below.length > 5 && version !== undefined;
  return below === rest && !isSurelyV2 ? {} : undefined;
}

function inDatabase(below: string, rest: string): Touch | undefined {
  const [folder, ...more] = below.split("/");
  if ((folder === "config" || folder === "rotate-root") && more.length > 0) return {};
  const [kind, ...role] = rest.split("/");
  const name = role.join("/");
  if (name === "") return undefined;
  const writers = kind === "creds" ? ["roles"] : kind === "static-creds" ? ["static-roles", "rotate-role"] : [];
  return writers.some((writer) => below === `${writer}/${name}`) ? {} : undefined;
}

function inPki(below: string, rest: string): Touch | undefined {
  const [folder = "", second, third, ...more] = below.split("/");
  const isOfMount =
    (["config", "intermediate"].includes(folder) && second !== undefined) ||
    ["revoke", "revoke-with-key", "root", "root/replace"].includes(below) ||
    (folder === "issuers" && ["generate", "import"].includes(second ?? "") && third !== undefined) ||
    (folder === "root" && ["generate", "rotate"].includes(second ?? "") && third !== undefined && more.length === 0) ||
    (folder === "issuer" && second !== undefined && (third === undefined || third === "revoke") && more.length === 0);
  if (isOfMount) return {};
  const role = /^issue\/(.+)$/s.exec(rest)?.[1];
  if (role !== undefined && below === `roles/${role}`) return {};
  // By an issuer: whatever follows any `issue/` of the path may be the role.
  if (!rest.startsWith("issuer/")) return undefined;
  const parts = rest.split("/");
  const roles = parts.flatMap((part, at) => (at > 0 && part === "issue" ? [parts.slice(at + 1).join("/")] : []));
  return roles.some((name) => name !== "" && below === `roles/${name}`) ? {} : undefined;
}

/** The path and all that are above it. */
function upwards(path: string): readonly string[] {
  const parts = path.split("/");
  return parts.map((_part, at) => parts.slice(0, at + 1).join("/"));
}

function bySystem(facts: Facts, place: string): Touch | undefined {
  for (const above of upwards(place)) {
    const touch = byPathAbove(facts, above);
    if (touch !== undefined) return touch;
  }
  return isLeaseOf(facts, place) ? { lease: true } : undefined;
}

/** `above`: the place, or a mount or folder that it is in. */
function byPathAbove({ namespace, path, operation }: Facts, above: string): Touch | undefined {
  if (namespace !== "" && !above.startsWith(`${namespace}/`)) return undefined;
  const mount = namespace === "" ? above : above.slice(namespace.length + 1);
  if (mount === "auth" || mount.startsWith("auth/")) return undefined;
  if (path === `sys/mounts/${mount}/tune`) return {};
  if (path === `sys/mounts/${mount}`) return operation === "delete" ? { lease: true } : {};
  const verbs = ["leases/revoke-prefix", "leases/revoke-force", "revoke-prefix", "revoke-force"];
  return verbs.some((verb) => path === `sys/${verb}/${mount}`) ? { lease: true } : undefined;
}

/** A revocation of one lease, which belongs to the namespace that its id ends with. */
function isLeaseOf({ path, namespace, namespaceId }: Facts, place: string): boolean {
  const parts = path.split("/");
  const id = parts.at(-1) ?? "";
  const [, suffix] = id.split(".");
  const isPrefix = ["revoke-prefix", "revoke-force"].some((verb) => parts[1] === verb || parts[2] === verb);
  if (isPrefix && !RANDOM_PART.test(id)) return false;
  const [home, ofHome] = suffix === undefined ? ["", true] : [`${namespace}/`, suffix === namespaceId];
  if (!ofHome || !place.startsWith(home) || place.startsWith(`${home}auth/`)) return false;
  const asked = place.slice(home.length);
  const verbs = isPrefix ? ["revoke-prefix", "revoke-force"] : ["revoke"];
  return verbs.some((verb) => [`sys/leases/${verb}/${asked}/${id}`, `sys/${verb}/${asked}/${id}`].includes(path));
}

/** Whether every row of the Vault, or every one with leases, may be meant. */
export function isSweep(facts: Facts): boolean {
  if (!isChange(facts)) return false;
  if (endsTokens(facts)) return true;
  const { path, operation, namespaceId } = facts;
  if (["sys/leases/revoke", "sys/revoke", "sys/remount"].includes(path)) return true;
  if (path.startsWith("sys/namespaces/")) return operation === "delete";
  const [, ...rest] = path.split("/");
  if (rest[0] === "leases") rest.shift();
  const verb = rest.shift();
  const id = rest.at(-1) ?? "";
  const [, suffix = namespaceId] = id.split(".");
  if (rest.length < 2 || rest[0] === "auth" || !path.startsWith("sys/") || suffix === namespaceId) return false;
  return verb === "revoke" || ((verb === "revoke-prefix" || verb === "revoke-force") && RANDOM_PART.test(id));
}

/** Tokens end, and all leases that were asked for with them. */
function endsTokens({ path, mount, operation }: Facts): boolean {
  if (mount === "auth/token") return ["revoke", "revoke-accessor", "revoke-orphan"].includes(path.split("/")[2] ?? "");
  const parts = path.split("/").filter((part, at) => !(at === 1 && part === "leases"));
  if (parts[0] !== "sys") return false;
  const [, verb = "", area, ...below] = parts;
  if (["revoke", "revoke-prefix", "revoke-force"].includes(verb)) return area === "auth";
  const isOfLogin = verb === "auth" || (verb === "mounts" && area === "auth" && below.length > 0);
  return isOfLogin && operation === "delete";
}

/** Whether tokens of a login mount, absolute, are in doubt. */
export function isDoubted(facts: Facts, login: string): boolean {
  if (!isChange(facts)) return false;
  const { path, mount } = facts;
  const [area, second, third] = path.split("/");
  if (area === "identity") return second !== "lookup" && second !== "oidc";
  if (area === "sys") return isDoubtedBySystem(path, relative(facts, login));
  if (area !== "auth") return false;
  if (mount === "auth/token") return ["revoke", "revoke-accessor", "revoke-orphan"].includes(third ?? "");
  return login === inNamespace(facts, mount) && !isLogin(path.slice(mount.length + 1));
}

function isDoubtedBySystem(path: string, login: string): boolean {
  const [, second, third, fourth] = path.split("/");
  if (second === "policy") return third !== undefined;
  if (second === "policies") return ["acl", "rgp", "egp"].includes(third ?? "") && fourth !== undefined;
  const [verb, prefix] = second === "leases" ? [third, fourth] : [second, third];
  if (["revoke", "revoke-prefix", "revoke-force"].includes(verb ?? "")) return prefix === "auth";
  return [`sys/${login}`, `sys/${login}/tune`, `sys/mounts/${login}/tune`].includes(path);
}

const relative = ({ namespace }: Facts, login: string): string =>
  namespace === "" || !login.startsWith(`${namespace}/`) ? login : login.slice(namespace.length + 1);

function isLogin(below: string): boolean {
  return below.split("/")[0] === "login" || ["oidc/auth_url", "oidc/callback", "oidc/poll"].includes(below);
}
