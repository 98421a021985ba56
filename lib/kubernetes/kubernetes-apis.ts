import type { Clock } from "../clock.ts";
import type { ClusterApi } from "../ports/clusters.ts";
import type { CredentialSource } from "../ports/credentials.ts";
import type { ResourceApi } from "../ports/resources.ts";
import type { SecretApi } from "../ports/secrets.ts";
import type { Log } from "../ports/telemetry.ts";
import type { WorkloadApi } from "../ports/workloads.ts";
import { clusterApi } from "./cluster-api.ts";
import type { ClusterClients } from "./cluster-client.ts";
import { credentialSource } from "./credentials.ts";
import { resourceApi } from "./resource-api.ts";
import { secretApi } from "./secret-api.ts";
import { workloadApi } from "./workload-api.ts";

export interface KubernetesDeps {
  readonly clients: ClusterClients;
  readonly clock: Clock;
  readonly log: Log;
}

/** Everything that the core needs of clusters, by the names of its ports. */
export interface KubernetesApis {
  readonly secrets: SecretApi;
  readonly resources: ResourceApi;
  readonly rollouts: WorkloadApi;
  readonly clusters: ClusterApi;
  readonly credentials: CredentialSource;
}

/** The ports for every cluster that `clients` reaches. */
export function kubernetesApis(deps: KubernetesDeps): KubernetesApis {
  return {
    secrets: secretApi(deps),
    resources: resourceApi(deps),
    rollouts: workloadApi(deps),
    clusters: clusterApi(deps),
    credentials: credentialSource(deps),
  };
}
