/** What becomes of an AdmissionReview. lib/injector decides it; what serves it knows no more than this. */
export interface Reviewed {
  /** The HTTP status of the answer. */
  readonly status: number;
  /** The answer's body, as an object. */
  readonly body: unknown;
  readonly result: "injected" | "ignored" | "refused" | "bad";
  readonly namespace?: string;
  /** Why it was refused. They name annotations, never their values. */
  readonly reasons: readonly string[];
}

/** Reviews the parsed body of a request, by the settings of one cluster. */
export type Reviewer = (input: unknown) => Reviewed;

/** A cluster whose API server may ask. */
export interface ServedCluster {
  /** SHA-256 of its keys: one, or two while a key is being replaced. */
  readonly keys: readonly Buffer[];
  readonly review: Reviewer;
}

/** The clusters by their names. */
export type ServedClusters = Pick<ReadonlyMap<string, ServedCluster>, "get">;
