import { lacksAudience } from "../../declarations/login-method.ts";
import { parseSpec } from "../../declarations/parse.ts";
import type { VaultAuthSpec } from "../../declarations/vault-auth.ts";
import { SyncError } from "../../errors.ts";
import { partsOf, type ReferenceKey } from "../../keys.ts";
import type { Reference } from "../../ports/rows.ts";
import { apiVersionOf, VAULT_AUTH } from "../../resource-kinds.ts";
import { kubectl, shellWord } from "../../util/shell.ts";
import type { Check, Surveyed } from "../context.ts";
import { type DeclaredSync, shortName } from "../declared-work.ts";
import { type Finding, type FindingCode, finding, type Remedy } from "../finding.ts";
import { advice, commands, fleetChange, manifest, some } from "../remedies.ts";

/** What is wrong with declarations and what they name, as a run would say it. */
export const references: Check<Surveyed> = {
  subject: "declarations and their references",
  async find(surveyed) {
    const failed = surveyed.work.syncs.filter(({ outcome }) => outcome instanceof SyncError);
    const byCause = Map.groupBy(failed, (sync) => causeOf(surveyed, sync));
    return [...[...byCause.values()].map((syncs) => unresolved(surveyed, syncs)), ...withoutAudience(surveyed)];
  },
};

/** Syncs with one cause have one finding. */
function causeOf(surveyed: Surveyed, sync: DeclaredSync): string {
  const error = sync.outcome as SyncError;
  if (error.code === "SPEC_INVALID" || error.code === "UNSUPPORTED") return sync.key;
  return `${error.code} ${missingOf(surveyed, sync) ?? error.message}`;
}

/** The reference that is looked up in vain. Secrets are noted whether they are followed or not. */
function missingOf({ work }: Surveyed, { outcome, refs }: DeclaredSync): ReferenceKey | undefined {
  if ((outcome as SyncError).code !== "REFERENCE_MISSING") return undefined;
  return refs.find((ref) => partsOf(ref).kind !== "Secret" && work.reference(ref) === undefined);
}

const CODES: Readonly<Record<string, FindingCode>> = {
  REFERENCE_MISSING: "REFERENCE_MISSING",
  REFERENCE_NOT_ALLOWED: "REFERENCE_NOT_ALLOWED",
  REFERENCE_INVALID: "REFERENCE_INVALID",
  VAULT_ADDRESS_NOT_ALLOWED: "VAULT_ADDRESS_NOT_ALLOWED",
};

function unresolved(surveyed: Surveyed, syncs: readonly DeclaredSync[]): Finding {
  const [first] = syncs as readonly [DeclaredSync];
  const error = first.outcome as SyncError;
  const missing = missingOf(surveyed, first);
  const code = CODES[error.code] ?? "DECLARATION_INVALID";
  const where = missing === undefined ? whereOf(surveyed, first, code) : shortName(missing);
  const needs = `(${some(syncs.map(({ key }) => shortName(key)))})`;
  return finding(code, {
    cluster: surveyed.settings.name,
    where,
    what: `${error.message} ${needs}`,
    remedy: remedyOf(surveyed, first, missing),
  });
}

/** The VaultAuth or VaultConnection that a message is about. */
function whereOf({ work }: Surveyed, { key, refs }: DeclaredSync, code: FindingCode): string {
  const named = refs.filter((ref) => partsOf(ref).kind !== "Secret" && work.reference(ref) !== undefined);
  return shortName(code === "DECLARATION_INVALID" ? key : (named.at(-1) ?? key));
}

function remedyOf(surveyed: Surveyed, sync: DeclaredSync, missing: ReferenceKey | undefined): Remedy {
  const { lacks } = sync.outcome as SyncError;
  if (missing !== undefined) return newReference(surveyed, missing, partsOf(sync.key).namespace);
  const auth = authOf(surveyed, sync);
  if (auth === undefined || lacks === undefined) return advice("Correct the resource that the message names.");
  return lacks === "audience" ? audience(surveyed, auth) : allow(surveyed, auth, lacks.namespace);
}

interface FoundAuth {
  readonly key: ReferenceKey;
  readonly object: Reference;
}

/** The VaultAuth, or the VaultAuthGlobal beside it, whichever was looked up last. */
function authOf({ work }: Surveyed, { refs }: DeclaredSync): FoundAuth | undefined {
  const auths = refs.filter((ref) => partsOf(ref).kind.startsWith("VaultAuth")).toReversed();
  for (const key of auths) {
    const object = work.reference(key);
    if (object !== undefined) return { key, object };
  }
  return undefined;
}

function patch({ deps }: Surveyed, key: ReferenceKey, spec: object): string {
  const { kind, namespace, name } = partsOf(key);
  const change = shellWord(JSON.stringify({ spec }));
  return kubectl(
    deps.context,
    `patch ${kind.toLowerCase()} ${shellWord(name)} -n ${namespace} --type=merge -p ${change}`,
  );
}

function allow(surveyed: Surveyed, { key, object }: FoundAuth, namespace: string): Remedy {
  const { allowedNamespaces } = object.spec;
  const allowed = Array.isArray(allowedNamespaces) ? allowedNamespaces : [];
  return commands(
    [patch(surveyed, key, { allowedNamespaces: [...allowed, namespace] })],
    [`Lets namespace ${namespace} log in to Vault by this VaultAuth: check that it may.`],
  );
}

/** Vault's usual audience. */
const AUDIENCE = "vault";

/** First the role, then the VaultAuth: the other way round, Vault would ask the cluster about a token for nobody. */
function audience(surveyed: Surveyed, { key, object }: FoundAuth): Remedy {
  const { method = "kubernetes", kubernetes, mount } = object.spec as Partial<VaultAuthSpec>;
  const where = surveyed.settings.vault?.authMount ?? mount;
  const role = kubernetes?.role;
  if (method !== "kubernetes" || !where || !role) {
    return advice(
      `Set ${method}.audiences of the VaultAuth, and bound_audiences of its role, to the audience of Vault.`,
    );
  }
  return commands(
    [
      `vault write ${shellWord(`auth/${where}/role/${role}`)} audience=${AUDIENCE} &&`,
      `  ${patch(surveyed, key, { kubernetes: { audiences: [AUDIENCE] } })}`,
    ],
    ["Tokens for Vault get its audience. Change all VaultAuths with this role at the same time."],
  );
}

/** What the fleet says of the cluster's Vault makes a reference that others can start from. */
function newReference(surveyed: Surveyed, missing: ReferenceKey, by: string): Remedy {
  const { settings, deps } = surveyed;
  const { kind, namespace, name } = partsOf(missing);
  const apiVersion = apiVersionOf(VAULT_AUTH);
  const metadata = { name, namespace };
  if (kind === "VaultConnection") {
    const address = settings.vault?.address ?? deps.vaults[0]?.addresses[0];
    if (address === undefined) return advice("Create it with the address of your Vault (docs/resources.md).");
    return manifest([{ apiVersion, kind, metadata, spec: { address } }], ["A Vault of fleet.yaml."]);
  }
  if (kind !== "VaultAuth")
    return advice(`Create this ${kind} (docs/resources.md), or correct its name in the declaration.`);
  const spec = {
    method: "kubernetes",
    mount: settings.vault?.authMount ?? `kubernetes-${settings.name}`,
    ...(namespace === by ? {} : { allowedNamespaces: [by] }),
    kubernetes: { role: by, serviceAccount: "default", audiences: [AUDIENCE] },
  };
  return manifest(
    [{ apiVersion, kind, metadata, spec }],
    ["A login with a role in Vault that has the namespace's name. Run doctor again: it says what Vault needs for it."],
  );
}

/** VaultAuths in use whose tokens are good for the cluster's own API server, too. */
function withoutAudience(surveyed: Surveyed): readonly Finding[] {
  const { work, settings } = surveyed;
  const used = new Set(
    work.syncs
      .filter(({ outcome }) => !(outcome instanceof SyncError))
      .flatMap(({ refs }) => refs.filter((ref) => partsOf(ref).kind === "VaultAuth")),
  );
  return [...used].flatMap((key) => {
    const object = work.reference(key);
    const parsed = object && parseSpec("VaultAuth", object.spec);
    if (object === undefined || parsed === undefined || "complaints" in parsed || !lacksAudience(parsed.spec))
      return [];
    const remedy = audience(surveyed, { key, object });
    const what = "its tokens have the audience of the cluster's own API server";
    return [finding("AUDIENCE_MISSING", { cluster: settings.name, where: shortName(key), what, remedy })];
  });
}

/** For addresses that fleet.yaml does not name. */
export function nameVault(address: string): Remedy {
  const host = URL.parse(address)?.hostname ?? "";
  const name = host.replaceAll(/[^a-z0-9]+/g, "-").replaceAll(/^-|-$/g, "");
  return fleetChange({ vaults: [{ name: name === "" ? "vault" : name.slice(0, 63), addresses: [address] }] });
}
