import { groupOf } from "../declarations/source.ts";
import { fingerprint } from "../digest.ts";
import { referenceKey, syncKey } from "../keys.ts";
import type { ClusterSettings } from "../ports/fleet.ts";
import type { SeenResource } from "../ports/resources.ts";
import type { Declared, Reference } from "../ports/rows.ts";
import type { KindRef } from "../resource-kinds.ts";
import { canonical } from "../util/canonical.ts";

/** The table keeps at most so much of one declaration (lease-table 21, 25). */
const MAX_SPEC_BYTES = 256 * 1024;

/** And of its status, which only we and Vault Secrets Operator write: a few KB. */
const MAX_STATUS_BYTES = 64 * 1024;

/** What kubectl keeps for itself: the whole object once more. */
const NOT_READ = "kubectl.kubernetes.io/last-applied-configuration";

function annotationsOf(seen: SeenResource): Readonly<Record<string, string>> {
  const { [NOT_READ]: _ignored, ...read } = seen.annotations;
  return read;
}

/**
 * A resource as a row keeps it; its hash covers spec, labels, annotations and deletion, never status (kubernetes-rules 11).
 * After `restores` of its cluster's etcd nothing that was recorded of Secrets and status holds: that is a new version, too.
 */
export function declaredOf(settings: ClusterSettings, kind: KindRef, seen: SeenResource, restores = 0): Declared {
  const key = syncKey({ cluster: settings.name, kind: kind.kind, namespace: seen.namespace, name: seen.name });
  const annotations = annotationsOf(seen);
  const text = canonical({ spec: seen.spec, labels: seen.labels, annotations });
  const bytes = Buffer.byteLength(text);
  const isTooLarge = bytes > MAX_SPEC_BYTES;
  const kept = isTooLarge
    ? { spec: {}, labels: {}, annotations: {} }
    : { spec: seen.spec, labels: seen.labels, annotations };
  return {
    key,
    uid: seen.uid,
    generation: seen.generation,
    hash: fingerprint(text, String(seen.deleting), ...(restores > 0 ? [String(restores)] : [])),
    ...kept,
    group: groupOf(settings, { kind: kind.kind, namespace: seen.namespace, spec: kept.spec }),
    deleting: seen.deleting,
    seen: { resourceVersion: seen.resourceVersion, status: statusOf(seen) },
    ...(isTooLarge ? { tooLarge: bytes } : {}),
  };
}

/** One that is too large is taken for none: ours is written over it. */
function statusOf({ status }: SeenResource): SeenResource["status"] {
  return Buffer.byteLength(JSON.stringify(status)) > MAX_STATUS_BYTES ? {} : status;
}

/**
 * A reference as its row keeps it; only its spec counts, so that a new label wakes no sync, and whether it has the powers of
 * the operator namespace.
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
