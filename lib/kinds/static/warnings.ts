import { SECOND_MS } from "../../clock.ts";
import type { Warning } from "../../origins/warnings.ts";
import type { InstantState } from "../../ports/instant-updates.ts";
import { incompleteTemplates } from "../shared/warnings.ts";
import type { ResolvedStaticSecret } from "./resolve.ts";

type Wishes = Pick<ResolvedStaticSecret, "instantUpdates" | "refreshAfterMs">;

/**
 * Warnings about a sync in step. `missing`: where its templates wrote missing fields. `instant`: its subscription;
 * undefined where no process keeps a connection to a Vault open.
 */
export function warningsOf(
  wishes: Wishes,
  missing: readonly string[],
  instant: InstantState | undefined,
): readonly Warning[] {
  return [...incompleteTemplates(missing), ...(wishes.instantUpdates ? notInstant(wishes, instant) : [])];
}

const NO_CONNECTION =
  "functions on AWS keep no connection to Vault open; the audit log does the same for all syncs of a Vault, " +
  "by vaults[].events in fleet.yaml (docs/events-aws.md)";

function notInstant({ refreshAfterMs }: Wishes, instant: InstantState | undefined): readonly Warning[] {
  if (instant !== undefined && instant.kind !== "refused") return [];
  const instead =
    refreshAfterMs === undefined
      ? "keyferry reads Vault when the declaration changes, because spec.refreshAfter is not set"
      : `keyferry reads Vault every ${refreshAfterMs / SECOND_MS} s, by spec.refreshAfter or its default`;
  const why = instant?.message ?? NO_CONNECTION;
  const message = `spec.syncConfig.instantUpdates has no effect: ${why}. Meanwhile ${instead}`;
  return [{ type: "InstantUpdates", status: "False", reason: instant?.reason ?? "NotInThisEngine", message }];
}
