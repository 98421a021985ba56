import { SECOND_MS } from "../clock.ts";
import { fingerprint } from "../digest.ts";
import { SyncError } from "../errors.ts";
import { trustAnchors } from "../fleet/vaults.ts";
import type { FleetFiles } from "../ports/fleet-files.ts";
import type { FileIdentity, FleetVault, LentIdentity } from "../ports/fleet-vault.ts";
import type { VaultIdentity } from "../ports/vault.ts";

/** Two requests, one after the other, must end before the request to the cluster that waits for them does (8 s). */
export const REQUEST_MS = 3 * SECOND_MS;

/** The mount of a login whose identity names none. */
const MOUNTS = { aws: "aws", jwt: "jwt", kubernetes: "kubernetes", appRole: "approle" } as const;

/** A Vault and one of its identities, by their names in fleet.yaml. */
export interface OwnName {
  readonly vault: string;
  readonly identity: string;
}

export interface IdentityDeps {
  /** The Vaults of the current fleet. */
  readonly vaults: () => readonly FleetVault[];
  readonly files: FleetFiles;
}

/** How keyferry logs in as one of its own identities. Reads the CA file of the Vault. */
export async function ownIdentity(deps: IdentityDeps, { vault: name, identity: own }: OwnName): Promise<VaultIdentity> {
  const vault = deps.vaults().find((one) => one.name === name);
  const identity = vault?.identities.find((one) => one.name === own);
  const reached = await ownTarget(deps, name);
  if (identity === undefined || reached === undefined) {
    throw new SyncError("REFERENCE_INVALID", `fleet.yaml has no identity ${name}/${own} in vaults: add it`);
  }
  const rest = {
    ...reached,
    mount: identity.mount ?? MOUNTS[identity.method],
    headers: {},
    method: methodOf(identity),
  };
  return { id: fingerprint("own", JSON.stringify(rest)), ...rest };
}

/** How keyferry itself reaches a Vault of fleet.yaml; undefined when fleet.yaml has none of this name. */
export async function ownTarget(
  { vaults, files }: IdentityDeps,
  name: string,
): Promise<Pick<VaultIdentity, "target" | "namespace"> | undefined> {
  const vault = vaults().find((one) => one.name === name);
  const [address] = vault?.addresses ?? [];
  if (vault === undefined || address === undefined) return undefined;
  const signal = AbortSignal.timeout(REQUEST_MS);
  const caPem = vault.caFile === undefined ? {} : { caPem: await trustAnchors(vaults, files)(name, signal) };
  const target = { address, headers: {}, skipTlsVerify: false, timeoutMs: REQUEST_MS, ...caPem };
  const { namespace } = vault;
  return { target, ...(namespace === undefined ? {} : { namespace: namespace.replace(/^\/|\/$/g, "") }) };
}

function methodOf(identity: LentIdentity | FileIdentity): VaultIdentity["method"] {
  if (identity.method === "aws") {
    const { role, headerValue, region } = identity;
    const credential = { kind: "process" } as const;
    return { kind: "aws", role, credential, headerValue, ...(region === undefined ? {} : { region }) };
  }
  if (identity.method === "appRole") {
    const { roleId, secretIdFile } = identity;
    return { kind: "appRole", roleId, credential: { kind: "file", path: secretIdFile } };
  }
  const { method, role, tokenFile } = identity;
  return { kind: method, role, credential: { kind: "file", path: tokenFile } };
}
