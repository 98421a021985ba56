import { FLEET_API_VERSION } from "../lib/fleet/schema.ts";

/** The fleet.yaml that `keyferry init` writes. */
export function firstFleet({
  cluster,
  vaultAddress,
  schema,
}: {
  readonly cluster: string;
  readonly vaultAddress: string;
  /** The file with the schema, as seen from fleet.yaml. */
  readonly schema: string;
}): string {
  const name = JSON.stringify(cluster);
  return `# yaml-language-server: $schema=${schema}
# The clusters that keyferry serves. Paths are relative to this file. \`keyferry bootstrap ${cluster}\` prints what the
# cluster and Vault need. A running keyferry reloads this file when it changes.
apiVersion: ${FLEET_API_VERSION}
kind: Fleet
clusters:
  # A DNS label. It is part of the key of every sync: a cluster under a new name is a new cluster.
  - name: ${name}
    # How keyferry reaches the API server. \`keyferry bootstrap ${cluster} -o connect | sh\` writes this kubeconfig.
    connect:
      kubeconfig: {path: ${JSON.stringify(`./${cluster}.kubeconfig`)}, context: ${name}}
      # Or by address, with a token that keyferry reads again when it changes:
      # server: {url: "https://10.20.0.7:6443", caFile: ./ca.pem, tokenFile: ./token}
    # watch: keyferry watches Secrets and repairs changes at once. apply: it never lists Secrets, and applies each one
    # again on every refresh.
    observe: watch
    # The namespaces whose declarations count; * stands for any characters. If include names each namespace in full,
    # keyferry needs permissions in these namespaces only.
    namespaces: {include: ["*"], exclude: [kube-system]}
    # VaultAuth and VaultConnection of the name default count in this namespace only.
    operatorNamespace: vault-secrets-operator-system
    vault:
      # Vault as keyferry reaches it, and the login mount of this cluster.
      address: ${JSON.stringify(vaultAddress)}
      authMount: ${JSON.stringify(`kubernetes-${cluster}`)}
      # A token for Vault is good for Vault alone: leave this on.
      requireAudiences: true
# Vaults with a CA of their own, a Vault namespace, or several addresses:
# vaults:
#   - {name: main, addresses: ["https://vault.example.com:8200"], caFile: ./vault-ca.pem}
`;
}
