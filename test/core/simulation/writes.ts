import type { KubeCall } from "../../../lib/kubernetes/kube-call.ts";
import type { Json } from "../world/api/fields.ts";

/** An empty patch is a look. */
export function isLook({ body, query }: KubeCall): boolean {
  return query?.dryRun !== undefined || Object.keys(Object(body)).length === 0;
}

/** Whose write this was: the field manager whose entry changed. */
export function writerOf(object: Json, before: Json | undefined): string {
  const entries = (of: Json | undefined): string[] =>
    ((Object(of?.metadata).managedFields ?? []) as object[]).map((entry) => JSON.stringify(entry));
  const old = new Set(entries(before));
  const changed = entries(object).find((entry) => !old.has(entry));
  return changed === undefined ? "unknown" : String(Object(JSON.parse(changed)).manager);
}
