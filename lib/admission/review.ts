import type { ReviewOutcome } from "../injector/review.ts";

/** Reviews the parsed body of a request, by the settings of one cluster. */
export type Reviewer = (input: unknown) => ReviewOutcome;

/** A cluster whose API server may ask. */
export interface ServedCluster {
  /** SHA-256 of its keys: one, or two while a key is being replaced. */
  readonly keys: readonly Buffer[];
  readonly review: Reviewer;
}

/** The clusters by their names. */
export type ServedClusters = Pick<ReadonlyMap<string, ServedCluster>, "get">;
