import type { Vault, VaultFlavor } from "../harness/index.ts";

/** One kind of operation: what is recorded are the lines of `run` alone. */
export interface OperationKind {
  readonly name: string;
  /** Missing: both. Only OpenBao has namespaces without a licence, and only Vault still has some old paths. */
  readonly only?: VaultFlavor;
  /** What the operation needs; its result is given to `run`. */
  readonly before?: (vault: Vault) => Promise<string>;
  readonly run: (vault: Vault, given: string) => Promise<unknown>;
}
