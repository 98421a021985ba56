import type { EpochMs } from "../clock.ts";
import type { RowError } from "./rows.ts";

/** An object of a hub that names a cluster, as it was last read: nothing in it is secret. */
export interface HubMember {
  /** The object in the hub: `namespace/name`. */
  readonly object: string;
  readonly resourceVersion: string;
  /** The cluster's name in the fleet. Two objects may want the same one: the older member has it. */
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  /** What the object itself says of the cluster's settings. */
  readonly settings: MemberSettings;
  /** The address of its API server. */
  readonly server: string;
  /** Fingerprint of how it is reached, without credentials. A change is checked before it is used. */
  readonly leadsTo: string;
  /** `leadsTo` of the last check of its API server. */
  readonly checked?: string;
  /** uid of the kube-system namespace that its API server had at first. Missing: it was never reached. */
  readonly uid?: string;
  /** The cluster of fleet.yaml that has this API server already. */
  readonly double?: string;
  /** When its API server first answered with this uid; until then, when the object was first seen. */
  readonly since: EpochMs;
  /** Why it is not in the fleet, or can't be reached any more. */
  readonly error?: RowError;
  /** The object can't be understood: only a change of it helps. */
  readonly isBroken?: true;
  /** Another object has the name: this one is not asked who it is. */
  readonly isRival?: true;
  /** The hub no longer has the object, but too many vanished at once: a person must confirm it. */
  readonly isMissing?: true;
}

/** Settings in annotations of the object, and the namespaces of an Argo CD cluster. None of them widens access. */
export interface MemberSettings {
  readonly observe?: "watch" | "apply";
  readonly operatorNamespace?: string;
  readonly authMount?: string;
  readonly namespaces?: readonly string[];
}

/** What a hub said when it could last be read, by which its clusters stay in the fleet. */
export interface HubState {
  readonly members: readonly HubMember[];
  /** Fingerprint of the hub's settings in fleet.yaml that decide what an object means. */
  readonly readAs: string;
  /** It was never read: nobody knows its clusters. */
  readonly isUnread?: true;
  /** The hub can't be read. */
  readonly error?: RowError;
  /** Too many objects vanished at once. */
  readonly awaitingApproval?: { readonly since: EpochMs; readonly gone: number; readonly of: number };
}

/** The row of one hub: who has its pass, and when the next one is due. Its state is read apart. */
export interface HubRow {
  readonly name: string;
  readonly fence: number;
  readonly leaseUntil?: EpochMs;
  readonly dueAt: EpochMs;
  /** The fence of the pass that stored the state; missing: there is none. It changes with the state. */
  readonly revision?: number;
}

/** The hubs of the fleet: their rows are small, and their states are read when they changed. */
export interface HubStore {
  hubs(): Promise<readonly HubRow[]>;
  /** The stored state with its revision. Undefined: there is none, or it is damaged. */
  hubState(name: string): Promise<{ readonly revision: number; readonly state: HubState } | undefined>;
  /** Claims the row (created when missing) unless it is claimed: fence + 1, leaseUntil = dueAt = until. */
  claimHub(name: string, options: { readonly now: EpochMs; readonly until: EpochMs }): Promise<HubRow | undefined>;
  /** Ends the claim; a state replaces the stored one as a whole. False when the fence changed: nothing was stored. */
  saveHub(row: HubRow, state: HubState | undefined, dueAt: EpochMs): Promise<boolean>;
  /** Nothing happens when the fence changed: a pass has begun since, because the hub is back in fleet.yaml. */
  removeHub(row: Pick<HubRow, "name" | "fence">): Promise<void>;
}
