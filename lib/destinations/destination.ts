import type { Clock } from "../clock.ts";
import type { Digest } from "../digest.ts";
import { SyncError } from "../errors.ts";
import type { Origin } from "../origins/origin.ts";
import type { Claim } from "../ports/claim.ts";
import type { ReconcileDeps } from "../ports/deps.ts";
import type { ClusterSettings } from "../ports/fleet.ts";
import type { OwnedSecret, Row } from "../ports/rows.ts";
import type { SecretApi } from "../ports/secrets.ts";
import type { VaultIdentity } from "../ports/vault.ts";
import type { VaultWrites } from "../ports/vault-writes.ts";
import type { SecretData } from "../secret-value.ts";
import type { JsonObject } from "../util/json.ts";
import type { Holding } from "./holding.ts";

/**
 * A place for secret data. Runs, plans and clean-ups share it: a plan passes APIs that simulate writes, and a clean-up
 * wants nothing there.
 */
export interface Destination<S = unknown, D = unknown> {
  /** What the row knows of it, without any request. */
  readonly start: S;
  /** For messages, such as `Secret shop/db`. */
  readonly name: string;
  /** Pure: the next single change; undefined when nothing is left to do. Throws a refusal. */
  decide(state: S): D | undefined;
  /** Makes that change, or reads what the decision lacks; returns what is known then. */
  act(decision: D, state: S, claim: Claim, signal: AbortSignal): Promise<S>;
  /** The result for the row and the event. */
  learned(state: S): Learned;
  /** For a plan: the effect of a decision, in names and digests; undefined without a visible change. */
  describe(decision: D, state: S): Effect | undefined;
}

export interface Learned {
  /** The Secrets that the row owns from now on. */
  readonly owned: readonly OwnedSecret[];
  /** The reason for a write; missing: nothing was written. */
  readonly wrote?: string;
  /** The program that wrote there before, by the name that it gave itself; missing: unknown. */
  readonly over?: string;
  /** Members of the declaring resource's status. Null removes one. */
  readonly status?: JsonObject;
}

/** One change, for a plan. */
export interface Effect {
  readonly action: "adopt" | "create" | "update" | "take-over" | "recreate";
  readonly because: string;
  readonly changes?: SecretChanges;
}

/** Names that are added, removed, or changed. */
export interface NameChanges {
  readonly added: readonly string[];
  readonly removed: readonly string[];
  readonly changed: readonly string[];
}

/** How a Secret would change. `before` is missing for a new one. */
export interface SecretChanges {
  readonly any: boolean;
  /** Short digests of all its data, with the same key: equal ones mean equal data. */
  readonly digest: { readonly before?: string; readonly after: string };
  readonly type: { readonly before?: string; readonly after: string };
  readonly data: NameChanges;
  readonly labels: NameChanges;
  readonly annotations: NameChanges;
  readonly owner: boolean;
}

/** The dependencies of destinations. */
export interface DestinationApis extends Pick<ReconcileDeps, "digestKey" | "log"> {
  readonly secrets: SecretWrites;
  readonly resources: Pick<ReconcileDeps["resources"], "get">;
  readonly clusters: Pick<ReconcileDeps["clusters"], "list">;
  /** Of the row at work. */
  readonly origin: Origin;
  /** For what is pushed to Vault. */
  readonly pushes: PushApis;
}

export interface PushApis {
  readonly writes: VaultWrites;
  /** The login with the CA of its Vault. */
  readonly reached: (identity: VaultIdentity) => Promise<VaultIdentity>;
  readonly clock: Clock;
}

export type SecretWrites = Omit<SecretApi, "hmacKey" | "findHmacKey" | "createHmacKey">;

/** The destination of one sync, and its desired content. */
export interface ToWrite<W> {
  readonly row: Row;
  readonly settings: Pick<ClusterSettings, "observe" | "vaults">;
  readonly resolved: W;
  readonly data: SecretData;
  /** Of the data. */
  readonly digest: Digest;
}

/** Creates destinations of one type. `W`: the parts of a resolved kind that they need. */
export interface DestinationFactory<W = unknown> {
  /** The Secrets to record with the claim, because a write is recorded before it happens (lease-table 8). */
  ownedWith(resolved: W, owned: readonly OwnedSecret[]): readonly OwnedSecret[];
  toWrite(apis: DestinationApis, about: ToWrite<W>): Destination;
  /** What is there before a kind asks for data that can't be asked for twice. For one attempt: observes once. */
  holding(apis: DestinationApis, about: Omit<ToWrite<W>, "data" | "digest">): Holding;
  /**
   * Wants nothing there: removes what the row owns, if it is still ours. `blank`: the Secret that is not ours, and is
   * emptied if it still has the data that the row wrote.
   */
  toClear(
    apis: DestinationApis,
    about: Pick<ToWrite<W>, "row"> & { readonly settings: ClusterSettings; readonly blank?: string },
  ): Destination;
}

/**
 * The Secret is another declaration's, and this sync waits for it. A waiting sync has no record of having written it.
 */
export class DestinationAwaited extends SyncError {
  readonly destination: string;

  constructor(destination: string, message: string) {
    super("SECRET_NOT_OURS", message);
    this.destination = destination;
  }

  /** What to record from now on: only the name, so that the owner reference is removed when it is no longer wanted. */
  recordOf(owned: readonly OwnedSecret[]): readonly OwnedSecret[] {
    return owned.map((entry) => (entry.name === this.destination ? { name: entry.name } : entry));
  }
}
