import { circuitOfVault } from "../../circuits.ts";
import { attempt } from "../../declarations/attempt.ts";
import { complaintsError } from "../../declarations/parse.ts";
import { type PushDeclaration, parsePush } from "../../declarations/push/annotations.ts";
import { pushIdentity } from "../../declarations/push/identity.ts";
import { type DeclaredPushSecret, parsePushSecret } from "../../declarations/push/push-secret-declaration.ts";
import { storedSecrets } from "../../declarations/push/sources.ts";
import type { Resolution, ResolveInput } from "../../declarations/resolution.ts";
import { vaultName } from "../../declarations/source.ts";
import type { LocatedObject } from "../../destinations/vault/state.ts";
import { fingerprint } from "../../digest.ts";
import { parseDuration } from "../../duration.ts";
import { SyncError } from "../../errors.ts";
import { partsOf, referenceKey, type SyncKey } from "../../keys.ts";
import { namespaceMatcher } from "../../namespaces.ts";
import type { ClusterSettings } from "../../ports/fleet.ts";
import type { PushSettings } from "../../ports/fleet-push.ts";
import type { Declared } from "../../ports/rows.ts";
import type { KvMount } from "../../ports/vault-writes.ts";
import { type AnnotatedKind, VAULT_PUSH_SECRET } from "../../resource-kinds.ts";
import type { AskedVault, Resolved } from "../kind.ts";
import { mustBeStored } from "../shared/resolve.ts";

/** An annotated object or a VaultPushSecret, with everything that fleet.yaml says about its pushes. */
export interface ResolvedPush extends Resolved {
  readonly asks: AskedVault;
  readonly push: PushSettings;
  readonly declaration: PushDeclaration;
  /** Known once the mount was asked for. */
  readonly mount?: KvMount;
  readonly located?: readonly LocatedObject[];
}

/** The settings under which this row may push. Throws PUSH_NOT_ALLOWED. */
function allowedBy(cluster: ClusterSettings, key: SyncKey): PushSettings {
  const { kind, namespace } = partsOf(key);
  const { push } = cluster;
  const place = `cluster ${cluster.name} in fleet.yaml`;
  if (push === undefined) throw notAllowed(key, `${place} has no push`);
  if (!push.kinds.some((allowed) => allowed === kind))
    throw notAllowed(key, `push.kinds of ${place} leaves out ${kind}`);
  if (namespaceMatcher(push.namespaces)(namespace)) return push;
  throw notAllowed(key, `push.namespaces of ${place} leaves out namespace ${namespace}`);
}

/** Outside of what fleet.yaml allows. */
export function notAllowed(key: SyncKey, why: string): SyncError {
  const isOwn = partsOf(key).kind === VAULT_PUSH_SECRET.kind;
  const remedy = `Allow it there, or ${isOwn ? "delete the VaultPushSecret" : "remove vault-sync.io/path"}`;
  return new SyncError("PUSH_NOT_ALLOWED", `nothing is pushed: ${why}. ${remedy}`);
}

function resolve({ declared, cluster }: Pick<ResolveInput, "declared" | "cluster">): ResolvedPush {
  mustBeStored(declared);
  const { kind, namespace, name } = partsOf(declared.key);
  const allowed = allowedBy(cluster, declared.key);
  const { declaration: parsed, settings: push } = declarationOf(declared, allowed);
  const identity = pushIdentity(cluster, push, namespace);
  const vault = vaultName(cluster.vaults, identity.target.address);
  return {
    asks: {
      identity,
      circuit: circuitOfVault(identity.target.address),
      place: { vault, path: parsed.path, role: "push" },
      get id() {
        return fingerprint("push", identity.id, parsed.path);
      },
    },
    push,
    declaration: parsed,
    destination: { name: `${kind}/${name}` },
    refreshAfterMs: parsed.reconcileMs ?? (push.secrets === "poll" ? parseDuration(push.pollEvery) : undefined),
    hmac: false,
    rolloutTargets: [],
  };
}

function declarationOf(declared: Declared, push: PushSettings): DeclaredPushSecret {
  const { cluster, kind, namespace, name } = partsOf(declared.key);
  if (kind === VAULT_PUSH_SECRET.kind) {
    const parsed = parsePushSecret(declared.spec, { cluster, namespace, name, labels: declared.labels }, push);
    if ("complaints" in parsed) throw complaintsError("SPEC_INVALID", kind, parsed.complaints);
    return parsed;
  }
  const annotated = {
    kind: kind as AnnotatedKind,
    name,
    annotations: declared.annotations,
    mounted: storedSecrets(declared.spec),
  };
  const parsed = parsePush(annotated, push);
  if ("complaints" in parsed) throw complaintsError("SPEC_INVALID", kind, parsed.complaints, { root: ["annotations"] });
  return { declaration: parsed, settings: push };
}

/** Combines a declaration and fleet.yaml. The Secrets are its references: a change of one wakes the row. */
export function resolvePush(input: ResolveInput): Resolution<ResolvedPush> {
  const { cluster, namespace } = partsOf(input.declared.key);
  const outcome = attempt(() => resolve(input));
  const names = outcome instanceof SyncError ? [] : sourcesOf(outcome.declaration);
  return { refs: names.map((name) => referenceKey({ cluster, kind: "Secret", namespace, name })), outcome };
}

/** The Secrets that it takes from, each once. */
export function sourcesOf({ objects }: PushDeclaration): readonly string[] {
  return [...new Set(objects.flatMap(({ entries }) => entries.map(({ secret }) => secret)))];
}
