import { type EpochMs, SECOND_MS } from "../../clock.ts";
import { vaultAt } from "../../declarations/lent-identity.ts";
import { kubernetesSecrets } from "../../destinations/kubernetes-secret/kubernetes-secret.ts";
import { digestOf, fingerprint } from "../../digest.ts";
import { SyncError } from "../../errors.ts";
import { type Answered, askAnew, countedIssue, issuesTooFrequent } from "../../issues/ask-anew.ts";
import { endIssues } from "../../issues/end-issues.ts";
import {
  endingAt,
  endingUnanswered,
  liveIssue,
  renewWithinOf,
  replaceAtOf,
  SHORTEST_TTL_S,
  withIssues,
} from "../../issues/issue-times.ts";
import { replacedIssue } from "../../issues/replaced.ts";
import { issueByLogin } from "../../issues/shared-issue.ts";
import { REFRESH_ANNOTATION } from "../../origins/refresh-annotation.ts";
import type { Warning } from "../../origins/warnings.ts";
import type { Issue, Row } from "../../ports/rows.ts";
import type { VaultIdentity } from "../../ports/vault.ts";
import type { VaultLease, VaultRequest } from "../../ports/vault-issues.ts";
import type { SecretData } from "../../secret-value.ts";
import { canonical } from "../../util/canonical.ts";
import type { Json } from "../../util/json.ts";
import type { ForeseeInput, Obtained, ObtainInput, SyncKind } from "../kind.ts";
import { incompleteTemplates } from "../shared/warnings.ts";
import { type IssuedState, issuedState, ownIssued } from "./issued-state.ts";
import type { IssuingKind, Made, ResolvedIssued } from "./issuing-kind.ts";
import { foreseeTakeOver, takeOver } from "./take-over.ts";

/** A kind whose data Vault issues: kept while it is good, and asked for again only when it must be. */
export function issuedKind<R extends ResolvedIssued>(kind: IssuingKind<R>): SyncKind<R> {
  return {
    ref: kind.ref,
    resolve: kind.resolve,
    destination: kubernetesSecrets,
    ...(kind.failedStatus === undefined ? {} : { failedStatus: kind.failedStatus }),
    async foresee(run) {
      const row = await foreseen(kind, run);
      const was = issuedState(row.state);
      const kept = await keepable(kind, { ...run, row }, was);
      return typeof kept === "string" ? "would-issue" : keep(kind, was, kept, row.state.issues ?? []);
    },
    async obtain(run) {
      const { claim } = run;
      const unapplied = await settleLeftOver(run);
      await takeOver(kind, run, requestOf);
      const was = issuedState(claim.row.state);
      const kept = unapplied ?? (await keepable(kind, { ...run, row: claim.row }, was));
      const issues = claim.row.state.issues ?? [];
      if (typeof kept !== "string") return keep(kind, was, kept, issues);
      run.deps.log.info("credential-asked-for", { key: claim.row.key, because: kept });
      const isRead = kind.isReadEachTime?.(run, was) ?? false;
      const { isDenied: _former, ...known } = was;
      const counted: IssuedState = {
        ...known,
        ...(kept === LOST.denied ? { isDenied: true } : {}),
        ...(isRead ? {} : { asks: countedAsks(run, was, kept) }),
      };
      return isKnownLeaseless(was, run.resolved) ? askShared(kind, run, counted) : ask(kind, run, counted);
    },
  };
}

/** The row, with what a run would take over from Vault Secrets Operator. */
async function foreseen<R extends ResolvedIssued>(kind: IssuingKind<R>, run: ForeseeInput<R>): Promise<Row> {
  const { row } = run;
  const taken = await foreseeTakeOver(kind, run, requestOf);
  return taken === undefined ? row : { ...row, state: { ...row.state, ...taken } };
}

/**
 * Another request, or one that VSO sent, may leave a lease: the first one is asked with a login of its own, like any
 * (lease-table 26).
 */
function isKnownLeaseless({ isLeaseless, isTaken, request }: IssuedState, resolved: ResolvedIssued): boolean {
  return isLeaseless === true && isTaken !== true && request === requestOf(resolved);
}

/**
 * What a crash, or a failed write, left. A request that may still run is ended after its time; the reason for it is
 * still there. An answer is in use when the Secret has its data; otherwise it is ended, and asked for anew: returns
 * why.
 */
async function settleLeftOver(run: ObtainInput<ResolvedIssued>): Promise<string | undefined> {
  const { claim } = run;
  let because: string | undefined;
  for (const issue of (claim.row.state.issues ?? []).filter(isOpen)) {
    const { state } = claim.row;
    const { issues = [] } = state;
    if (issue.state === "asking") {
      claim.note({ issues: withIssues(issues, new Map([[issue.serial, endingUnanswered(issue)]])) });
    } else if (!(await adopted(run, issue))) {
      const now = run.deps.clock();
      const left = await endIssues(run.deps, claim.row.key, issues, [endingAt(issue, now, now)], run.signal);
      claim.note({ issues: left });
      because = "an earlier answer was not written";
    }
  }
  return because;
}

function isOpen({ state }: Issue): boolean {
  return state === "asking" || state === "got";
}

/** The write of this answer succeeded, and only its settle is missing. */
async function adopted(
  { claim, holding, deps, resolved, signal }: ObtainInput<ResolvedIssued>,
  issue: Issue,
): Promise<boolean> {
  const { declared, state } = claim.row;
  const { digest } = issue;
  if (digest === undefined) return false;
  if ((await holding.holds(issuedState(state).keys, digest, signal)) === undefined) return false;
  const live: Issue = { ...issue, state: "live" };
  claim.note({ digest, issues: succeeded(state.issues ?? [], live, declared.annotations, resolved, deps.clock()) });
  return true;
}

/** The present data, or why there is none that will do. */
async function keepable<R extends ResolvedIssued>(
  kind: IssuingKind<R>,
  run: ForeseeInput<R>,
  was: IssuedState,
): Promise<SecretData | string> {
  const { row, resolved, holding, clock, signal } = run;
  const { digest } = row.state;
  const live = liveIssue(row.state);
  if (was.issuedAt === undefined || digest === undefined) return "there is none";
  if (live === undefined && !was.isLeaseless) return "there is none";
  if (live?.lost !== undefined) return LOST[live.lost];
  if (was.request !== requestOf(resolved)) return "its declaration changed";
  if ((was.refresh ?? "") !== (row.declared.annotations[REFRESH_ANNOTATION] ?? "")) return "a refresh was requested";
  if (was.replaceAt !== undefined && was.replaceAt <= clock()) return OVER;
  if (kind.isReadEachTime?.(run, was)) return READ;
  const held = await holding.holds(was.keys, digest, signal);
  return held === undefined ? "its Secret has other data" : (kind.unfit?.(run, was, held) ?? held);
}

const LOST = {
  truncated: "Vault renews it no longer",
  gone: "Vault has ended it",
  denied: "Vault refuses to renew it",
} as const;

/** Everything whose change issues anew. Labels, annotations, targets and the renewal's share do not. */
function requestOf({ asks, destination, cause }: ResolvedIssued): string {
  const { name, type, create } = destination;
  return fingerprint(canonical({ login: loginOf(asks.identity), name, type, create, cause }));
}

/** The login, without the versions of the resources that say it. */
function loginOf({ target: { address }, namespace = "", mount, headers, method }: VaultIdentity): Json {
  const { credential, ...rest } = method;
  const { version: _version, ...place }: typeof credential & { readonly version?: string } = credential;
  return { address, namespace, mount, headers, place: { ...place }, method: { ...rest } } as unknown as Json;
}

function keep<R extends ResolvedIssued>(
  kind: IssuingKind<R>,
  was: IssuedState,
  data: SecretData,
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

/** What was planned, after a life of use, is no part of a loop. */
function countedAsks(
  { deps, claim }: ObtainInput<ResolvedIssued>,
  was: IssuedState,
  because: string,
): readonly EpochMs[] {
  const now = deps.clock();
  const served = now - (was.issuedAt ?? now);
  const isPlanned = because === READ || because === OVER || (because === LOST.truncated && served >= SERVED_MS);
  if (isPlanned) return was.asks;
  const { declared, state } = claim.row;
  const isParked = state.error?.code === "ISSUES_TOO_FREQUENT";
  // Only a person ends it: what else asks for a run, such as drift that goes on, is part of the loop.
  if (isParked && state.seen?.hash === declared.hash) throw issuesTooFrequent();
  return countedIssue(isParked ? [] : was.asks, now);
}

const SERVED_MS = 30 * SECOND_MS;
const OVER = "its time is over";
const READ = "it is read each time";

/** Asks for a credential with a login of its own. */
async function ask<R extends ResolvedIssued>(
  kind: IssuingKind<R>,
  run: ObtainInput<R>,
  was: IssuedState,
): Promise<Obtained> {
  const { claim, resolved, deps, settings, signal } = run;
  await run.holding.admit(rehearsal(run, was), signal);
  const identity = await run.reached(resolved.asks.identity);
  const maxRequestMs = vaultAt(settings, identity.target.address)?.maxRequestDurationMs ?? MAX_REQUEST_MS;
  const own = ownIssued(was);
  const answered = await askAnew(deps, { claim, identity, request: resolved.request, maxRequestMs, signal, own });
  return used(kind, run, was, answered);
}

/** How long a Vault works on a request at most, unless fleet.yaml says otherwise (Vault's max_request_duration). */
const MAX_REQUEST_MS = 90 * SECOND_MS;

/** After a failed write the next one is tried without effect first, so that no credential is issued in vain. */
function rehearsal({ row, resolved }: ObtainInput<ResolvedIssued>, was: IssuedState): readonly string[] | undefined {
  const { error, issues = [] } = row.state;
  // Which keys another request's answer has, and whether the Secret's type requires them, nobody knows yet.
  if ((was.tried ?? was.request) !== requestOf(resolved)) return undefined;
  const wasRefused = error !== undefined && !error.code.startsWith("VAULT_");
  return wasRefused || issues.some(({ state }) => state === "got") ? was.keys : undefined;
}

/** Records the answer before it is written; ends it at once when it is of no use. */
async function used<R extends ResolvedIssued>(
  kind: IssuingKind<R>,
  run: ObtainInput<R>,
  was: IssuedState,
  answered: Answered,
): Promise<Obtained> {
  const { claim, deps, resolved, digestKey, signal } = run;
  const { key } = claim.row;
  const issuesWith = (issue: Issue) => withIssues(claim.row.state.issues ?? [], new Map([[issue.serial, issue]]));
  try {
    const { issue, made, own } = await understood(kind, run, was, answered);
    const got: Issue = { ...issue, digest: digestOf(digestKey, made.data) };
    if (got.vaultLease === undefined) {
      // Only the token is left in Vault, which nothing needs any more.
      const now = deps.clock();
      const issues = await endIssues(deps, key, issuesWith(got), [endingAt(got, now, now)], signal);
      return await leftLeaseless(kind, run, own, made, issues);
    }
    await claim.record({ issues: issuesWith(got), own: ownIssued(own) });
    const now = deps.clock();
    const live: Issue = { ...got, state: "live" };
    const issues = succeeded(issuesWith(got), live, claim.row.declared.annotations, resolved, now);
    return fresh(kind, run, own, made, issues);
  } catch (error) {
    if (error instanceof SyncError) {
      const now = deps.clock();
      const ending = endingAt(answered.issue, now, now);
      claim.note({ issues: await endIssues(deps, key, issuesWith(ending), [ending], signal) });
    }
    throw error;
  }
}

interface Understood {
  readonly issue: Issue;
  readonly made: Made;
  readonly own: IssuedState;
}

async function understood<R extends ResolvedIssued>(
  kind: IssuingKind<R>,
  run: ObtainInput<R>,
  was: IssuedState,
  { issue, data, loggedInAt }: Answered,
): Promise<Understood> {
  const { resolved } = run;
  mustLast(issue);
  const askedAt = issue.vaultLease?.issuedAt ?? loggedInAt;
  const made = await kind.make(run, data, askedAt, was);
  const renewWithin = renewWithinOf(issue, resolved.renewalPercent);
  const byLease = issue.vaultLease && replaceAtOf(issue, loggedInAt, resolved.renewalPercent);
  return {
    issue: { ...issue, ...(renewWithin === undefined ? {} : { renewWithin }) },
    made,
    own: { ...presentState(run, was, made, askedAt), ...replaceAt(made.replaceAt, byLease), ...leaseless(issue) },
  };
}

function leaseless({ vaultLease }: Issue): Pick<IssuedState, "isLeaseless"> {
  return vaultLease === undefined ? { isLeaseless: true } : {};
}

function replaceAt(...times: readonly (EpochMs | undefined)[]): Pick<IssuedState, "replaceAt"> {
  const known = times.filter((time) => time !== undefined);
  return known.length === 0 ? {} : { replaceAt: Math.min(...known) };
}

/** What the row knows of the present data. */
function presentState(
  { row, resolved }: ObtainInput<ResolvedIssued>,
  { asks, isDenied }: IssuedState,
  { data, made, missing }: Made,
  issuedAt: EpochMs,
): IssuedState {
  const refresh = row.declared.annotations[REFRESH_ANNOTATION];
  return {
    ...{ request: requestOf(resolved), keys: [...data.keys()], asks, issuedAt },
    ...(refresh === undefined ? {} : { refresh }),
    ...(isDenied ? { isDenied } : {}),
    ...(made === undefined ? {} : { made }),
    ...(missing.length === 0 ? {} : { missing }),
  };
}

/** Throws VAULT_LEASE_UNUSABLE for a lease that leaves no room for two renewals. */
function mustLast({ vaultLease }: Issue): void {
  if (vaultLease === undefined || vaultLease.seconds >= SHORTEST_TTL_S) return;
  const message =
    `Vault's lease lasts ${vaultLease.seconds} s, too short to be renewed in time: set the role's default_ttl and max_ttl to ` +
    `at least ${SHORTEST_TTL_S} s`;
  throw new SyncError("VAULT_LEASE_UNUSABLE", message);
}

/** The new one is in use, and the former one is ended as its declaration says. */
function succeeded(
  issues: readonly Issue[],
  live: Issue | undefined,
  annotations: Readonly<Record<string, string>>,
  { rolloutTargets: targets, revokesReplaced: revokes }: ResolvedIssued,
  now: EpochMs,
): readonly Issue[] {
  return issues.map((issue) => {
    if (issue.serial === live?.serial) return live;
    return issue.state === "live" ? replacedIssue(issue, { annotations, targets, revokes }, now) : issue;
  });
}

function fresh<R extends ResolvedIssued>(
  kind: IssuingKind<R>,
  { row }: ObtainInput<R>,
  own: IssuedState,
  made: Made,
  issues: readonly Issue[],
): Obtained {
  const live = liveIssue({ issues });
  return {
    ...{ kind: "data", data: made.data, issues },
    next: own.replaceAt === undefined ? "event" : { at: own.replaceAt },
    own: ownIssued(own),
    status: kind.status(own, live),
    isRotation: row.state.digest !== undefined && !made.isHeld,
    warnings: warningsOf(live, own),
  };
}

/** By the shared token, because Vault keeps nothing of it that would have to be ended. */
async function askShared<R extends ResolvedIssued>(
  kind: IssuingKind<R>,
  run: ObtainInput<R>,
  was: IssuedState,
): Promise<Obtained> {
  const { claim, resolved, deps, signal } = run;
  const { request, asks } = resolved;
  const isRead = kind.isReadEachTime?.(run, was) ?? false;
  if (!isRead) await run.holding.admit(rehearsal(run, was), signal);
  const askedAt = deps.clock();
  const data = await deps.issues.ask(await run.reached(asks.identity), request, claim.row.key, isRead, signal);
  if (data.lease !== undefined) throw await nowLeased(run, was, data.lease);
  const made = await withHeld(kind, run, was, await kind.make(run, data, askedAt, was));
  const own: IssuedState = {
    ...presentState(run, was, made, askedAt),
    ...replaceAt(made.replaceAt),
    isLeaseless: true,
  };
  return leftLeaseless(kind, run, own, made, claim.row.state.issues ?? []);
}

/** The Secret's own data, if what was read is the same. */
async function withHeld<R extends ResolvedIssued>(
  kind: IssuingKind<R>,
  { claim, resolved, holding, signal }: ObtainInput<R>,
  was: IssuedState,
  made: Made,
): Promise<Made> {
  const { digest } = claim.row.state;
  if (digest === undefined || was.request !== requestOf(resolved) || !kind.isSame?.(was, made)) return made;
  const held = await holding.holds(was.keys, digest, signal);
  return held === undefined ? made : { ...made, data: held, missing: was.missing ?? [], isHeld: true };
}

/** Without a lease only a certificate may have to be ended: it is recorded before it is written. */
async function leftLeaseless<R extends ResolvedIssued>(
  kind: IssuingKind<R>,
  run: ObtainInput<R>,
  own: IssuedState,
  made: Made,
  issues: readonly Issue[],
): Promise<Obtained> {
  const { claim, deps, resolved, digestKey } = run;
  const { declared } = claim.row;
  const { certificate } = made;
  if (certificate === undefined) {
    claim.note({ ...(claim.row.state.issues !== undefined && { issues }), own: unwritten(claim.row, own) });
    // A predecessor may have had a lease.
    const left = succeeded(issues, undefined, declared.annotations, resolved, deps.clock());
    return fresh(kind, run, own, made, left);
  }
  const identity = await run.reached(resolved.asks.identity);
  const now = deps.clock();
  const got: Issue = {
    ...(await issueByLogin(deps, { claim, identity, request: resolved.request }, certificate.serial, now)),
    ...{ state: "got", tokenSeconds: certificate.seconds },
    certificate: { serial: certificate.serial, mount: certificate.mount },
    digest: digestOf(digestKey, made.data),
  };
  await claim.record({ issues: [...issues, got], own: ownIssued(own) });
  const live: Issue = { ...got, state: "live" };
  return fresh(kind, run, own, made, succeeded([...issues, live], live, declared.annotations, resolved, now));
}

/** What is known of an answer when its write fails: it must not count as the present one. */
function unwritten({ state }: Pick<Row, "state">, { asks, keys, request }: IssuedState): Json {
  return ownIssued({ ...issuedState(state), asks, keys, ...(request === undefined ? {} : { tried: request }) });
}

/** The role changed: the next run asks with a login of its own, so that the lease can be ended. This one is revoked. */
async function nowLeased(
  run: ObtainInput<ResolvedIssued>,
  { isLeaseless: _former, ...was }: IssuedState,
  { id }: VaultLease,
): Promise<SyncError> {
  const { claim, deps, resolved, signal } = run;
  claim.note({ own: ownIssued(was) });
  const identity = await run.reached(resolved.asks.identity);
  const { namespace } = resolved.request;
  const revocation: VaultRequest = {
    ...{ method: "POST", mount: "sys/leases", path: "revoke", body: { lease_id: id } },
    ...(namespace === undefined ? {} : { namespace }),
  };
  try {
    await deps.issues.ask(identity, revocation, claim.row.key, true, signal);
  } catch (error) {
    if (!(error instanceof SyncError)) throw error;
    deps.log.warn("issue-not-ended", { key: claim.row.key, code: error.code, message: error.message });
  }
  return new SyncError(
    "VAULT_ANSWER_INVALID",
    "Vault's answer has a lease now, which former answers had not: keyferry asks again with a login of its own",
  );
}

/** It was taken over, and is replaced because its token is not known. */
function plannedWarning({ planned, replaceAt: at }: IssuedState): readonly Warning[] {
  if (planned === undefined || at === undefined) return [];
  const message =
    `taken over from Vault Secrets Operator: another credential is issued at ${new Date(at).toISOString()}, because ` +
    `this one ends with the operator's token, and ${planned}`;
  return [{ type: "CredentialRenewed", status: "False", reason: "TakenOver", message }];
}

function warningsOf(live: Issue | undefined, { missing = [], isDenied }: IssuedState): readonly Warning[] {
  const renewed: readonly Warning[] = isDenied
    ? [
        {
          type: "CredentialRenewed",
          status: "False",
          reason: "NotAllowed",
          message:
            "this login may not renew what it issues, so that each credential is replaced before its first lease ends: allow " +
            "update on auth/token/renew-self and sys/leases/renew, as the policy default does",
        },
      ]
    : [];
  const revocable: readonly Warning[] =
    live?.endBy === "none" && live.shared !== true
      ? [
          {
            type: "CredentialRevocable",
            status: "False",
            reason: "NotAllowed",
            message:
              "this login may not revoke its token or its leases (or gives batch tokens), so that a replaced or deleted " +
              "credential stays valid until its lease ends: allow auth/token/revoke-self (for a lease in another Vault " +
              "namespace: sys/leases/revoke there), and use service tokens",
          },
        ]
      : [];
  return [...incompleteTemplates(missing), ...revocable, ...renewed];
}
