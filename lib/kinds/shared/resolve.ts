import type { z } from "zod";
import type { LookUp } from "../../declarations/look-up.ts";
import type { ResolveInput } from "../../declarations/resolution.ts";
import type { destination, rolloutRestartTargets } from "../../declarations/shared.ts";
import type { WantedSecret } from "../../destinations/kubernetes-secret/state.ts";
import { SyncError } from "../../errors.ts";
import { partsOf } from "../../keys.ts";
import { desiredLabels } from "../../owner-labels.ts";
import type { Declared } from "../../ports/rows.ts";
import type { RolloutTarget } from "../../ports/workloads.ts";
import {
  type Transformation,
  type TransformationSpec,
  transformationOf,
  transformationRefs,
} from "../../transform/transformation.ts";

/** Parts of a declaration that all kinds with a Secret have in common. */

/** Throws SPEC_INVALID for a declaration that was too large to store. */
export function mustBeStored({ tooLarge }: Pick<Declared, "tooLarge">): void {
  if (tooLarge === undefined) return;
  throw new SyncError(
    "SPEC_INVALID",
    `spec, labels and annotations are ${tooLarge} bytes, too many to store: make them smaller`,
  );
}

/** The declared Secret, with the owner's labels when we own it. */
export function destinationOf(spec: z.infer<typeof destination>, uid: string): WantedSecret {
  const { name, create, overwrite, type, labels = {}, annotations = {} } = spec;
  if (!create) return { name, create, overwrite: false, type: type || "Opaque", labels: {}, annotations: {} };
  return { name, create, overwrite, type: type || "Opaque", labels: desiredLabels(labels, uid), annotations };
}

/** Each workload once. */
export function targetsOf(declared: z.infer<typeof rolloutRestartTargets> = []): readonly RolloutTarget[] {
  const byName = new Map(declared.map((target) => [`${target.kind}/${target.name}`, target]));
  return [...byName.values()];
}

/**
 * Templates and filters of the declaration and its SecretTransformations, each noted as a reference (lease-table 23).
 */
export function resolveTransformation(
  { declared, cluster }: ResolveInput,
  spec: TransformationSpec | undefined,
  lookup: LookUp,
): Transformation {
  const { namespace, name } = partsOf(declared.key);
  const given = { owner: { namespace, name }, spec };
  // Notes all of them first, so that they are loaded together.
  for (const ref of transformationRefs(given)) lookup.note("SecretTransformation", ref);
  return transformationOf({
    ...given,
    excludeRaw: cluster.globalTransformationOptions?.excludeRaw ?? false,
    missingKey: cluster.globalTransformationOptions?.missingKey ?? "default",
    find: (ref) => lookup.find("SecretTransformation", ref, "transformationRefs").spec,
  });
}
