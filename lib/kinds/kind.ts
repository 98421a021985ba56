import type { Clock, EpochMs, Random } from "../clock.ts";
import type { Resolution, ResolveInput } from "../declarations/resolution.ts";
import type { DestinationFactory } from "../destinations/destination.ts";
import type { Holding } from "../destinations/holding.ts";
import type { DigestKey } from "../digest.ts";
import type { SyncError } from "../errors.ts";
import type { AskedOf } from "../failures/causes.ts";
import type { IssueDeps } from "../issues/deps.ts";
import type { Warning } from "../origins/warnings.ts";
import type { Claim } from "../ports/claim.ts";
import type { ReconcileDeps } from "../ports/deps.ts";
import type { ClusterSettings } from "../ports/fleet.ts";
import type { Issue } from "../ports/issues.ts";
import type { Place, Pushed, Row } from "../ports/rows.ts";
import type { SeenSecret } from "../ports/secrets.ts";
import type { TemplateEngine } from "../ports/templates.ts";
import type { SourceData, VaultIdentity, VaultRead } from "../ports/vault.ts";
import type { VaultWrites } from "../ports/vault-writes.ts";
import type { RolloutTarget } from "../ports/workloads.ts";
import type { KindRef } from "../resource-kinds.ts";
import type { SecretData } from "../secret-value.ts";
import type { Json, JsonObject } from "../util/json.ts";

/** A declaration with all its references, for the core. Each kind adds what only it needs. */
export interface Resolved {
  /** Its request to a Vault, if it has one. */
  readonly asks?: AskedVault;
  readonly destination: { readonly name: string };
  /** Undefined: only an event runs it again. */
  readonly refreshAfterMs: number | undefined;
  /**
   * Whether the status shows a MAC. Without it VSO can't compare, and writes on every refresh; we compare our own
   * digest and write only changes. `secretMAC` stays empty.
   */
  readonly hmac: boolean;
  /** The Secret that is not ours, and is to be emptied when the declaration goes; missing: none. */
  readonly blanks?: string;
  /** Workloads to restart when the data changes, each once. */
  readonly rolloutTargets: readonly RolloutTarget[];
}

/** A sync's request to a Vault, and its identity. */
export interface AskedVault extends AskedOf {
  /** The circuit of that Vault. */
  readonly circuit: string;
  /** The place by which change events find it. */
  readonly place: Place;
}

/** When a sync in step runs again. */
export type Wake = { readonly everyMs: number } | { readonly at: EpochMs } | "event";

export type Obtained =
  | {
      readonly kind: "data";
      readonly data: SecretData;
      readonly next: Wake;
      /** State that only this kind reads; missing: none. Never secret data. */
      readonly own?: Json;
      readonly warnings: readonly Warning[];
      /** What the row has in Vault from now on; missing: unchanged. */
      readonly issues?: readonly Issue[];
      /** Members of the resource's status that only this kind has. */
      readonly status?: JsonObject;
      /** It replaces other data of this sync, as a new credential does. */
      readonly isRotation?: boolean;
      /** The version that was read; missing: whatever was expected is there. */
      readonly reached?: number;
      /** Vault issued it in this run. */
      readonly isIssued?: boolean;
    }
  /** Nothing to write yet: the row keeps `own`, and runs again at that time. */
  | { readonly kind: "later"; readonly because: string; readonly at: EpochMs; readonly own: Json };

/** What kinds that issue need of the world, beside their claim. */
export type IssuingDeps = IssueDeps & Pick<ReconcileDeps, "resources" | "secrets" | "clusters" | "instant">;

/** Whether an answer is older than an event, so that it is read again after each of these pauses, in ms. */
export interface ReadAgain {
  readonly pauses: readonly number[];
  readonly isOld: (answer: SourceData | SyncError) => boolean | Promise<boolean>;
}

/** The input for predicting what a run would obtain. Without a claim, so that nothing can be issued. */
export interface ForeseeInput<R extends Resolved = Resolved> {
  readonly row: Row;
  readonly resolved: R;
  readonly settings: ClusterSettings;
  /** Its destination, before there is data. */
  readonly holding: Holding;
  readonly digestKey: DigestKey;
  readonly random: Random;
  /** Reads each Vault path once per identity and batch. */
  readonly read: (read: VaultRead, again?: ReadAgain) => Promise<SourceData>;
  /** Whether that read may make Vault issue something. Of plans alone: a run finds out by its first read. */
  readonly mayIssue?: (read: VaultRead) => Promise<boolean>;
  readonly templates: TemplateEngine;
  /** A Secret of the declaration's own namespace. */
  readonly source: (name: string) => Promise<SeenSecret | undefined>;
  /** Whether any sync reads there. */
  readonly isRead: (place: Place) => Promise<boolean>;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

/** What is needed to find the paths that a row writes to. */
export interface LocateInput<R extends Resolved = Resolved> {
  readonly row: Row;
  readonly resolved: R;
  readonly settings: ClusterSettings;
  readonly writes: VaultWrites;
  readonly reached: (identity: VaultIdentity) => Promise<VaultIdentity>;
  readonly signal: AbortSignal;
}

/** The paths that a run may write to, to be claimed before it, and the declaration with them. */
export interface Located<R extends Resolved = Resolved> {
  readonly resolved: R;
  readonly paths: readonly Pushed[];
}

/** fleet.yaml does not allow a path of the declaration. */
export interface PathsRefused {
  readonly refused: SyncError;
  /** Whether the row keeps one of its paths: only what it wrote, and where it still may. */
  readonly mayKeep: (path: Pushed) => boolean;
}

export interface ObtainInput<R extends Resolved = Resolved> extends ForeseeInput<R> {
  /** For unrepeatable requests: call `record` before and after each of them. */
  readonly claim: Claim;
  readonly deps: IssuingDeps;
  /** The login with the CA of its Vault, which is read only when it is needed. */
  readonly reached: (identity: VaultIdentity) => Promise<VaultIdentity>;
}

/** Why a plan has no data: Vault would issue it; or a read may issue something, which nobody knows before. */
export type Unforeseen = "would-issue" | "may-issue";

/** A kind of sync. The core knows kinds only by this interface. */
export interface SyncKind<R extends Resolved = Resolved> {
  /** The kind of resource that declares it. */
  readonly ref: KindRef;
  /** The destination of its data. */
  readonly destination: DestinationFactory<R>;
  /** Pure: combines a declaration and its references. Never throws a SyncError: the outcome contains it. */
  resolve(input: ResolveInput): Resolution<R>;
  /** For kinds that write to Vault: the paths, which no other row may write to. Reads nothing secret. */
  locate?(input: LocateInput<R>): Promise<Located<R> | PathsRefused>;
  /** What a run would obtain, for a plan. A kind that would or may make Vault issue something says so instead. */
  foresee(run: ForeseeInput<R>): Promise<Obtained | Unforeseen>;
  obtain(run: ObtainInput<R>): Promise<Obtained>;
  /** Members of the resource's status after a failure that only this kind has. */
  failedStatus?(error: SyncError): JsonObject;
}
