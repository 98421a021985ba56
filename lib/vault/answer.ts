/** An HTTP answer of any status. */
export interface VaultAnswer {
  readonly status: number;
  /** As it was sent: numbers are untouched. */
  readonly text: string;
  readonly location?: string;
  /** Of `Retry-After`, in ms. */
  readonly retryAfterMs?: number;
}
