import { SECOND_MS } from "../clock.ts";
import { SyncError } from "../errors.ts";
import type { ClusterSettings } from "../ports/fleet.ts";
import type { FleetVault, LentIdentity } from "../ports/fleet-vault.ts";
import type { AwsMethod, VaultTarget } from "../ports/vault.ts";

/** The Vault in fleet.yaml with this address. */
export function vaultAt({ vaults = [] }: Pick<ClusterSettings, "vaults">, address: string): FleetVault | undefined {
  return vaults.find(({ addresses }) => addresses.includes(address));
}

/** How long a Vault works on a request at most, unless fleet.yaml says otherwise (Vault's max_request_duration). */
const MAX_REQUEST_MS = 90 * SECOND_MS;

/** How long the Vault with this address works on one request at most. */
export function maxRequestMsOf(settings: Pick<ClusterSettings, "vaults">, address: string): number {
  return vaultAt(settings, address)?.maxRequestDurationMs ?? MAX_REQUEST_MS;
}

export interface Login {
  /** The VaultAuth's name in messages. */
  readonly subject: string;
  readonly method: AwsMethod;
  readonly mount: string;
  readonly target: VaultTarget;
}

function refused(subject: string, what: string): SyncError {
  return new SyncError("REFERENCE_NOT_ALLOWED", `${subject} would log in with keyferry's own AWS identity, ${what}`);
}

function lentTo(cluster: ClusterSettings, { method, mount, target }: Login): [FleetVault, LentIdentity] | undefined {
  const vault = vaultAt(cluster, target.address);
  if (vault === undefined) return undefined;
  const lent = cluster.vault?.identities ?? [];
  const found = vault.identities.find(
    (identity): identity is LentIdentity =>
      identity.method === "aws" &&
      lent.includes(`${vault.name}/${identity.name}`) &&
      identity.role === method.role &&
      (identity.mount ?? mount) === mount,
  );
  return found && [vault, found];
}

/** A VaultAuth must not contradict fleet.yaml. */
function mustAgree({ subject, method }: Login, vault: FleetVault, identity: LentIdentity): void {
  const others = (["headerValue", "region"] as const).filter(
    (field) => method[field] !== undefined && identity[field] !== undefined && method[field] !== identity[field],
  );
  if (others.length === 0) return;
  const fields = others.map((field) => `spec.aws.${field}`).join(" and ");
  const from = `identity ${vault.name}/${identity.name} of fleet.yaml`;
  throw refused(subject, `but its ${fields} differs from that of ${from}: remove it, since fleet.yaml's is used`);
}

/** Only fleet.yaml chooses which server keyferry proves its identity to, not an author of VaultConnections. */
function trustedTarget({ subject, target }: Login, vault: FleetVault): VaultTarget {
  const { caRef, tlsServerName, skipTlsVerify, ...rest } = target;
  if (skipTlsVerify || tlsServerName !== undefined) {
    const field = skipTlsVerify ? "skipTLSVerify" : "tlsServerName";
    throw refused(subject, `which no VaultConnection with ${field} can have: set caFile of vaults ${vault.name}`);
  }
  if (vault.caFile !== undefined) return { ...rest, skipTlsVerify, caOf: vault.name };
  if (caRef === undefined) return target;
  throw refused(subject, `to a Vault whose CA comes from a Secret of the cluster: set caFile of vaults ${vault.name}`);
}

/**
 * A login with the identity of this process, which the whole fleet shares. So fleet.yaml decides which clusters may use
 * it, with which address and role, and for which Vault its signature is valid. Other logins are unchanged.
 */
export function withLentIdentity(cluster: ClusterSettings, login: Login): Pick<Login, "method" | "target"> {
  const { subject, method, target } = login;
  const found = lentTo(cluster, login);
  if (found === undefined) {
    const remedy = `add one of its identities to the cluster's vault.identities, or set secretRef or irsaServiceAccount`;
    const to = `cluster ${cluster.name} for role ${method.role} of ${target.address}`;
    throw refused(subject, `which fleet.yaml does not lend to ${to}: name that Vault under vaults, ${remedy}`);
  }
  const [vault, identity] = found;
  mustAgree(login, vault, identity);
  const { headerValue, region } = identity;
  return {
    method: { ...method, headerValue, ...(region === undefined ? {} : { region }) },
    target: trustedTarget(login, vault),
  };
}
