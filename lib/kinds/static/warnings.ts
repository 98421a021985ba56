import { SECOND_MS } from "../../clock.ts";
import type { Warning } from "../../origins/warnings.ts";
import type { ResolvedStaticSecret } from "./resolve.ts";

/** The maximum number of template places in a message. */
const MAX_PLACES = 3;

/** Warnings about a sync in step. `missing`: where its templates wrote missing fields. */
export function warningsOf(
  { instantUpdates, refreshAfterMs }: Pick<ResolvedStaticSecret, "instantUpdates" | "refreshAfterMs">,
  missing: readonly string[],
): readonly Warning[] {
  return [
    ...(missing.length > 0 ? [incomplete(missing)] : []),
    ...(instantUpdates ? [notInstant(refreshAfterMs)] : []),
  ];
}

function incomplete(missing: readonly string[]): Warning {
  const left = missing.length - MAX_PLACES;
  const places = `${missing.slice(0, MAX_PLACES).join("; ")}${left > 0 ? `; and ${left} more` : ""}`;
  const message =
    `a template uses missing fields, so the Secret holds <no value> or <nil> in their place: ${places}. ` +
    "Use existing fields, or give them defaults";
  return { type: "TemplatesComplete", status: "False", reason: "NoSuchField", message };
}

function notInstant(refreshAfterMs: number | undefined): Warning {
  const instead =
    refreshAfterMs === undefined
      ? "keyferry reads Vault when the declaration changes, because spec.refreshAfter is not set"
      : `keyferry reads Vault every ${refreshAfterMs / SECOND_MS} s, by spec.refreshAfter or its default`;
  const message = `spec.syncConfig.instantUpdates has no effect yet: ${instead}`;
  return { type: "InstantUpdates", status: "False", reason: "NotYetSupported", message };
}
