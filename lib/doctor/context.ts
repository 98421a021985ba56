import type { Clock } from "../clock.ts";
import type { FleetCluster } from "../fleet/fleet.ts";
import type { ClusterClients } from "../kubernetes/cluster-client.ts";
import type { Connection } from "../kubernetes/connection.ts";
import type { KubernetesApis } from "../kubernetes/kubernetes-apis.ts";
import type { ClusterAccess } from "../ports/cluster-access.ts";
import type { FleetFiles } from "../ports/fleet-files.ts";
import type { FleetVault } from "../ports/fleet-vault.ts";
import type { LeaseStore } from "../ports/store.ts";
import type { CaCache } from "../references/ca-cache.ts";
import type { VaultExaminer } from "../vault/examiner.ts";
import type { DeclaredWork } from "./declared-work.ts";
import type { Finding } from "./finding.ts";
import type { KubernetesRight } from "./rights.ts";

/** What all checks share. Nothing in it can write. */
export interface DoctorDeps {
  readonly clock: Clock;
  readonly clients: ClusterClients;
  readonly apis: Pick<KubernetesApis, "clusters" | "resources" | "credentials"> & {
    readonly secrets: Pick<KubernetesApis["secrets"], "findHmacKey">;
  };
  /** What the connections to a cluster, by its name, are made of. */
  readonly access: (cluster: string) => Promise<ClusterAccess>;
  readonly files: FleetFiles;
  readonly vaults: readonly FleetVault[];
  readonly examiner: VaultExaminer;
  readonly ca: CaCache;
  /** A copy of the lease table, or an empty one: declarations are read into it. */
  readonly leases: LeaseStore;
  /** Of the data directory; missing: there was no run yet. */
  readonly installation?: string;
  /** The kubectl context of the person who runs the printed commands. Missing: the current one. */
  readonly context?: string;
  /** In ms, for one request or connection. */
  readonly timeoutMs: number;
}

/** A cluster before anything is known of it. */
export interface Examined {
  readonly deps: DoctorDeps;
  readonly settings: FleetCluster;
  readonly signal: AbortSignal;
}

/** The API server answers, and accepts the login. */
export interface Reached extends Examined {
  readonly connection: Connection;
  readonly version: string;
  /** The API server's time minus ours, in ms; undefined: its answer had no date. */
  readonly skewMs: number | undefined;
}

/** Its declarations are read. */
export interface Surveyed extends Reached {
  readonly work: DeclaredWork;
  readonly missingRights: readonly KubernetesRight[];
}

/** One subject. Its findings are independent of those of other checks at the same stage. */
export interface Check<C extends Examined> {
  readonly subject: string;
  find(context: C): Promise<readonly Finding[]>;
}
