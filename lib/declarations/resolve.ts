import { circuitOfVault } from "../circuits.ts";
import { MINUTE_MS } from "../clock.ts";
import { parseDuration } from "../duration.ts";
import { SyncError } from "../errors.ts";
import { partsOf, type ReferenceKey, type SyncKey } from "../keys.ts";
import { desiredLabels } from "../owner-labels.ts";
import type { ClusterSettings } from "../ports/fleet.ts";
import type { Declared, Place, Reference } from "../ports/rows.ts";
import type { VaultIdentity, VaultRead } from "../ports/vault.ts";
import type { RolloutTarget } from "../ports/workloads.ts";
import { type Transformation, transformationOf, transformationRefs } from "../transform/transformation.ts";
import { attempt } from "./attempt.ts";
import { resolveIdentity, trimSlashes } from "./identity.ts";
import { type LookUp, lookUp } from "./look-up.ts";
import { mustParseSpec, type SpecOf } from "./parse.ts";
import { placeOfRead } from "./source.ts";
import { unsupportedKind } from "./unsupported.ts";

export { groupOf, placeOfRead } from "./source.ts";

/** The Secret that a declaration wants, without its data. */
export interface Destination {
  readonly name: string;
  readonly create: boolean;
  readonly overwrite: boolean;
  readonly type: string;
  /** With the owner's labels when we own it; empty otherwise. */
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
}

/** A VaultStaticSecret with everything that it refers to: no question is left but what Vault and the cluster hold. */
export interface ResolvedStaticSecret {
  readonly identity: VaultIdentity;
  readonly read: VaultRead;
  /** Where it reads. */
  readonly place: Place;
  /** Id of the circuit of the Vault that it reads. */
  readonly circuit: string;
  readonly destination: Destination;
  /** Undefined: only a nudge brings it back. */
  readonly refreshAfterMs: number | undefined;
  /**
   * Whether the status shows a MAC. Without it VSO can't compare and writes on every refresh; we compare our own digest all
   * the same, and write when there is a difference. `secretMAC` stays empty and workloads aren't restarted.
   */
  readonly hmac: boolean;
  readonly transformation: Transformation;
  /** It asks for Vault's events to be followed, which is not done. */
  readonly instantUpdates: boolean;
  /** Workloads to restart when the data changed, each once; none without a MAC, as with VSO. */
  readonly rolloutTargets: readonly RolloutTarget[];
}

/** What came of resolving. `refs` is right in both cases: a change of any of them is worth another try (lease-table 23). */
export interface Resolution<T> {
  readonly refs: readonly ReferenceKey[];
  readonly outcome: T | SyncError;
}

export interface ResolveInput {
  readonly declared: Declared;
  readonly cluster: ClusterSettings;
  readonly reference: (key: ReferenceKey) => Reference | undefined;
}

/** How often VSO looks at a static secret that does not say, if it keeps a MAC of it. */
const DEFAULT_REFRESH_MS = MINUTE_MS;

function refreshOf(spec: SpecOf<"VaultStaticSecret">): number | undefined {
  const declaredMs = parseDuration(spec.refreshAfter ?? "0s") ?? 0;
  if (declaredMs > 0) return declaredMs;
  return spec.hmacSecretData ? DEFAULT_REFRESH_MS : undefined;
}

function destinationOf(spec: SpecOf<"VaultStaticSecret">, uid: string): Destination {
  const { name, create, overwrite, type, labels = {}, annotations = {} } = spec.destination;
  if (!create) return { name, create, overwrite: false, type: type || "Opaque", labels: {}, annotations: {} };
  return { name, create, overwrite, type: type || "Opaque", labels: desiredLabels(labels, uid), annotations };
}

function targetsOf({ hmacSecretData, rolloutRestartTargets = [] }: SpecOf<"VaultStaticSecret">): RolloutTarget[] {
  if (!hmacSecretData) return [];
  const byName = new Map(rolloutRestartTargets.map((target) => [`${target.kind}/${target.name}`, target]));
  return [...byName.values()];
}

function readOf(
  spec: SpecOf<"VaultStaticSecret">,
  identity: VaultIdentity,
  cluster: ClusterSettings,
  by: SyncKey,
): VaultRead {
  const namespace = trimSlashes(spec.namespace ?? "");
  return {
    identity,
    by,
    ...(namespace === "" ? {} : { namespace }),
    mount: trimSlashes(spec.mount),
    path: trimSlashes(spec.path),
    engine: spec.type,
    version: spec.type === "kv-v2" ? (spec.version ?? 0) : 0,
    ...(cluster.vault?.onDeleted === "follow" ? { followDeleted: true } : {}),
  };
}

/** Templates and filters of the declaration and of the SecretTransformations that it names, each seen by its change (lease-table 23). */
function resolveTransformation(
  { declared, cluster }: ResolveInput,
  spec: SpecOf<"VaultStaticSecret">,
  lookup: LookUp,
): Transformation {
  const { namespace, name } = partsOf(declared.key);
  const given = { owner: { namespace, name }, spec: spec.destination.transformation };
  // All of them are named before the first is needed, so that they are loaded at once.
  for (const ref of transformationRefs(given)) lookup.note("SecretTransformation", ref);
  return transformationOf({
    ...given,
    excludeRaw: cluster.globalTransformationOptions?.excludeRaw ?? false,
    missingKey: cluster.globalTransformationOptions?.missingKey ?? "default",
    find: (ref) => lookup.find("SecretTransformation", ref, "transformationRefs").spec,
  });
}

function tooLarge(bytes: number): SyncError {
  return new SyncError(
    "SPEC_INVALID",
    `spec, labels and annotations are ${bytes} bytes, too many to keep: make them smaller`,
  );
}

function resolve(input: ResolveInput, lookup: LookUp): ResolvedStaticSecret {
  const { declared, cluster } = input;
  const { kind, namespace } = partsOf(declared.key);
  if (kind !== "VaultStaticSecret") throw unsupportedKind(kind);
  if (declared.tooLarge !== undefined) throw tooLarge(declared.tooLarge);
  const spec = mustParseSpec("VaultStaticSecret", declared.spec);
  const identity = resolveIdentity(lookup, spec.vaultAuthRef, namespace, cluster);
  const read = readOf(spec, identity, cluster, declared.key);
  return {
    identity,
    read,
    place: placeOfRead(read, cluster.vaults),
    circuit: circuitOfVault(identity.target.address),
    destination: destinationOf(spec, declared.uid),
    refreshAfterMs: refreshOf(spec),
    hmac: spec.hmacSecretData,
    transformation: resolveTransformation(input, spec, lookup),
    instantUpdates: spec.syncConfig?.instantUpdates ?? false,
    rolloutTargets: targetsOf(spec),
  };
}

/** A declaration and its references as one value. Never throws a SyncError: it stands in `outcome`, beside the references. */
export function resolveStaticSecret(input: ResolveInput): Resolution<ResolvedStaticSecret> {
  const lookup = lookUp(input.cluster, input.reference);
  const outcome = attempt(() => resolve(input, lookup));
  return { refs: [...lookup.refs], outcome };
}
