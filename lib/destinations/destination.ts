import type { Digest } from "../digest.ts";
import { SyncError } from "../errors.ts";
import type { Origin } from "../origins/origin.ts";
import type { Claim } from "../ports/claim.ts";
import type { ReconcileDeps } from "../ports/deps.ts";
import type { ClusterSettings } from "../ports/fleet.ts";
import type { OwnedSecret, Row } from "../ports/rows.ts";
import type { SecretApi } from "../ports/secrets.ts";
import type { SecretData } from "../secret-value.ts";

/**
 * A place that secret data is brought to. A run, a plan and a clean-up share it: a plan passes APIs that simulate writes, and a
 * clean-up wants nothing there.
 */
export interface Destination<S = unknown, D = unknown> {
  /** What the row remembers of it: nothing is asked for this. */
  readonly start: S;
  /** For messages, such as `Secret shop/db`. */
  readonly name: string;
  /** Pure: the next change, one at a time; undefined when nothing is left to do. A refusal is thrown. */
  decide(state: S): D | undefined;
  /** Makes that change, or reads what the decision lacks; answers what is known then. */
  act(decision: D, state: S, claim: Claim, signal: AbortSignal): Promise<S>;
  /** What the row and the event say of it. */
  learned(state: S): Learned;
  /** For a plan: what a decision does, in names and digests; undefined: it changes nothing that it would show. */
  describe(decision: D, state: S): Effect | undefined;
}

export interface Learned {
  /** What the row names as ours from now on. */
  readonly owned: readonly OwnedSecret[];
  /** Why something was written; missing: nothing was. */
  readonly wrote?: string;
}

/** One change, as a plan shows it. */
export interface Effect {
  readonly action: "adopt" | "create" | "update" | "take-over" | "recreate";
  readonly because: string;
  readonly changes?: SecretChanges;
}

/** Names of what comes, goes, or stays under its name with another value. */
export interface NameChanges {
  readonly added: readonly string[];
  readonly removed: readonly string[];
  readonly changed: readonly string[];
}

/** How a Secret would differ afterwards. `before` is missing where there is none. */
export interface SecretChanges {
  readonly any: boolean;
  /** Short digests of all its data, of one key: equal ones mean equal data. */
  readonly digest: { readonly before?: string; readonly after: string };
  readonly type: { readonly before?: string; readonly after: string };
  readonly data: NameChanges;
  readonly labels: NameChanges;
  readonly annotations: NameChanges;
  readonly owner: boolean;
}

/** Everything that destinations ask of the world. */
export interface DestinationApis extends Pick<ReconcileDeps, "digestKey" | "log"> {
  readonly secrets: SecretWrites;
  readonly resources: Pick<ReconcileDeps["resources"], "get">;
  readonly clusters: Pick<ReconcileDeps["clusters"], "list">;
  /** Of the row that is worked on. */
  readonly origin: Origin;
}

export type SecretWrites = Omit<SecretApi, "hmacKey" | "findHmacKey" | "createHmacKey">;

/** The destination of one sync, and what it should hold. */
export interface ToWrite<W> {
  readonly row: Row;
  readonly settings: Pick<ClusterSettings, "observe">;
  readonly resolved: W;
  readonly data: SecretData;
  /** Of the data. */
  readonly digest: Digest;
}

/** How destinations of one sort are made. `W`: what a kind resolves, as far as they read it. */
export interface DestinationFactory<W = unknown> {
  /** What the row names from the claim on: what is to be written is recorded before it is (lease-table 8). */
  ownedWith(resolved: W, owned: readonly OwnedSecret[]): readonly OwnedSecret[];
  toWrite(apis: DestinationApis, about: ToWrite<W>): Destination;
  /** Where nothing is wanted any more: what the row names goes, as far as it is still ours. */
  toClear(apis: DestinationApis, about: Pick<ToWrite<W>, "row" | "settings">): Destination;
}

/** It is another declaration's, and this sync waits for it. Nothing that waits for a destination has a record of having written it. */
export class DestinationAwaited extends SyncError {
  readonly destination: string;

  constructor(destination: string, message: string) {
    super("SECRET_NOT_OURS", message);
    this.destination = destination;
  }

  /** What is recorded from now on: the name alone, so that its reference is taken off when it is not wanted any more. */
  recordOf(owned: readonly OwnedSecret[]): readonly OwnedSecret[] {
    return owned.map((entry) => (entry.name === this.destination ? { name: entry.name } : entry));
  }
}
