import { dynamicSecret } from "./dynamic/dynamic-secret.ts";
import type { SyncKind } from "./kind.ts";
import { pkiSecret } from "./pki/pki-secret.ts";
import { PUSHES } from "./push/push.ts";
import { staticSecret } from "./static/static-secret.ts";

/** Kinds by their name in keys. */
export interface KindRegistry {
  of(kind: string): SyncKind | undefined;
}

export function kindRegistry(kinds: readonly SyncKind[]): KindRegistry {
  const byName = new Map(kinds.map((kind) => [kind.ref.kind, kind]));
  return { of: (kind) => byName.get(kind) };
}

/** The kinds of keyferry: a new one is a folder beside this file, and a line here. */
export const KINDS: KindRegistry = kindRegistry([staticSecret, dynamicSecret, pkiSecret, ...PUSHES]);
