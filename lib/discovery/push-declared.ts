import { PUSH_PRESERVE, pushAnnotations } from "../declarations/push/annotations.ts";
import { type MountedSecret, type SourceOptions, storedSecrets } from "../declarations/push/sources.ts";
import { fingerprint } from "../digest.ts";
import { syncKey } from "../keys.ts";
import type { ClusterSettings } from "../ports/fleet.ts";
import type { SeenResource } from "../ports/resources.ts";
import type { Declared } from "../ports/rows.ts";
import type { KindRef } from "../resource-kinds.ts";
import { canonical } from "../util/canonical.ts";
import type { JsonObject } from "../util/json.ts";

/** The maximum size of the annotations of one object in the table. */
const MAX_BYTES = 64 * 1024;

/** The cluster of a row, with what counts as mounted there. */
type Place = Pick<ClusterSettings, "name"> & { readonly push?: SourceOptions | undefined };

/**
 * An annotated object in the form of a row. Its hash covers our annotations, the names of the Secrets that its pod
 * template refers to, by which options, and its deletion: no scaling or rollout of a workload is another declaration.
 */
export function declaredPush(
  { name: cluster, push }: Place,
  kind: KindRef,
  seen: SeenResource,
  mounted: readonly MountedSecret[],
  restores = 0,
): Declared {
  const { namespace, name } = seen;
  const annotations = pushAnnotations(seen.annotations);
  const spec = { mounted: mounted.map((one) => ({ ...one })), ...(kind.kind === "Secret" ? {} : chosenOf(push)) };
  const text = canonical({ annotations, spec });
  const bytes = Buffer.byteLength(text);
  const isTooLarge = bytes > MAX_BYTES;
  return {
    key: syncKey({ cluster, kind: kind.kind, namespace, name }),
    uid: seen.uid,
    generation: seen.generation,
    hash: fingerprint(text, String(seen.deleting), ...(restores > 0 ? [String(restores)] : [])),
    labels: {},
    annotations: isTooLarge ? preserveOf(annotations) : annotations,
    spec: isTooLarge ? {} : spec,
    group: fingerprint("push", cluster, kind.kind, namespace, name),
    deleting: seen.deleting,
    seen: { resourceVersion: seen.resourceVersion, status: {} },
    ...(isTooLarge ? { tooLarge: bytes } : {}),
  };
}

/** Only what is switched on, so that rows without it stay as they were before it was stored. */
function chosenOf({ projectedVolumes, imagePullSecrets }: Partial<SourceOptions> = {}): JsonObject {
  return {
    ...(projectedVolumes ? { projectedVolumes } : {}),
    ...(imagePullSecrets ? { imagePullSecrets } : {}),
  };
}

/** What a clean-up has to know, whatever else the object says. */
function preserveOf({ [PUSH_PRESERVE]: preserve }: Declared["annotations"]): Declared["annotations"] {
  return preserve === "true" ? { [PUSH_PRESERVE]: preserve } : {};
}

/** What must be the same for an object to need no whole read: its pod template changes only with its generation. */
export function glanceOf({ uid, generation, deleting, annotations }: SeenResource | Declared): string {
  return fingerprint(uid, String(generation), String(deleting), canonical(pushAnnotations(annotations)));
}

/**
 * Whether a row has all of an object, seen by its metadata: with another number of restores, or other options, it is
 * another declaration.
 */
export function isInStep(
  before: Declared,
  settings: Place,
  kind: KindRef,
  seen: SeenResource,
  restores?: number,
): boolean {
  if (glanceOf(before) !== glanceOf(seen)) return false;
  return declaredPush(settings, kind, seen, storedSecrets(before.spec), restores).hash === before.hash;
}
