import { keptToClear } from "../declarations/push/push-secret-declaration.ts";
import { groupOf } from "../declarations/source.ts";
import { fingerprint } from "../digest.ts";
import { referenceKey, syncKey } from "../keys.ts";
import type { ClusterSettings } from "../ports/fleet.ts";
import type { SeenResource } from "../ports/resources.ts";
import type { Declared, Reference } from "../ports/rows.ts";
import { type KindRef, VAULT_PUSH_SECRET } from "../resource-kinds.ts";
import { canonical } from "../util/canonical.ts";

/** The maximum size of one declaration in the table (lease-table 21, 25). */
const MAX_SPEC_BYTES = 256 * 1024;

/** The maximum size of its status, which only keyferry and Vault Secrets Operator write: a few KB. */
const MAX_STATUS_BYTES = 64 * 1024;

/** kubectl's own copy of the whole object. */
const NOT_READ = "kubectl.kubernetes.io/last-applied-configuration";

function annotationsOf(seen: SeenResource): Readonly<Record<string, string>> {
  const { [NOT_READ]: _ignored, ...read } = seen.annotations;
  return read;
}

/**
 * A resource in the form of a row; its hash covers spec, labels, annotations, generation and deletion, never status
 * (kubernetes-rules 11). The generation also differs after an edit that was undone before keyferry saw it, which the
 * status must observe. A restore of the cluster's etcd (`restores`) is a new version as well, because recorded
 * Secrets and statuses no longer match.
 */
export function declaredOf(settings: ClusterSettings, kind: KindRef, seen: SeenResource, restores = 0): Declared {
  const key = syncKey({ cluster: settings.name, kind: kind.kind, namespace: seen.namespace, name: seen.name });
  const annotations = annotationsOf(seen);
  const text = canonical({ spec: seen.spec, labels: seen.labels, annotations });
  const bytes = Buffer.byteLength(text);
  const isTooLarge = bytes > MAX_SPEC_BYTES;
  const isPush = kind.kind === VAULT_PUSH_SECRET.kind;
  const kept = isTooLarge
    ? { spec: isPush ? keptToClear(seen.spec) : {}, labels: {}, annotations: {} }
    : { spec: seen.spec, labels: seen.labels, annotations };
  return {
    key,
    uid: seen.uid,
    generation: seen.generation,
    hash: fingerprint(
      text,
      String(seen.deleting),
      String(seen.generation),
      ...(restores > 0 ? [String(restores)] : []),
    ),
    ...kept,
    group: isPush
      ? fingerprint("push", key)
      : groupOf(settings, { kind: kind.kind, namespace: seen.namespace, spec: kept.spec }),
    deleting: seen.deleting,
    seen: { resourceVersion: seen.resourceVersion, status: statusOf(seen) },
    ...(isTooLarge ? { tooLarge: bytes } : {}),
  };
}

/** A status that is too large counts as missing: ours replaces it. */
function statusOf({ status }: SeenResource): SeenResource["status"] {
  return Buffer.byteLength(JSON.stringify(status)) > MAX_STATUS_BYTES ? {} : status;
}

/**
 * A reference in the form of its row. Its hash covers only the spec, so that a new label wakes no sync, and whether it
 * has the powers of the operator namespace.
 */
export function referenceOf(cluster: string, kind: KindRef, seen: SeenResource, isStranger = false): Reference {
  const { spec, labels } = seen;
  const annotations = annotationsOf(seen);
  const bytes = Buffer.byteLength(JSON.stringify([spec, labels, annotations]));
  const isTooLarge = bytes > MAX_SPEC_BYTES;
  return {
    key: referenceKey({ cluster, kind: kind.kind, namespace: seen.namespace, name: seen.name }),
    uid: seen.uid,
    generation: seen.generation,
    hash: fingerprint(
      canonical(spec),
      kind.kind === "Secret" ? seen.resourceVersion : "",
      ...(isStranger ? ["stranger"] : []),
      ...(isTooLarge ? ["too large"] : []),
    ),
    ...(isStranger ? { isStranger } : {}),
    ...(isTooLarge ? { labels: {}, annotations: {}, spec: {}, tooLarge: bytes } : { labels, annotations, spec }),
  };
}
