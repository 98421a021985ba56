import type { Clock, EpochMs } from "../clock.ts";
import type { Resolution, ResolveInput } from "../declarations/resolution.ts";
import type { DestinationFactory } from "../destinations/destination.ts";
import type { AskedOf } from "../failures/causes.ts";
import type { Warning } from "../origins/warnings.ts";
import type { Claim } from "../ports/claim.ts";
import type { Place, Row } from "../ports/rows.ts";
import type { TemplateEngine } from "../ports/templates.ts";
import type { SourceData, VaultRead } from "../ports/vault.ts";
import type { RolloutTarget } from "../ports/workloads.ts";
import type { KindRef } from "../resource-kinds.ts";
import type { SecretData } from "../secret-value.ts";
import type { Json } from "../util/json.ts";

/** A declaration with everything that it refers to, as far as the core needs to know it. A kind adds what only it reads. */
export interface Resolved {
  /** What it asks of a Vault; missing when it asks none. */
  readonly asks?: AskedVault;
  readonly destination: { readonly name: string };
  /** Undefined: only an event brings it back. */
  readonly refreshAfterMs: number | undefined;
  /**
   * Whether the status shows a MAC. Without it VSO can't compare and writes on every refresh; we compare our own digest all
   * the same, and write when there is a difference. `secretMAC` stays empty.
   */
  readonly hmac: boolean;
  /** Workloads to restart when the data changed, each once. */
  readonly rolloutTargets: readonly RolloutTarget[];
}

/** Where a sync asks a Vault, and as whom. */
export interface AskedVault extends AskedOf {
  /** Id of the circuit of that Vault. */
  readonly circuit: string;
  /** Where change events find it. */
  readonly place: Place;
}

/** When a sync that is in step is looked at again. */
export type Wake = { readonly everyMs: number } | { readonly at: EpochMs } | "event";

export type Obtained =
  | {
      readonly kind: "data";
      readonly data: SecretData;
      readonly next: Wake;
      /** State that only this kind reads; missing: none. Never secret data. */
      readonly own?: Json;
      readonly warnings: readonly Warning[];
    }
  /** There is nothing to write yet: the row keeps `own`, and the run begins anew at that time. */
  | { readonly kind: "later"; readonly because: string; readonly at: EpochMs; readonly own: Json };

/** What a kind has to say what a run would get. There is no claim in it, so nothing can be issued. */
export interface ForeseeInput<R extends Resolved = Resolved> {
  readonly row: Row;
  readonly resolved: R;
  /** Reads each Vault path once for each identity in one batch. */
  readonly read: (read: VaultRead) => Promise<SourceData>;
  readonly templates: TemplateEngine;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

export interface ObtainInput<R extends Resolved = Resolved> extends ForeseeInput<R> {
  /** For requests that can't be repeated: `record` before each of them, and after. */
  readonly claim: Claim;
}

/** What a sync of a kind is. The core knows a kind by this interface alone. */
export interface SyncKind<R extends Resolved = Resolved> {
  /** The resource that declares it. */
  readonly ref: KindRef;
  /** Where its data goes. */
  readonly destination: DestinationFactory<R>;
  /** Pure: a declaration and its references as one value. Never throws a SyncError: it stands in the outcome. */
  resolve(input: ResolveInput): Resolution<R>;
  /** What a run would get, for a plan. A kind that would have Vault issue something says so instead. */
  foresee(run: ForeseeInput<R>): Promise<Obtained | "would-issue">;
  obtain(run: ObtainInput<R>): Promise<Obtained>;
  /** Ends at the Vault what the row still has there, once its declaration is gone. */
  end?(claim: Claim, signal: AbortSignal): Promise<void>;
}
