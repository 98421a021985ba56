import { SECOND_MS } from "../../clock.ts";
import { fingerprint } from "../../digest.ts";
import { SyncError } from "../../errors.ts";
import type { ClusterSettings } from "../../ports/fleet.ts";
import type { PushSettings } from "../../ports/fleet-push.ts";
import type { VaultIdentity, VaultTarget } from "../../ports/vault.ts";
import { canonical } from "../../util/canonical.ts";
import { normalAddress } from "../../vault-address.ts";
import { trimSlashes } from "../identity.ts";
import { vaultAt } from "../lent-identity.ts";

const TIMEOUT_MS = 8 * SECOND_MS;

/** The shortest validity that an API server accepts: a login uses the token at once. */
const TOKEN_SECONDS = 600;

/** The address of the Vault that fleet.yaml names for the pushes of a cluster. Throws REFERENCE_INVALID. */
function addressOf({ name: cluster, vault, vaults = [] }: ClusterSettings, push: PushSettings): string {
  const named = push.vault ?? vault?.name;
  const address = named === undefined ? vault?.address : vaults.find(({ name }) => name === named)?.addresses[0];
  if (address !== undefined) return normalAddress(address);
  const message = `push.vault of cluster ${cluster} is not the name of one of vaults in fleet.yaml: correct it`;
  throw new SyncError("REFERENCE_INVALID", message);
}

/** How what objects of this namespace push logs in to Vault: all of it is in fleet.yaml. Throws REFERENCE_INVALID. */
export function pushIdentity(cluster: ClusterSettings, push: PushSettings, namespace: string): VaultIdentity {
  const address = addressOf(cluster, push);
  const known = vaultAt(cluster, address);
  const { method: kind, role, mount, serviceAccount, audiences } = push.identity;
  const target: VaultTarget = {
    address,
    cluster: cluster.name,
    place: `${cluster.name}/${namespace}`,
    headers: {},
    ...(known?.caFile === undefined ? {} : { caOf: known.name }),
    skipTlsVerify: false,
    timeoutMs: TIMEOUT_MS,
  };
  const credential = {
    kind: "serviceAccount" as const,
    cluster: cluster.name,
    namespace: serviceAccount.namespace ?? namespace,
    name: serviceAccount.name,
    audiences,
    expirationSeconds: TOKEN_SECONDS,
  };
  const vaultNamespace = trimSlashes(push.identity.namespace ?? known?.namespace ?? "");
  const login = { mount: trimSlashes(mount), headers: {}, method: { kind, role, credential } };
  return {
    id: fingerprint(
      "push",
      cluster.name,
      address,
      vaultNamespace,
      canonical({ ...login, method: { kind, role, credential } }),
    ),
    target,
    ...(vaultNamespace === "" ? {} : { namespace: vaultNamespace }),
    ...login,
  };
}
