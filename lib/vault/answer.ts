import type { EventSocket } from "./event-socket.ts";

/** An HTTP answer of any status. */
export interface VaultAnswer {
  readonly status: number;
  /** As Vault sent it, numbers unchanged. */
  readonly text: string;
  readonly location?: string;
  /** `X-Vault-Index`: the state of the node that answered. Only Vault Enterprise tells it. */
  readonly index?: string;
  /** `Retry-After`, in ms. */
  readonly retryAfterMs?: number;
  /** With status 101: what the connection became. */
  readonly socket?: EventSocket;
}
