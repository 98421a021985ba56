import { SECOND_MS } from "../../clock.ts";
import { kubernetesSecrets } from "../../destinations/kubernetes-secret/kubernetes-secret.ts";
import { SyncError } from "../../errors.ts";
import { liveIssue } from "../../issues/issue-times.ts";
import { makeRoom } from "../../issues/make-room.ts";
import { verifyLive } from "../../issues/verify-live.ts";
import { REFRESH_ANNOTATION } from "../../origins/refresh-annotation.ts";
import type { Issue, LostBecause } from "../../ports/issues.ts";
import { isToVerify, type Row } from "../../ports/rows.ts";
import type { SecretData } from "../../secret-value.ts";
import type { ForeseeInput, Obtained, ObtainInput, SyncKind } from "../kind.ts";
import { askOwn } from "./ask-own.ts";
import { askShared } from "./ask-shared.ts";
import { countedAsk, uncounted } from "./counted-ask.ts";
import { type IssuedState, issuedState, ownIssued } from "./issued-state.ts";
import type { IssuingKind, ResolvedIssued } from "./issuing-kind.ts";
import { foreseeLeftOver, NOT_WRITTEN, settleLeftOver } from "./left-over.ts";
import { presentWays } from "./present-ways.ts";
import { requestNow, requestOf } from "./request-of.ts";
import { retimed } from "./retimed.ts";
import { settleRevocable } from "./revocable.ts";
import { foreseeTakeOver, takeOver } from "./take-over.ts";
import { mustBeWorthAsking } from "./untransformed.ts";
import { annotationWarning, plannedWarning, warningsOf } from "./warnings.ts";

/** A kind whose data Vault issues: kept while it is good, and asked for again only when it must be. */
export function issuedKind<R extends ResolvedIssued>(kind: IssuingKind<R>): SyncKind<R> {
  return {
    ref: kind.ref,
    resolve: kind.resolve,
    destination: kubernetesSecrets,
    ...(kind.failedStatus === undefined ? {} : { failedStatus: kind.failedStatus }),
    async foresee(run) {
      const row = await foreseen(kind, run);
      const was = declaredNow(kind, run, issuedState(row.state));
      const kept = await keepable(kind, { ...run, row }, was);
      return "why" in kept ? "would-issue" : keep(kind, kept, row.state.issues ?? []);
    },
    async obtain(run) {
      const obtained = await keepOrAsk(kind, run);
      const invalid = annotationWarning(run.row.declared.annotations);
      return obtained.kind === "data" ? { ...obtained, warnings: [...obtained.warnings, ...invalid] } : obtained;
    },
  };
}

/** The present data when it will do, and new data otherwise. */
async function keepOrAsk<R extends ResolvedIssued>(kind: IssuingKind<R>, run: ObtainInput<R>): Promise<Obtained> {
  const { claim } = run;
  await presentWays(run);
  const unapplied = await settleLeftOver(run);
  await takeOver(kind, run, requestOf);
  await settleRevocable(kind, run);
  if (declaredAnew({ ...run, row: claim.row }, declaredNow(kind, run, issuedState(claim.row.state))) === undefined)
    await verified(run);
  const was = declaredNow(kind, run, await looked(kind, run));
  const kept = unapplied === undefined ? await keepable(kind, { ...run, row: claim.row }, was) : other(unapplied);
  if (!("why" in kept)) return keep(kind, kept, claim.row.state.issues ?? []);
  mustBeWorthAsking(kind, run, was);
  if (run.resolved.revokesReplaced) await makeRoom(run.deps, claim, run.signal);
  const isRead = kind.isReadEachTime?.(run, was) ?? false;
  const { isDenied: _former, ...rest } = was;
  const known: IssuedState = { ...rest, ...(kept.why === "denied" ? { isDenied: true } : {}) };
  const counted = isRead ? uncounted(known) : countedAsk(run, known, isPlanned(run, was, kept.why));
  run.deps.log.info("credential-asked-for", { key: claim.row.key, because: kept.because });
  return isKnownLeaseless(was, run.resolved) ? askShared(kind, run, counted.answered) : askOwn(kind, run, counted);
}

/** Without an answer the doubt stays; where the Secret lost the data, it is replaced whatever the answer would be. */
async function verified({ deps, claim, holding, signal }: ObtainInput<ResolvedIssued>): Promise<void> {
  try {
    await verifyLive(deps, claim, signal);
  } catch (error) {
    const { state } = claim.row;
    const { keys } = issuedState(state);
    if (!(error instanceof SyncError) || state.digest === undefined) throw error;
    if ((await holding.holds(keys, state.digest, signal)) !== undefined) throw error;
  }
}

/** After edits that ask nothing of Vault. */
function declaredNow<R extends ResolvedIssued>(
  kind: IssuingKind<R>,
  run: ForeseeInput<R>,
  { request, tried, ...rest }: IssuedState,
): IssuedState {
  const was: IssuedState = {
    ...rest,
    ...(request === undefined ? {} : { request: requestNow(request, run.resolved) }),
    ...(tried === undefined ? {} : { tried: requestNow(tried, run.resolved) }),
  };
  return kind.asDeclaredNow?.(run, was) ?? was;
}

/** What the row knows of the present data, with what Vault tells of it after an event. */
async function looked<R extends ResolvedIssued>(kind: IssuingKind<R>, run: ObtainInput<R>): Promise<IssuedState> {
  const { claim } = run;
  const was = issuedState(claim.row.state);
  const isMeant = claim.row.expect !== undefined || isToVerify(claim.row) || was.inDoubt;
  if (kind.look === undefined || was.made === undefined || !isMeant) return was;
  // Without an answer the doubt stays, whatever becomes of this run.
  claim.note({ own: ownIssued({ ...was, inDoubt: true }) });
  const { inDoubt: _settled, ...known } = was;
  return { ...known, made: { ...was.made, ...(await kind.look(run, was)) } };
}

/** The row, with what a run would take over from Vault Secrets Operator, or from one before it. */
async function foreseen<R extends ResolvedIssued>(kind: IssuingKind<R>, run: ForeseeInput<R>): Promise<Row> {
  const row = await foreseeLeftOver(run, run.row);
  const taken = await foreseeTakeOver(kind, { ...run, row }, requestOf);
  return taken === undefined ? row : { ...row, state: { ...row.state, ...taken } };
}

/**
 * Another request, or one that VSO sent, may leave a lease: the first one is asked with a login of its own, like any
 * (lease-table 26).
 */
function isKnownLeaseless({ isLeaseless, isTaken, request }: IssuedState, resolved: ResolvedIssued): boolean {
  return isLeaseless === true && isTaken !== true && request === requestOf(resolved);
}

/** Why Vault is asked: `why` is decided by, and `because` is for people. */
interface Reason {
  readonly why: Why;
  readonly because: string;
}

/** `over`: its time is. `read`: each run reads it anew. `other`: nothing that was planned, nor an answer of Vault. */
type Why = LostBecause | "over" | "read" | "other";

function other(because: string): Reason {
  return { why: "other", because };
}

/** The present data, with what the row knows of it from now on. */
interface Kept {
  readonly held: SecretData;
  readonly was: IssuedState;
}

/** The present data, or why there is none that will do. Throws what makes its declaration impossible. */
async function keepable<R extends ResolvedIssued>(
  kind: IssuingKind<R>,
  run: ForeseeInput<R>,
  was: IssuedState,
): Promise<Kept | Reason> {
  const { row, holding, clock, signal } = run;
  const { digest } = row.state;
  const spent = noneInUse(was, liveIssue(row.state));
  if (digest === undefined || spent !== undefined) return spent ?? other("there is none");
  const declared = declaredAnew(run, was);
  if (declared !== undefined) return declared;
  const { unusable, ...time } = retimed(kind, run, was);
  if (time.replaceAt !== undefined && time.replaceAt <= clock()) return { why: "over", because: "its time is over" };
  if (kind.isReadEachTime?.(run, was)) return { why: "read", because: "it is read each time" };
  const held = await holding.holds(was.keys, digest, signal);
  if (held === undefined) return other("its Secret has other data");
  const unfit = kind.unfit?.(run, was, held);
  if (unfit !== undefined) return other(unfit);
  if (unusable !== undefined) throw unusable;
  return { held, was: { ...was, ...time } };
}

/** Why its declaration asks for other data, whatever Vault knows of the present one; undefined: it does not. */
function declaredAnew({ row, resolved }: ForeseeInput<ResolvedIssued>, was: IssuedState): Reason | undefined {
  if (was.request !== requestOf(resolved)) return other("its declaration changed");
  const refresh = row.declared.annotations[REFRESH_ANNOTATION] ?? "";
  return (was.refresh ?? "") === refresh ? undefined : other("a refresh was requested");
}

/** Why nothing is in use, as far as the row and Vault know; undefined: something is. */
function noneInUse({ issuedAt, isLeaseless }: IssuedState, live: Issue | undefined): Reason | undefined {
  if (live === undefined && !isLeaseless) return other("there is none");
  if (issuedAt === undefined) return other(live === undefined ? "there is none" : NOT_WRITTEN);
  if (live?.lost !== undefined) return { why: live.lost, because: LOST[live.lost] };
  // Former versions left this: what is known is of another lease than the one in use. VSO's own have other times.
  const isOfAnother = live?.vaultLease !== undefined && live.shared !== true && live.vaultLease.issuedAt !== issuedAt;
  return isOfAnother ? other(NOT_WRITTEN) : undefined;
}

const LOST: Readonly<Record<LostBecause, string>> = {
  truncated: "Vault renews it no longer",
  gone: "it has ended, or nobody can renew it",
  denied: "Vault refuses to renew it",
};

function keep<R extends ResolvedIssued>(
  kind: IssuingKind<R>,
  { held: data, was }: Kept,
  issues: readonly Issue[],
): Obtained {
  const live = liveIssue({ issues });
  return {
    ...{ kind: "data", data, issues },
    next: was.replaceAt === undefined ? "event" : { at: was.replaceAt },
    own: ownIssued(was),
    status: kind.status(was, live),
    warnings: [...warningsOf(live, was), ...plannedWarning(was)],
  };
}

/** What was planned, after a life of use, is no part of a loop; nor is what nobody renewed for a slot or to its end. */
function isPlanned({ deps, claim }: ObtainInput<ResolvedIssued>, { issuedAt }: IssuedState, why: Why): boolean {
  const now = deps.clock();
  const served = now - (issuedAt ?? now);
  if (why === "gone") {
    const { vaultLease, atRisk } = liveIssue(claim.row.state) ?? {};
    return atRisk !== undefined || served >= (vaultLease?.seconds ?? Number.POSITIVE_INFINITY) * SECOND_MS;
  }
  return why === "read" || why === "over" || (why === "truncated" && served >= SERVED_MS);
}

const SERVED_MS = 30 * SECOND_MS;
