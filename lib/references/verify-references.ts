import type { ReferenceKey } from "../keys.ts";
import type { ReconcileDeps } from "../ports/deps.ts";
import type { Reference, Row } from "../ports/rows.ts";
import { sendDue } from "../schedule/messages.ts";
import type { ReferenceReader } from "./references.ts";

/**
 * A reference that a row names for the first time may have changed between the run and its settle, without a nudge.
 * Then the row runs once more. One read, and none without new references.
 */
export async function verifyReferences(
  deps: Pick<ReconcileDeps, "leases" | "queue" | "clock">,
  { row, refs }: { readonly row: Row; readonly refs: readonly ReferenceKey[] },
  { references }: { readonly references: ReferenceReader },
): Promise<void> {
  const before = new Set(row.state.refs);
  // Credentials are read live, and not as references.
  const joined = refs.filter((key) => !before.has(key) && references.has(key));
  if (joined.length === 0) return;
  const now = await deps.leases.references(joined, "strong");
  if (joined.every((key) => isSame(references.get(key), now.get(key)))) return;
  const due = await deps.leases.nudge(row.key, { now: deps.clock(), verify: false });
  if (due) await sendDue(deps.queue, [due], deps.clock());
}

function isSame(used: Reference | undefined, found: Reference | undefined): boolean {
  return used?.uid === found?.uid && used?.hash === found?.hash;
}
