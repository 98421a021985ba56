import { type EpochMs, HOUR_MS, SECOND_MS } from "../../clock.ts";
import { fingerprint } from "../../digest.ts";
import { SyncError } from "../../errors.ts";
import { MOST_ISSUES } from "../../issues/ask-anew.ts";
import type { Row } from "../../ports/rows.ts";
import type { IssuedData } from "../../ports/vault-issues.ts";
import { LONGEST_PAUSE_MS } from "../../schedule/back-off.ts";
import type { ObtainInput } from "../kind.ts";
import { type IssuedState, VAIN_FAILURES } from "./issued-state.ts";
import type { IssuingKind, ResolvedIssued } from "./issuing-kind.ts";
import { requestOf } from "./request-of.ts";

/**
 * Throws the last failure again, without asking, where that many answers in a row failed and the last one is not an
 * hour old: each is a credential that Vault makes in vain, and the cause is nearly always the declaration, or a role
 * whose leases or certificates are too short. An edit, or another value of keyferry.dev/refresh, is another declaration.
 */
export function mustBeWorthAsking<R extends ResolvedIssued>(
  kind: Pick<IssuingKind<R>, "endsAt">,
  { claim, resolved, clock }: ObtainInput<R>,
  was: IssuedState,
): void {
  const { untransformed } = was;
  if (untransformed === undefined || untransformed.times < MOST_ISSUES) return;
  const pauseMs = pauseOf(claim.row, untransformed.last, kind.endsAt?.(was));
  if (untransformed.of !== declaredId(claim.row, resolved) || clock() - untransformed.last >= pauseMs) return;
  const message =
    `Vault has issued ${untransformed.times} times in vain, so keyferry asks at most once an hour until the declaration, ` +
    `a SecretTransformation of it, or its annotation keyferry.dev/refresh changes: ${untransformed.message}`;
  throw new SyncError(untransformed.code, message);
}

/**
 * An hour; but half the time that was left to what is in use, so that a repair in Vault comes in time, and as any other
 * pause where an event may tell of the repair.
 */
function pauseOf(row: Row, last: EpochMs, endsAt: EpochMs | undefined): number {
  // Of this run's own event: what failed runs leave unverified stays so until one succeeds, and would end the pause.
  if (row.expect !== undefined || row.verify) return LONGEST_PAUSE_MS;
  const live = (row.state.issues ?? []).find(({ state }) => state === "live");
  const lease = live?.vaultLease;
  const end = lease === undefined ? endsAt : lease.issuedAt + lease.seconds * SECOND_MS;
  if (end === undefined || end <= last || live?.lost === "gone") return HOUR_MS;
  return Math.min(HOUR_MS, Math.max(LONGEST_PAUSE_MS, (end - last) / 2));
}

/**
 * What the row knows after an answer that failed by this error. A GET that left no lease was a read: it issued nothing,
 * and a repair in Vault should be noticed soon.
 */
export function afterAnswer(
  { claim, resolved, clock }: ObtainInput<ResolvedIssued>,
  was: IssuedState,
  { lease }: Pick<IssuedData, "lease">,
  { code, message }: SyncError,
): IssuedState {
  const isRead = lease === undefined && resolved.request.method === "GET";
  if (isRead || !VAIN_FAILURES.has(code)) return was;
  const of = declaredId(claim.row, resolved);
  const times = was.untransformed?.of === of ? was.untransformed.times : 0;
  return { ...was, untransformed: { of, times: times + 1, last: clock(), code, message } };
}

/** The hash covers annotations, which templates read; the request covers what other resources say. */
function declaredId({ declared }: Row, resolved: ResolvedIssued): string {
  return fingerprint(declared.hash, requestOf(resolved));
}
