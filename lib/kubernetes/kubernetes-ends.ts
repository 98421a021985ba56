import type { Clock } from "../clock.ts";
import type { ClusterEnd, CredentialSource, Log, ResourceEnd, RolloutEnd, SecretEnd } from "../reconcile/ports.ts";
import type { ClusterClients } from "./cluster-client.ts";
import { clusterEnd } from "./cluster-end.ts";
import { credentialSource } from "./credentials.ts";
import { resourceEnd } from "./resource-end.ts";
import { rolloutEnd } from "./rollout-end.ts";
import { secretEnd } from "./secret-end.ts";

export interface KubernetesDeps {
  readonly clients: ClusterClients;
  readonly clock: Clock;
  readonly log: Log;
}

/** All that the core asks of clusters, under the names that it knows them by. */
export interface KubernetesEnds {
  readonly secrets: SecretEnd;
  readonly resources: ResourceEnd;
  readonly rollouts: RolloutEnd;
  readonly clusters: ClusterEnd;
  readonly credentials: CredentialSource;
}

/** The ends of every cluster that `clients` reaches. */
export function kubernetesEnds(deps: KubernetesDeps): KubernetesEnds {
  return {
    secrets: secretEnd(deps),
    resources: resourceEnd(deps),
    rollouts: rolloutEnd(deps),
    clusters: clusterEnd(deps),
    credentials: credentialSource(deps),
  };
}
