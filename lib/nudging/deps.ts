import type { LineMeaning } from "../audit/line-meaning.ts";
import type { ReconcileDeps } from "../ports/deps.ts";

/** What look-ups need: no Vault and no cluster. */
export type NudgingDeps = Pick<ReconcileDeps, "leases" | "queue" | "clock" | "log" | "metrics">;

export type LineRead = LineMeaning;

export type ReadLine = (line: string) => LineRead;

export interface InletDeps extends NudgingDeps, Pick<ReconcileDeps, "sleep"> {
  readonly readLine: ReadLine;
  /**
   * Tokens of this Vault's login mount, or of all its mounts, are proven before their next use. Missing: this process
   * has none.
   */
  readonly doubtTokens?: (vault: string, mount: string | undefined) => void;
  /** Whether a revocation is keyferry's own, by its id. Missing: `readLine` knows that. */
  readonly isOwn?: (id: string) => Promise<boolean>;
}
