import type { ReconcileDeps } from "../ports/deps.ts";
import type { KindRef } from "../resource-kinds.ts";
import { SECRET_TRANSFORMATION, VAULT_AUTH, VAULT_AUTH_GLOBAL, VAULT_CONNECTION } from "../resource-kinds.ts";

export { SYNC_KINDS } from "../resource-kinds.ts";

export type DiscoveryDeps = Pick<
  ReconcileDeps,
  "leases" | "queue" | "clusters" | "resources" | "installation" | "clock" | "random" | "log" | "metrics" | "newHmacKey"
> & { readonly secrets?: Pick<ReconcileDeps["secrets"], "hmacKey" | "findHmacKey" | "createHmacKey"> };

/** Kinds that syncs refer to. */
export const REFERENCE_KINDS: readonly KindRef[] = [
  VAULT_CONNECTION,
  VAULT_AUTH,
  VAULT_AUTH_GLOBAL,
  SECRET_TRANSFORMATION,
];

/** The labels of Secrets that we write. */
export const OWNED_SELECTOR = "app.kubernetes.io/managed-by=hashicorp-vso,app.kubernetes.io/component=secret-sync";
