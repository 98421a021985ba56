export { type Cluster, type ClusterOptions, type EtcdSnapshot, startCluster } from "./cluster/cluster.ts";
export { type KubeObject, type ObjectRef, waitFor } from "./cluster/kube-client.ts";
export { obtain } from "./obtain/obtain.ts";
export { startVault, type Vault, type VaultOptions } from "./vault/vault.ts";
