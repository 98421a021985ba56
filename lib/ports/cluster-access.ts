import type { EpochMs } from "../clock.ts";

/** How to reach one cluster: a kubeconfig as text or file, and its context (missing: the current one). */
export interface ClusterAccess {
  readonly kubeConfig: { readonly text: string } | { readonly path: string };
  readonly context?: string;
  /** `false`: a kubeconfig that runs a program is refused. */
  readonly mayExec?: boolean;
  /** When the credentials expire: they are fetched again before that. */
  readonly expiresAt?: EpochMs;
  /** uid of the kube-system namespace that the API server must have; missing: any. */
  readonly identity?: string;
}
