import { SyncError } from "../../errors.ts";
import type { VaultIdentity } from "../../ports/vault.ts";
import { kubectl, shellWord } from "../../util/shell.ts";
import type { Surveyed } from "../context.ts";
import { shortName } from "../declared-work.ts";
import { type Finding, finding } from "../finding.ts";
import { advice, commands, manifest, some } from "../remedies.ts";
import { type LoginGroup, loginName } from "./login-group.ts";
import type { VaultRight } from "./needed.ts";
import { grantEvents, grantRights, hcl, isPlain, loginRefusal } from "./vault-remedies.ts";

/**
 * Logs in, asks what the token may do, and revokes it. `identity` has the CA of its Vault. `hasEvents`: it is Vault
 * Enterprise.
 */
export async function loginFindings(
  surveyed: Surveyed,
  login: LoginGroup,
  identity: VaultIdentity,
  hasEvents: boolean,
): Promise<readonly Finding[]> {
  const { deps, signal } = surveyed;
  try {
    const events = hasEvents ? login.events : [];
    const paths = [...new Set([...login.rights, ...events].map(({ path }) => path))];
    const { policies, capabilities } = await deps.examiner.rights(identity, paths, signal);
    if (capabilities === undefined) return [notAllowedToAsk(surveyed, login)];
    const lacks = ({ path, capability }: VaultRight): boolean => !has(capabilities.get(path), capability);
    return [
      ...rightsMissing(surveyed, login, login.rights.filter(lacks), policies),
      ...eventsMissing(surveyed, login, events.filter(lacks), policies),
    ];
  } catch (error) {
    if (!(error instanceof SyncError)) throw error;
    return await failedLogin(surveyed, login, identity, error);
  }
}

function rightsMissing(
  surveyed: Surveyed,
  login: LoginGroup,
  missing: readonly VaultRight[],
  policies: readonly string[],
): readonly Finding[] {
  if (missing.length === 0) return [];
  const what = `the policies of this login (${policies.join(", ")}) do not allow ${some(missing.map(rightText))}`;
  const remedy = grantRights(surveyed, login, missing, policies);
  return [finding("VAULT_RIGHT_MISSING", { cluster: surveyed.settings.name, where: loginName(login), what, remedy })];
}

/** Syncs work without events, but are slower. */
function eventsMissing(
  surveyed: Surveyed,
  login: LoginGroup,
  missing: readonly VaultRight[],
  policies: readonly string[],
): readonly Finding[] {
  if (missing.length === 0) return [];
  const what =
    `syncConfig.instantUpdates has no effect: the policies of this login (${policies.join(", ")}) do not allow ` +
    some(missing.map(rightText));
  const remedy = grantEvents(missing);
  return [finding("EVENTS_RIGHT_MISSING", { cluster: surveyed.settings.name, where: loginName(login), what, remedy })];
}

function rightText({ path, capability }: VaultRight): string {
  return `${capability} ${path}`;
}

function has(capabilities: readonly string[] = [], wanted: string): boolean {
  return capabilities.includes("root") || (capabilities.includes(wanted) && !capabilities.includes("deny"));
}

function notAllowedToAsk(surveyed: Surveyed, login: LoginGroup): Finding {
  const right: VaultRight = { path: "sys/capabilities-self", capability: "update" };
  return finding("RIGHTS_NOT_CHECKED", {
    cluster: surveyed.settings.name,
    where: loginName(login),
    what: "the token may not ask for its own capabilities, which Vault's policy default allows",
    remedy: isPlain(right)
      ? advice(`Attach policy default, or: ${hcl([right]).join(" ")}`)
      : advice("Attach policy default."),
  });
}

async function failedLogin(
  surveyed: Surveyed,
  login: LoginGroup,
  reached: VaultIdentity,
  error: SyncError,
): Promise<readonly Finding[]> {
  const { settings, missingRights, deps, signal } = surveyed;
  const { credential } = login.identity.method;
  const about = { cluster: settings.name, what: `${error.message} (${some(login.keys.map(shortName))})` };
  if (error.code === "KUBE_DENIED") {
    // Most are among the missing rights already.
    if (missingRights.length > 0) return [];
    return [
      finding("RIGHT_MISSING", {
        ...about,
        where: loginName(login),
        remedy: advice("Grant it (infra/kubernetes/rbac.yaml)."),
      }),
    ];
  }
  if (error.code === "REFERENCE_MISSING" && credential.kind === "serviceAccount") {
    const { namespace, name } = credential;
    const account = { apiVersion: "v1", kind: "ServiceAccount", metadata: { name, namespace } };
    const where = `ServiceAccount ${namespace}/${name}`;
    return [finding("SERVICE_ACCOUNT_MISSING", { ...about, where, remedy: manifest([account]) })];
  }
  if (error.code === "REFERENCE_MISSING" && credential.kind === "secret") {
    const { namespace, name, key } = credential;
    const remedy = commands(
      [
        kubectl(
          deps.context,
          `create secret generic ${shellWord(name)} -n ${namespace} --from-file=${shellWord(key)}=./credential`,
        ),
      ],
      ["credential: a file with what Vault gave you, such as a secret id."],
    );
    return [finding("CREDENTIAL_MISSING", { ...about, where: `Secret ${namespace}/${name}`, remedy })];
  }
  if (error.code !== "VAULT_LOGIN_REFUSED" && error.code !== "VAULT_DENIED" && error.code !== "VAULT_PATH_MISSING") {
    return [finding("CHECK_FAILED", { ...about, where: loginName(login) })];
  }
  const isMounted = await deps.examiner.isMounted(reached, signal);
  const remedy = loginRefusal(surveyed, login, isMounted ? error.message : undefined);
  return [
    finding(isMounted ? "VAULT_LOGIN_REFUSED" : "VAULT_MOUNT_MISSING", { ...about, where: loginName(login), remedy }),
  ];
}
