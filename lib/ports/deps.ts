import type { Clock, Random, Sleep, WithDeadline } from "../clock.ts";
import { SECOND_MS } from "../clock.ts";
import type { DigestKey } from "../digest.ts";
import type { ClusterApi } from "./clusters.ts";
import type { CredentialSource } from "./credentials.ts";
import type { EventSweep } from "./domain-events.ts";
import type { ClusterSettings } from "./fleet.ts";
import type { TrustAnchors } from "./fleet-vault.ts";
import type { InstantUpdates } from "./instant-updates.ts";
import type { WorkQueue } from "./queue.ts";
import type { ResourceApi } from "./resources.ts";
import type { SecretApi } from "./secrets.ts";
import type { LeaseStore } from "./store.ts";
import type { Log, Metrics } from "./telemetry.ts";
import type { TemplateEngine } from "./templates.ts";
import type { VaultApi } from "./vault.ts";
import type { IssueApi, TokenSeals } from "./vault-issues.ts";
import type { VaultWrites } from "./vault-writes.ts";
import type { WorkloadApi } from "./workloads.ts";

/** The dependencies of the core, wired by hand in functions/ and cli/. */
export interface ReconcileDeps {
  readonly leases: LeaseStore;
  readonly queue: WorkQueue;
  readonly vault: VaultApi;
  readonly issues: IssueApi;
  readonly writes: VaultWrites;
  readonly credentials: CredentialSource;
  readonly secrets: SecretApi;
  readonly resources: ResourceApi;
  readonly rollouts: WorkloadApi;
  readonly clusters: ClusterApi;
  readonly templates: TemplateEngine;
  /** Undefined: the cluster is not, or no longer, in the fleet. */
  readonly fleet: (cluster: string) => ClusterSettings | undefined;
  /**
   * Whether a hub was not read yet: then a cluster that is missing may be one of its clusters, and nothing of it is
   * ended. Missing: the fleet has no hubs.
   */
  readonly isFleetIncomplete?: () => boolean;
  /** The CA files of Vaults. Missing: fleet.yaml names none. */
  readonly anchors?: TrustAnchors;
  readonly digestKey: DigestKey;
  /** Seals the tokens of issues. */
  readonly seals: TokenSeals;
  /** Stored in each cluster, so that two installations notice each other (lease-table 25). */
  readonly installation: string;
  /** 16 random bytes. Missing: no key for VSO's MACs is created. */
  readonly newHmacKey?: () => Buffer;
  /** Missing: domain events go nowhere that needs a sweep. */
  readonly events?: EventSweep;
  /** Subscribes to events of Vaults. Missing: this process keeps no connection open. */
  readonly instant?: InstantUpdates;
  readonly clock: Clock;
  readonly random: Random;
  readonly sleep: Sleep;
  /** For what has to be tried although the run's own signal may have aborted. */
  readonly withDeadline: WithDeadline;
  readonly log: Log;
  readonly metrics: Metrics;
}

/** The duration of a claim. Longer than a function's time-out, shorter than a queue's visibility. */
export const LEASE_MS = 90 * SECOND_MS;

/** The maximum duration of an external call: adapters end each one by themselves, or with their signal. */
export const CALL_TIMEOUT_MS = 10 * SECOND_MS;
