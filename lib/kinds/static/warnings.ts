import { SECOND_MS } from "../../clock.ts";
import type { Warning } from "../../origins/warnings.ts";
import { incompleteTemplates } from "../shared/warnings.ts";
import type { ResolvedStaticSecret } from "./resolve.ts";

/** Warnings about a sync in step. `missing`: where its templates wrote missing fields. */
export function warningsOf(
  { instantUpdates, refreshAfterMs }: Pick<ResolvedStaticSecret, "instantUpdates" | "refreshAfterMs">,
  missing: readonly string[],
): readonly Warning[] {
  return [...incompleteTemplates(missing), ...(instantUpdates ? [notInstant(refreshAfterMs)] : [])];
}

function notInstant(refreshAfterMs: number | undefined): Warning {
  const instead =
    refreshAfterMs === undefined
      ? "keyferry reads Vault when the declaration changes, because spec.refreshAfter is not set"
      : `keyferry reads Vault every ${refreshAfterMs / SECOND_MS} s, by spec.refreshAfter or its default`;
  const message = `spec.syncConfig.instantUpdates has no effect yet: ${instead}`;
  return { type: "InstantUpdates", status: "False", reason: "NotYetSupported", message };
}
