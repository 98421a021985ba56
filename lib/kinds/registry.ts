import { unsupportedKind } from "../declarations/unsupported.ts";
import { kubernetesSecrets, type WantsSecret } from "../destinations/kubernetes-secret/kubernetes-secret.ts";
import { type KindRef, VAULT_PKI_SECRET } from "../resource-kinds.ts";
import { dynamicSecret } from "./dynamic/dynamic-secret.ts";
import type { Resolved, SyncKind } from "./kind.ts";
import { staticSecret } from "./static/static-secret.ts";

/** Kinds by their name in keys. */
export interface KindRegistry {
  of(kind: string): SyncKind | undefined;
}

export function kindRegistry(kinds: readonly SyncKind[]): KindRegistry {
  const byName = new Map(kinds.map((kind) => [kind.ref.kind, kind]));
  return { of: (kind) => byName.get(kind) };
}

/** Known by name, so that leftovers of earlier versions and other controllers are cleaned up; obtains nothing. */
function unsupported(ref: KindRef): SyncKind<Resolved & WantsSecret> {
  const error = unsupportedKind(ref.kind);
  return {
    ref,
    destination: kubernetesSecrets,
    resolve: () => ({ refs: [], outcome: error }),
    foresee: () => Promise.reject(error),
    obtain: () => Promise.reject(error),
  };
}

/** The kinds of keyferry: a new one is a folder beside this file, and a line here. */
export const KINDS: KindRegistry = kindRegistry([staticSecret, dynamicSecret, unsupported(VAULT_PKI_SECRET)]);
