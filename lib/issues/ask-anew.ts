import { type EpochMs, MINUTE_MS, SECOND_MS } from "../clock.ts";
import { SyncError } from "../errors.ts";
import { declarationKey } from "../keys.ts";
import type { Claim } from "../ports/claim.ts";
import { CALL_TIMEOUT_MS } from "../ports/deps.ts";
import { type Issue, MAX_ISSUES } from "../ports/issues.ts";
import type { VaultIdentity } from "../ports/vault.ts";
import {
  type EndAnswer,
  type EndRights,
  ISSUE_TIMEOUT_MS,
  type IssuedData,
  type IssueTarget,
  type OwnToken,
  type VaultRequest,
} from "../ports/vault-issues.ts";
import type { Json } from "../util/json.ts";
import type { IssueDeps } from "./deps.ts";
import { ASK_WITHIN_MS, endingAt, endingUnanswered, withIssues } from "./issue-times.ts";

/** What is asked, and on whose behalf. */
export interface Asking {
  readonly claim: Claim;
  readonly identity: VaultIdentity;
  readonly request: VaultRequest;
  /** How long Vault may work on a request, in ms. */
  readonly maxRequestMs: number;
  readonly signal: AbortSignal;
  /** The kind's own state, stored with the record before the request. */
  readonly own: Json;
  /** The same, once it is certain that Vault issued nothing. */
  readonly ownIfNone: Json;
}

/** An answered request: its issue as it stands after the answer, not yet recorded. */
export interface Answered {
  readonly issue: Issue;
  readonly data: IssuedData;
  readonly loggedInAt: EpochMs;
}

/** A login whose token ends sooner can't keep a credential. */
const SHORTEST_TOKEN_S = 60;

/** No sync asks more often: a loop of issues would fill Vault. */
export const MOST_ISSUES = 6;
const ISSUES_WITHIN_MS = 10 * MINUTE_MS;

/** The times of recent requests that Vault answered, with this one. Throws ISSUES_TOO_FREQUENT. */
export function countedIssue(recent: readonly EpochMs[], now: EpochMs): readonly EpochMs[] {
  const still = recent.filter((at) => at > now - ISSUES_WITHIN_MS && at <= now);
  if (still.length < MOST_ISSUES) return [...still, now];
  throw issuesTooFrequent();
}

export function issuesTooFrequent(): SyncError {
  const message =
    `Vault issued ${MOST_ISSUES} credentials for this sync within ten minutes, and each was lost or refused: keyferry asks ` +
    "for no more. Mend the cause that its last events tell of, then change the declaration, or its annotation keyferry.dev/refresh";
  return new SyncError("ISSUES_TOO_FREQUENT", message);
}

/** Throws ISSUES_UNENDED when too many former issues have not ended yet. */
export function mustHaveRoom(issues: readonly Issue[]): void {
  const open = issues.filter(({ certificate }) => certificate === undefined);
  if (open.length < MAX_ISSUES) return;
  throw new SyncError("ISSUES_UNENDED", unendedMessage(open));
}

function unendedMessage(open: readonly Issue[]): string {
  const unknown = open.filter(({ vaultLease }) => vaultLease === undefined).length;
  if (unknown === 0)
    return (
      `${open.length} credentials of this sync are still valid in Vault: keyferry asks for another one when one of them ` +
      "has ended. Let its role revoke its own token (auth/token/revoke-self), or revoke them by hand"
    );
  return (
    `${open.length} requests of this sync for a credential have not ended yet, and of ${unknown} nobody knows whether Vault ` +
    "issued anything: keyferry asks again when one of them has ended. That takes a few minutes, if its role may revoke its " +
    "own token (auth/token/revoke-self)"
  );
}

/**
 * Logs in, records that it asks, and asks: in this order, so that whoever owns the row after a crash can end whatever
 * Vault issued (lease-table 26). After a failure the claim knows how the issue stands; the settle stores it.
 */
export async function askAnew(deps: IssueDeps, asking: Asking): Promise<Answered> {
  const { claim, identity, request, signal } = asking;
  await claim.takeToWrite();
  mustHaveRoom(claim.row.state.issues ?? []);
  const loggedInAt = deps.clock();
  const token = await deps.issues.login(identity, signal);
  const way = wayOf(identity, request);
  const { issue, askBefore } = await recordAsking(deps, asking, token, way);
  const late = new SyncError(
    "DEADLINE_EXCEEDED",
    "the request for a credential could not start in time: nothing was asked",
    {
      outcome: "none",
    },
  );
  if (deps.clock() > askBefore) throw await givenUp(deps, asking, issue, { way, token, error: late });
  try {
    const askedAt = deps.clock();
    const data = await deps.issues.issue(way, token.value, { ...request, startBy: askBefore }, signal);
    return { data, loggedInAt, issue: answeredIssue(issue, data, askedAt) };
  } catch (error) {
    if (error instanceof SyncError) throw await givenUp(deps, asking, issue, { way, token, error });
    throw error;
  }
}

/** Where its token and its lease are. */
export function wayOf(
  { target, namespace: login }: VaultIdentity,
  request: Pick<VaultRequest, "namespace">,
): IssueTarget {
  const { namespace = login } = request;
  const { place: _place, caRef: _ref, ...reached } = target;
  return { target: reached, ...(login ? { loginNamespace: login } : {}), ...(namespace ? { namespace } : {}) };
}

async function recordAsking(
  deps: IssueDeps,
  { claim, identity, own, maxRequestMs, signal }: Asking,
  token: OwnToken,
  way: IssueTarget,
): Promise<{ readonly issue: Issue; readonly askBefore: EpochMs }> {
  const { key } = claim.row;
  try {
    mustBeOfUse(token, identity);
    const rights = token.isBatch ? undefined : await rightsOf(deps, way, identity, token, signal);
    const serial = `${claim.row.fence.toString(36)}-${Math.floor(deps.random() * 2 ** 48).toString(36)}`;
    const lease = await claim.takeToWrite();
    const askBefore = Math.min(deps.clock() + ASK_WITHIN_MS, lease.until - ISSUE_TIMEOUT_MS - CALL_TIMEOUT_MS);
    const issue: Issue = {
      serial,
      state: "asking",
      sealedToken: await deps.seals.seal(token.value, declarationKey(key), serial),
      target: await deps.leases.putTarget(way as unknown as Json, key),
      askBefore,
      endAt: askBefore + ISSUE_TIMEOUT_MS + maxRequestMs,
      tokenSeconds: token.seconds,
      tokenRenewable: token.renewable,
      ...(rights?.token ? {} : { endBy: rights?.lease ? "lease" : "none" }),
    };
    await claim.record({ issues: [...(claim.row.state.issues ?? []), issue], own });
    return { issue, askBefore };
  } catch (error) {
    // Nothing was asked with it, so it ends at once; if not, by itself.
    await revoked(deps, way, token).catch(() => undefined);
    throw error;
  }
}

function mustBeOfUse(token: OwnToken, { mount }: VaultIdentity): void {
  if (token.uses > 0) {
    const message = `the login at auth/${mount} gives tokens for ${token.uses} uses: set token_num_uses of its role to 0`;
    throw new SyncError("VAULT_TOKEN_UNUSABLE", message);
  }
  if (token.seconds > 0 && token.seconds < SHORTEST_TOKEN_S) {
    const message =
      `the login at auth/${mount} gives tokens of ${token.seconds} s, and what they issue ends with them: set token_ttl ` +
      `of its role to at least ${SHORTEST_TOKEN_S} s`;
    throw new SyncError("VAULT_TOKEN_UNUSABLE", message);
  }
}

/** Asked once per identity and process. */
const knownRights = new WeakMap<
  IssueDeps["issues"],
  Map<string, { readonly at: EpochMs; readonly rights: EndRights }>
>();
const RIGHTS_KEPT_MS = 10 * MINUTE_MS;
const MOST_RIGHTS = 1_000;

async function rightsOf(
  { issues, clock }: IssueDeps,
  way: IssueTarget,
  identity: VaultIdentity,
  token: OwnToken,
  signal: AbortSignal,
): Promise<EndRights> {
  const known = knownRights.get(issues) ?? new Map();
  knownRights.set(issues, known);
  const id = `${identity.id} ${way.namespace ?? ""}`;
  const found = known.get(id);
  if (found !== undefined && clock() - found.at < RIGHTS_KEPT_MS) return found.rights;
  const rights = await issues.endRights(way, token.value, signal);
  if (known.size >= MOST_RIGHTS) known.clear();
  known.set(id, { at: clock(), rights });
  return rights;
}

function answeredIssue(issue: Issue, { lease }: IssuedData, askedAt: EpochMs): Issue {
  const { endAt: _endAt, ...rest } = issue;
  return { ...rest, state: "got", ...(lease && { vaultLease: { ...lease, issuedAt: askedAt } }) };
}

/**
 * After a failed request. A definite refusal: the token is revoked at once. Otherwise Vault may still be at work on it,
 * and its token must stay until that has ended (lease-table 27).
 */
async function givenUp(
  deps: IssueDeps,
  { claim, ownIfNone }: Asking,
  issue: Issue,
  { way, token, error }: { readonly way: IssueTarget; readonly token: OwnToken; readonly error: SyncError },
): Promise<SyncError> {
  const isDone = error.outcome === "none";
  const next = isDone ? await endedNow(deps, issue, way, token) : endingUnanswered(issue);
  const { issues = [] } = claim.row.state;
  const own = isDone ? { own: ownIfNone } : {};
  claim.note({ issues: withIssues(issues, new Map([[issue.serial, next]])), ...own });
  return error;
}

async function endedNow(deps: IssueDeps, issue: Issue, way: IssueTarget, token: OwnToken): Promise<Issue | undefined> {
  try {
    if (!token.isBatch && (await revoked(deps, way, token)) === "ended") return undefined;
  } catch (error) {
    if (!(error instanceof SyncError)) throw error;
  }
  return endingAt(issue, deps.clock() + SECOND_MS, deps.clock());
}

/** Also for a run that is out of time: nobody else would end it so soon. */
function revoked({ issues, withDeadline }: IssueDeps, way: IssueTarget, token: OwnToken): Promise<EndAnswer> {
  return withDeadline(CALL_TIMEOUT_MS, (signal) => issues.revokeToken(way, token.value, signal));
}
