import { SyncError } from "../errors.ts";
import type { ObjectRef } from "../names.ts";
import type { ClusterSettings } from "../ports/fleet.ts";
import { because, type Found, invalidReference, type LookUp, mustBeOperators, referTo } from "./look-up.ts";
import { mergeAuth } from "./merge-auth.ts";
import { unsupportedInAuth } from "./unsupported.ts";
import type { VaultAuthSpec } from "./vault-auth.ts";

/** A VaultAuth that this namespace may use, merged with its VaultAuthGlobal. */
export interface FoundAuth {
  readonly at: ObjectRef;
  readonly object: Found<"VaultAuth">["object"];
  readonly spec: VaultAuthSpec;
  /** For messages: the VaultAuth, and the VaultAuthGlobal if there is one. */
  readonly subject: string;
}

type Shared = Found<"VaultAuth"> | Found<"VaultAuthGlobal">;

function isOperators({ object }: Shared, at: ObjectRef, operatorNamespace: string): boolean {
  return at.namespace === operatorNamespace && object.isStranger !== true;
}

/** Throws unless VSO would let this namespace use the VaultAuth or VaultAuthGlobal. */
function mustBeAllowed(shared: Shared, at: ObjectRef, namespace: string, operatorNamespace: string): void {
  const allowed = shared.spec.allowedNamespaces ?? [];
  const isSameNamespace = at.namespace === namespace;
  const isOperatorsDefault = isOperators(shared, at, operatorNamespace) && at.name === "default";
  const isForAll = allowed.length === 1 && allowed[0] === "*";
  if (isSameNamespace || isOperatorsDefault || isForAll || allowed.includes(namespace)) return;
  throw new SyncError(
    "REFERENCE_NOT_ALLOWED",
    `${shared.subject} does not allow namespace ${namespace}: add it to its spec.allowedNamespaces, or use another one`,
    { lacks: { namespace } },
  );
}

type GlobalRef = NonNullable<VaultAuthSpec["vaultAuthGlobalRef"]>;

/** Where the VaultAuthGlobal may be: the first that exists is used. */
function globalPlaces(
  auth: Found<"VaultAuth">,
  ref: GlobalRef,
  at: ObjectRef,
  operatorNamespace: string,
): readonly ObjectRef[] {
  if (ref.name) return [{ namespace: ref.namespace || at.namespace, name: ref.name }];
  if (ref.allowDefault !== true) {
    const message = "required, unless allowDefault is true";
    throw invalidReference(auth.subject, [{ path: ["vaultAuthGlobalRef", "name"], message }]);
  }
  const namespaces = ref.namespace ? [ref.namespace] : [at.namespace, operatorNamespace];
  return [...new Set(namespaces)].map((namespace) => ({ namespace, name: "default" }));
}

/** Merges a VaultAuth with its VaultAuthGlobal, if it names one. Throws when that is not possible. */
export function withGlobal(lookup: LookUp, auth: Found<"VaultAuth">, at: ObjectRef, operatorNamespace: string) {
  const { vaultAuthGlobalRef: ref } = auth.spec;
  if (ref === undefined) return auth;
  const places = globalPlaces(auth, ref, at, operatorNamespace);
  const why = `asked for by spec.vaultAuthGlobalRef of ${auth.subject}`;
  const { found: global, at: place } = lookup.findFirst("VaultAuthGlobal", places, why);
  if (!ref.name && place.namespace !== at.namespace) mustBeOperators(global);
  mustBeAllowed(global, place, at.namespace, operatorNamespace);
  return { spec: mergeAuth(auth.spec, global.spec), subject: `${auth.subject} with ${global.subject}` };
}

/** Finds the VaultAuth that a resource in this namespace refers to. */
export function findAuth(
  lookup: LookUp,
  vaultAuthRef: string | undefined,
  namespace: string,
  { operatorNamespace }: ClusterSettings,
): FoundAuth {
  const at = referTo(vaultAuthRef, namespace, operatorNamespace);
  const auth = lookup.find("VaultAuth", at, because("spec.vaultAuthRef", vaultAuthRef));
  if (!vaultAuthRef) mustBeOperators(auth);
  mustBeAllowed(auth, at, namespace, operatorNamespace);
  const { spec, subject } = withGlobal(lookup, auth, at, operatorNamespace);
  const unsupported = unsupportedInAuth(subject, spec, isOperators(auth, at, operatorNamespace));
  if (unsupported) throw unsupported;
  return { at, object: auth.object, spec, subject };
}
