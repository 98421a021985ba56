import { digestOf } from "../../digest.ts";
import { partsOf } from "../../keys.ts";
import { REFRESH_ANNOTATION } from "../../origins/refresh-annotation.ts";
import type { Row, RowState } from "../../ports/rows.ts";
import type { SecretData } from "../../secret-value.ts";
import { wasSynced } from "../../vso/take-over/last-status.ts";
import type { ForeseeInput, ObtainInput } from "../kind.ts";
import { type IssuedState, ownIssued } from "./issued-state.ts";
import type { IssuingKind, Left, ResolvedIssued } from "./issuing-kind.ts";
import { certificateIssue } from "./revocable.ts";
import { takenLease } from "./taken-lease.ts";

/** What the row knows from then on. */
type Taken = Pick<RowState, "own" | "digest" | "issues">;

/**
 * A row without a history, whose resource was synced before, by VSO or with a lease table that is lost: what is in use
 * becomes the row's own. It is recorded before the status that tells of it is replaced, so that a crash loses nothing.
 */
export async function takeOver<R extends ResolvedIssued>(
  kind: Pick<IssuingKind<R>, "ref" | "left">,
  run: ObtainInput<R>,
  requestOf: (resolved: R) => string,
): Promise<void> {
  const { claim, deps, holding, digestKey, signal } = run;
  const { row } = claim;
  if (!isNew(row) || !wasSynced(row.declared.seen.status)) return;
  // Its renewals change the status, which discovery does not follow.
  const found = await deps.resources.get({ ...partsOf(row.key), kind: kind.ref }, signal);
  if (found === undefined || found.uid !== row.declared.uid || !wasSynced(found.status)) return;
  const data = await holding.left(signal);
  if (data === undefined) return;
  const isSameSpec = found.status.lastGeneration === row.declared.generation;
  const left = kind.left(run, { status: found.status, data, isSameSpec });
  if (left === undefined) return;
  const digest = digestOf(digestKey, data);
  const own = ownOf(run, left, data, requestOf);
  const issue = left.certificate && (await certificateIssue(run, left.certificate));
  const lease =
    left.lease && (await takenLease(run, { lease: left.lease, issuedAt: left.issuedAt, status: found.status }));
  const [present, issues] = [{ ...own, ...lease?.own }, issue ?? lease?.issue];
  deps.log.info("taken-over-from-vso", { key: row.key, ...(lease && { how: lease.how }) });
  await claim.record({ digest, own: ownIssued(present), ...(issues && { issues: [{ ...issues, digest }] }) });
}

/** What a plan assumes: without a request to Vault. */
export async function foreseeTakeOver<R extends ResolvedIssued>(
  kind: Pick<IssuingKind<R>, "left">,
  run: ForeseeInput<R>,
  requestOf: (resolved: R) => string,
): Promise<Taken | undefined> {
  const { row, digestKey, holding, signal } = run;
  const { seen, generation } = row.declared;
  if (!isNew(row) || !wasSynced(seen.status)) return undefined;
  const data = await holding.left(signal);
  if (data === undefined) return undefined;
  const left = kind.left(run, { status: seen.status, data, isSameSpec: seen.status.lastGeneration === generation });
  if (left === undefined) return undefined;
  const own = { ...ownOf(run, left, data, requestOf), isLeaseless: true };
  return { digest: digestOf(digestKey, data), own: ownIssued(own) };
}

function isNew({ state: { own, issues = [], digest } }: Row): boolean {
  return own === undefined && issues.length === 0 && digest === undefined;
}

function ownOf<R extends ResolvedIssued>(
  { row, resolved }: ForeseeInput<R>,
  { isPresent, issuedAt, made, replaceAt, lease, isLeaseless = lease === undefined }: Left,
  data: SecretData,
  requestOf: (resolved: R) => string,
): IssuedState {
  const kept = { keys: [...data.keys()], asks: [], isTaken: true, ...(isLeaseless ? { isLeaseless } : {}) };
  if (!isPresent) return kept;
  const refresh = row.declared.annotations[REFRESH_ANNOTATION];
  return {
    ...{ ...kept, request: requestOf(resolved), issuedAt },
    ...(refresh === undefined ? {} : { refresh }),
    ...(replaceAt === undefined ? {} : { replaceAt }),
    ...(made === undefined ? {} : { made }),
  };
}
