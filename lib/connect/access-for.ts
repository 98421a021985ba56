/** For which cluster access is asked, and why. */
export interface AccessFor {
  readonly cluster: string;
  /** The API server answered 401 to what the last call for this cluster answered. */
  readonly isRefused: boolean;
}
