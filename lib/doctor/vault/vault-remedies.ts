import { fingerprint } from "../../digest.ts";
import type { VaultIdentity } from "../../ports/vault.ts";
import { accountYaml, reviewerBinding, tokenOf, tokenYaml, waitForToken } from "../../rights/accounts.ts";
import { kubectl, shellWord } from "../../util/shell.ts";
import type { Surveyed } from "../context.ts";
import { shortName } from "../declared-work.ts";
import type { Remedy } from "../finding.ts";
import { advice, commands, some } from "../remedies.ts";
import { type LoginGroup, namespacesOf } from "./login-group.ts";
import type { VaultRight } from "./needed.ts";

/** A path with one of these means more in a policy than it says in a declaration. */
const SPECIAL = /["\\*+{}$\p{Cc}]/u;

export function isPlain({ path }: VaultRight): boolean {
  return !SPECIAL.test(path);
}

/** Statements of a policy, each with the declaration that asks for it. */
export function hcl(rights: readonly VaultRight[]): readonly string[] {
  return rights.flatMap(({ path, capability, by }) => [
    ...(by === undefined ? [] : [`# ${shortName(by)}`]),
    `path "${path}" {`,
    `  capabilities = ["${capability}"]`,
    ...(capability === "subscribe" ? ['  subscribe_event_types = ["kv*"]'] : []),
    "}",
  ]);
}

const CHECK = "Declarations may ask for anything: check that these namespaces may have it:";

/** A vault command in the Vault namespace of the login. */
function vault({ namespace }: VaultIdentity, verb: string): string {
  return `vault ${verb}${namespace ? ` -namespace=${shellWord(namespace)}` : ""}`;
}

function at(identity: VaultIdentity): string {
  return `VAULT_ADDR=${identity.target.address}`;
}

/** A policy of its own, attached to the role; where the role's name is not known, it is appended to one that the login has. */
export function grantRights(
  surveyed: Surveyed,
  login: LoginGroup,
  missing: readonly VaultRight[],
  policies: readonly string[],
): Remedy {
  const { identity } = login;
  const { method, mount } = identity;
  const odd = missing.filter((right) => !isPlain(right));
  if (odd.length > 0) {
    return advice(
      `Allow these paths in a policy of the login, with care, as they have characters that mean more there: ${some(odd.map(({ path }) => path))}`,
    );
  }
  const reasons = reasonsOf(login);
  if (method.kind === "kubernetes") {
    const name = policyName(surveyed.settings.name, method.role, missing);
    return commands(
      [
        ...writePolicy(identity, name, missing),
        ...addTo(identity, { mount, role: method.role, field: "token_policies" }, [name]),
      ],
      reasons,
    );
  }
  const own = policies.find((policy) => policy !== "default" && policy !== "root");
  if (own === undefined) return advice(`Attach a policy to the role of this login: ${hcl(missing).join(" ")}`);
  const lines = [
    // A write replaces the policy, so that one which could not be read is not written.
    `p="$(${vault(identity, "policy read")} ${shellWord(own)})" && [ -n "$p" ] && { printf '%s\\n' "$p"; cat <<'EOF'`,
    ...hcl(missing),
    "EOF",
    `} | ${vault(identity, "policy write")} ${shellWord(own)} -`,
  ];
  return commands(lines, reasons);
}

/** A comment ends a line. */
const withoutBy = ({ by: _by, ...right }: VaultRight): VaultRight => right;

/** Subscriptions are an option, so nobody has to run commands for them. */
export function grantEvents(missing: readonly VaultRight[]): Remedy {
  const odd = missing.filter(({ path, ...right }) => !isPlain({ ...right, path: path.replace(/\/kv\*$/, "/kv") }));
  return advice(
    odd.length === 0
      ? `Allow this in a policy of the login: ${hcl(missing.map(withoutBy)).join(" ")}`
      : `Allow list and subscribe on these paths in a policy of the login, with care, as they have characters that mean more there: ${some(odd.map(({ path }) => path))}`,
  );
}

function policyName(cluster: string, role: string, rights: readonly VaultRight[]): string {
  const plain = role.toLowerCase().replaceAll(/[^a-z0-9-]+/g, "-");
  const content = fingerprint(...rights.map(({ path, capability }) => `${capability} ${path}`));
  return `keyferry-${cluster}-${plain}-${content
    .toLowerCase()
    .replaceAll(/[^a-z0-9]/g, "")
    .slice(0, 8)}`;
}

function writePolicy(identity: VaultIdentity, name: string, rights: readonly VaultRight[]): readonly string[] {
  return [`${vault(identity, "policy write")} ${name} - <<'EOF'`, ...hcl(rights), "EOF"];
}

/** Reads and writes, because a write of a list replaces it: what could not be read as a whole is not written. */
function addTo(
  identity: VaultIdentity,
  { mount, role, field }: { readonly mount: string; readonly role: string; readonly field: string },
  values: readonly string[],
): readonly string[] {
  const path = shellWord(`auth/${mount}/role/${role}`);
  const program = `.data | objects | .${field} + ${JSON.stringify(values)} | unique | join(",")`;
  return [
    `r="$(${vault(identity, "read")} -format=json ${path})" && v="$(printf '%s' "$r" | jq -er ${shellWord(program)})" &&`,
    `  [ -n "$v" ] && ${vault(identity, "write")} ${path} ${field}="$v"`,
  ];
}

/** Vault's own rule for names; others can't be created. */
const ROLE_NAME = /^\w(?:[\w.-]*\w)?$/;

/**
 * By the words that lib/vault/vault-errors.ts chose for Vault's answer. Without a message: nothing is mounted there.
 */
export function loginRefusal(surveyed: Surveyed, login: LoginGroup, message: string | undefined): Remedy {
  const { identity } = login;
  const { method, mount } = identity;
  if (method.kind !== "kubernetes" || method.credential.kind !== "serviceAccount") {
    return advice("Check role, mount and credential of the VaultAuth, and the role's settings in Vault.");
  }
  if (!ROLE_NAME.test(method.role)) return advice("Vault can't have a role of this name: correct it in the VaultAuth.");
  if (message === undefined) return newMount(surveyed, login);
  const { name, audiences } = method.credential;
  const add = (field: string, values: readonly string[]) =>
    commands(addTo(identity, { mount, role: method.role, field }, values), reasonsOf(login));
  if (message.includes("no such role")) return newRole(surveyed, login, name, audiences);
  if (message.includes("allow this service account's namespace")) {
    return add("bound_service_account_namespaces", namespacesOf(login));
  }
  if (message.includes("allow this service account")) return add("bound_service_account_names", [name]);
  if (message.includes("audience")) return newAudience(login, method.role, audiences[0] ?? "");
  if (message.includes("not configured")) return configuredMount(surveyed, login);
  return mountOrReviewer(surveyed, login);
}

function reasonsOf(login: LoginGroup): readonly string[] {
  return [at(login.identity), `${CHECK} ${some(namespacesOf(login))}`];
}

function newAudience(login: LoginGroup, role: string, audience: string): Remedy {
  const { identity } = login;
  if (audience === "") return advice("Set audiences of the VaultAuth to the audience of its role in Vault.");
  return commands(
    [`${vault(identity, "write")} ${shellWord(`auth/${identity.mount}/role/${role}`)} audience=${shellWord(audience)}`],
    [...reasonsOf(login), "The audience that the VaultAuth names. Other VaultAuths with this role must name it, too."],
  );
}

/** The role with a policy for all that is declared with it. */
function newRole(surveyed: Surveyed, login: LoginGroup, account: string, audiences: readonly string[]): Remedy {
  const { identity, rights } = login;
  const { method, mount } = identity;
  if (method.kind !== "kubernetes" || !rights.every(isPlain)) {
    return advice("Create the role, with a policy for the paths that are declared.");
  }
  const name = policyName(surveyed.settings.name, method.role, rights);
  const [audience] = audiences;
  const settings = [
    `bound_service_account_names=${shellWord(account)}`,
    `bound_service_account_namespaces=${namespacesOf(login).join(",")}`,
    ...(audience === undefined ? [] : [`audience=${shellWord(audience)}`]),
    `token_policies=${name}`,
    "token_ttl=1h",
  ];
  return commands(
    [
      ...writePolicy(identity, name, rights),
      `${vault(identity, "write")} ${shellWord(`auth/${mount}/role/${method.role}`)} ${settings.join(" ")}`,
    ],
    reasonsOf(login),
  );
}

const REVIEWER = "keyferry-vault-reviewer";

/** What Vault asks the cluster about tokens with: an account that may review them. Without its token nothing is set. */
function reviewer(surveyed: Surveyed, identity: VaultIdentity): readonly string[] {
  const { origin, prefix } = surveyed.connection;
  const { operatorNamespace: namespace } = surveyed.settings;
  const { context } = surveyed.deps;
  const account = { namespace, name: REVIEWER };
  const yaml = [accountYaml(account), tokenYaml(account), reviewerBinding(account)].join("---\n").trimEnd();
  const ca = kubectl(context, `get configmap kube-root-ca.crt -n ${namespace} -o jsonpath='{.data.ca\\.crt}'`);
  const config = shellWord(`auth/${identity.mount}/config`);
  return [
    `${kubectl(context, "apply -f -")} <<'EOF' &&`,
    ...yaml.split("\n"),
    "EOF",
    `${waitForToken(context, account)} &&`,
    `  t="$(${tokenOf(context, account)})" && [ -n "$t" ] && ca="$(${ca})" && [ -n "$ca" ] &&`,
    `  printf '%s' "$t" | ${vault(identity, "write")} ${config} token_reviewer_jwt=- disable_local_ca_jwt=true \\`,
    `    kubernetes_host=${shellWord(`${origin}${prefix}`)} kubernetes_ca_cert="$ca"`,
  ];
}

function newMount(surveyed: Surveyed, { identity }: LoginGroup): Remedy {
  return commands(
    [
      `${vault(identity, "auth enable")} -path=${shellWord(identity.mount)} kubernetes`,
      ...reviewer(surveyed, identity),
    ],
    [at(identity), "Mounts the login, and lets Vault review tokens of this cluster by an account of its own."],
  );
}

function configuredMount(surveyed: Surveyed, { identity }: LoginGroup): Remedy {
  return commands(reviewer(surveyed, identity), [at(identity), "Lets Vault review tokens of this cluster."]);
}

/** Vault says no more than `permission denied` here, so each reason is listed. */
function mountOrReviewer(surveyed: Surveyed, { identity }: LoginGroup): Remedy {
  const mount = shellWord(`auth/${identity.mount}/config`);
  return advice(
    `Vault says no more. Check in this order: ${vault(identity, "read")} ${mount} (is it mounted, and does kubernetes_host lead Vault to ${surveyed.connection.origin}?), ` +
      "the reviewer's token and its role system:auth-delegator, and the role's bound names, namespaces and audience.",
  );
}
