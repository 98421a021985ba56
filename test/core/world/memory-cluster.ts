import type { ClusterClients } from "../../../lib/kubernetes/cluster-client.ts";
import type { KubeCall } from "../../../lib/kubernetes/kube-call.ts";
import type { IdentityOptions, ServiceAccountOptions } from "../../harness/cluster/identity.ts";
import type { KubeClient, ObjectRef } from "../../harness/cluster/kube-client.ts";
import type { ApiServer } from "./api/api-server.ts";
import type { WorldTime } from "./time.ts";

/** What a cluster answers in place of what was asked. */
export interface Fault {
  readonly http: number;
  readonly body: object;
}

/** A cluster in memory: an API server with its controllers, and the client that tests set the scene with. */
export interface MemoryCluster extends KubeClient {
  readonly name: string;
  readonly server: ApiServer;
  readonly time: WorldTime;
  /** `refused`: nobody listens. `silent`: nobody answers. */
  readonly outage: "refused" | "silent" | undefined;
  fail(outage: "refused" | "silent" | undefined): void;
  /** Answers in place of the API server, where it gives an answer. */
  fault?: ((call: KubeCall) => Fault | undefined) | undefined;
  /** Obtains the credentials for a request; it is not sent when this fails. Missing: the cluster needs none. */
  access?: ((signal: AbortSignal) => Promise<void>) | undefined;
  /** Told when open connections break. */
  onBreak(listener: () => void): () => void;
  readonly adminKubeconfig: string;
  readonly issuer: string;
  kubeconfigFor(identity: IdentityOptions): Promise<string>;
  /** A token by TokenRequest. */
  tokenFor(account: ServiceAccountOptions): Promise<string>;
  /** The clients of whom such a kubeconfig is. */
  clientsFor(kubeconfig: string): ClusterClients;
  /** A person's merge patch; throws unless it is taken. */
  merge(ref: ObjectRef, patch: object, manager?: string): Promise<void>;
  /** Requests of syncs that were served so far: what watch passes ask by themselves does not count. */
  served(): number;
  noteServed(call: KubeCall): void;
  /** Open watches break, and what they could go on from is forgotten. */
  restart(): Promise<void>;
  /**
   * The objects and the revision of now; call it to go back to them, as a restore of etcd does. `bump`: by how much the
   * revision is higher then, as etcdutl's --bump-revision with --mark-compacted makes it.
   */
  snapshot(): (bump?: number) => void;
}
