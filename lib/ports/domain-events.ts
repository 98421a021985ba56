import type { DomainEvent } from "./rows.ts";

/** What a run did beside the state that it settles. Names only. */
export interface Did {
  /** The Secret that it brought in step, and whether it wrote it. */
  readonly secret?: { readonly name: string; readonly isWritten: boolean };
  /** Vault issued what it wrote. */
  readonly issued?: boolean;
  /** The workloads that it restarted. */
  readonly restarted?: readonly { readonly kind: string; readonly name: string }[];
  /** Its credentials are Vault Secrets Operator's from now on: those that left the row were not revoked. */
  readonly handedOver?: boolean;
}

/** Where domain events go. */
export interface EventSink {
  /**
   * Sends events, any number, and resolves with the ids of those that were accepted. It retries what may help, and
   * throws only a SyncError: then none was accepted. An event may come twice, with the same id.
   */
  send(events: readonly DomainEvent[], signal: AbortSignal): Promise<ReadonlySet<string>>;
}

/** The part of domain events that runs every ten minutes. */
export interface EventSweep {
  /** Sends events that were recorded and never sent. Throws nothing. */
  sweep(signal: AbortSignal): Promise<void>;
}
