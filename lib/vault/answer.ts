/** An HTTP answer of any status. */
export interface VaultAnswer {
  readonly status: number;
  /** As Vault sent it, numbers unchanged. */
  readonly text: string;
  readonly location?: string;
  /** `Retry-After`, in ms. */
  readonly retryAfterMs?: number;
}
