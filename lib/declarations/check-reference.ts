import { circuitOfVault } from "../circuits.ts";
import { SyncError } from "../errors.ts";
import { partsOf, type ReferenceKey } from "../keys.ts";
import type { Rendering } from "../ports/templates.ts";
import type { VaultTarget } from "../ports/vault.ts";
import { readingOf } from "../transform/transformation.ts";
import { asObject } from "../util/canonical.ts";
import { attempt } from "./attempt.ts";
import { findAuth, withGlobal } from "./find-auth.ts";
import { identityBy, resolveConnectionAt } from "./identity.ts";
import { type LookUp, lookUp } from "./look-up.ts";
import type { Resolution, ResolveInput } from "./resolution.ts";
import { type Warned, warningsOfAuth } from "./warnings.ts";

/** A resource that syncs refer to, as far as it can be checked without a request. */
export interface CheckedReference {
  /** VaultConnection: its Vault, and the id of the circuit. */
  readonly vault?: { readonly target: VaultTarget; readonly circuit: string };
  /** SecretTransformation: the input of the template engine. */
  readonly rendering?: Rendering;
  /** VaultAuth: what works but should change. */
  readonly warnings?: readonly Warned[];
}

/**
 * Whether a VaultConnection, VaultAuth or SecretTransformation is valid and all its references exist. A VaultAuth is
 * checked for a resource in its own namespace. Like VSO, this tries no login, so it ignores the credentials.
 */
export function checkReference(input: ResolveInput): ReferenceCheck {
  const lookup = lookUp(input.cluster, input.reference);
  const { kind } = partsOf(input.declared.key);
  const merged = kind === "VaultAuth" ? isMerged(input, lookup) : undefined;
  const outcome = attempt(() => checked(input, lookup));
  const refs = [...lookup.refs].filter((key) => isWorthAnotherRun(kind, key, input));
  return { refs, outcome, ...(merged === undefined ? {} : { merged }) };
}

export interface ReferenceCheck extends Resolution<CheckedReference> {
  /** VaultAuth with a vaultAuthGlobalRef: whether the two could be merged. */
  readonly merged?: boolean;
}

function isMerged({ declared, cluster }: ResolveInput, lookup: LookUp): boolean | undefined {
  const { namespace, name } = partsOf(declared.key);
  const at = { namespace, name };
  if (asObject(declared.spec)?.vaultAuthGlobalRef === undefined) return undefined;
  const merged = attempt(() => {
    const auth = lookup.find("VaultAuth", at, "it is checked");
    return withGlobal(lookup, auth, at, cluster.operatorNamespace);
  });
  return !(merged instanceof SyncError);
}

/** A change of the declaration itself starts its own run. */
function isWorthAnotherRun(kind: string, key: ReferenceKey, { declared }: ResolveInput): boolean {
  return (key as string) !== declared.key && (kind !== "VaultAuth" || partsOf(key).kind !== "Secret");
}

function checked({ declared, cluster }: ResolveInput, lookup: LookUp): CheckedReference {
  const { kind, namespace, name } = partsOf(declared.key);
  if (kind === "VaultConnection") {
    const { target } = resolveConnectionAt(lookup, { namespace, name }, "it is checked", cluster);
    const asking = { ...target, place: `${cluster.name}/${namespace}` };
    return { vault: { target: asking, circuit: circuitOfVault(target.address) } };
  }
  if (kind === "VaultAuth") {
    const auth = findAuth(lookup, `${namespace}/${name}`, namespace, cluster);
    identityBy(auth, lookup, namespace, cluster);
    return { warnings: warningsOfAuth(auth) };
  }
  const place = { namespace, name };
  return { rendering: readingOf(place, lookup.find("SecretTransformation", place, "it is checked").spec) };
}
