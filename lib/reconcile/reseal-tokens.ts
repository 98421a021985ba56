import { rowsWithIssues } from "../issues/rows-with-issues.ts";
import { declarationKey, type SyncKey } from "../keys.ts";
import type { ReconcileDeps } from "../ports/deps.ts";
import type { Issue } from "../ports/issues.ts";
import type { Row } from "../ports/rows.ts";
import type { SealedBy } from "../ports/vault-issues.ts";
import { claimOf } from "./claim.ts";
import { dueAfter, stayed } from "./duties.ts";

/**
 * Encrypts with the present key the tokens of issues that a former key encrypted, so that the former key can be
 * removed: one row at a time, under a claim. Without former keys it does nothing. What can't be done now is left for
 * the next sweep.
 */
export async function resealTokens(deps: ReconcileDeps, signal: AbortSignal): Promise<void> {
  if (!(await deps.seals.hasFormer())) return;
  const sum: Record<Outcome, number> = { resealed: 0, left: 0, unreadable: 0, present: 0 };
  for await (const row of rowsWithIssues(deps.leases)) {
    // The next sweep tells how many are left.
    if (signal.aborted) return;
    for (const outcome of await resealRow(deps, row)) sum[outcome]++;
  }
  const { resealed, left, unreadable } = sum;
  deps.log.info("tokens-resealed", { resealed, left, unreadable });
}

/** What became of one issue; `left`: a former key is still needed for it. */
type Outcome = "present" | "resealed" | "left" | "unreadable";

async function resealRow(deps: ReconcileDeps, row: Row): Promise<readonly Outcome[]> {
  const sealedBy = await keysOf(deps, row);
  const outcomes = (former: Outcome) =>
    [...sealedBy.values()].map((by): Outcome => (by === "unknown" ? "unreadable" : by === "former" ? former : by));
  if (![...sealedBy.values()].includes("former")) return outcomes("left");
  return outcomes((await resealUnderClaim(deps, row, sealedBy)) ? "resealed" : "left");
}

/** By serial: the key that encrypted its token. */
async function keysOf({ seals }: ReconcileDeps, { key, state }: Row): Promise<ReadonlyMap<string, SealedBy>> {
  // Without a token: it is ended by a login.
  const own = (state.issues ?? []).filter(({ sealedToken }) => sealedToken !== "");
  const entries = own.map(
    async ({ serial, sealedToken }) =>
      [serial, await seals.sealedBy(sealedToken, declarationKey(key), serial)] as const,
  );
  return new Map(await Promise.all(entries));
}

/** False when somebody works on the row, or wants it verified, which a settle would forget. */
async function resealUnderClaim(
  deps: ReconcileDeps,
  row: Row,
  sealedBy: ReadonlyMap<string, SealedBy>,
): Promise<boolean> {
  const isClaimed = row.leaseUntil !== undefined && row.leaseUntil > deps.clock();
  if (isClaimed || row.verify) return false;
  const claim = claimOf(deps, row);
  if (!(await claim.take())) return false;
  const { state } = claim.row;
  const issues = await Promise.all(
    (state.issues ?? []).map((issue) =>
      sealedBy.get(issue.serial) === "former" ? resealed(deps, row.key, issue) : issue,
    ),
  );
  await claim.settle(stayed({ ...claim.row, state: { ...state, issues } }, deps.clock(), dueAfter(row, deps.clock())));
  return true;
}

async function resealed({ seals }: ReconcileDeps, key: SyncKey, issue: Issue): Promise<Issue> {
  const [of, { serial, sealedToken }] = [declarationKey(key), issue];
  const token = await seals.open(sealedToken, of, serial);
  return token === undefined ? issue : { ...issue, sealedToken: await seals.seal(token, of, serial) };
}
