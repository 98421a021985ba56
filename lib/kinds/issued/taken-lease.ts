import { type EpochMs, SECOND_MS } from "../../clock.ts";
import { SyncError } from "../../errors.ts";
import { wayOf } from "../../issues/ask-anew.ts";
import { renewWithinOf, replaceAtOf, SHORTEST_TTL_S } from "../../issues/issue-times.ts";
import { unlessBarred } from "../../issues/of-gateway.ts";
import { issueByLogin } from "../../issues/shared-issue.ts";
import { declarationKey, partsOf } from "../../keys.ts";
import type { Issue } from "../../ports/issues.ts";
import type { VaultIdentity } from "../../ports/vault.ts";
import type { TokenAnswer } from "../../ports/vault-issues.ts";
import type { SecretValue } from "../../secret-value.ts";
import type { Json, JsonObject } from "../../util/json.ts";
import { cachedToken } from "../../vso/take-over/client-cache.ts";
import { cacheKeyIn, lastSignIn, type StatusLease } from "../../vso/take-over/last-status.ts";
import type { ObtainInput } from "../kind.ts";
import type { IssuedState } from "./issued-state.ts";
import type { ResolvedIssued } from "./issuing-kind.ts";

/**
 * The lease of a credential that Vault Secrets Operator issued. It ends with VSO's own token, which nobody renews any
 * more. Where VSO stored that token, keyferry renews it. Otherwise the credential is replaced, once, before the token
 * can have ended (kubernetes-rules 23).
 */

export interface LeftLease {
  readonly lease: StatusLease;
  readonly issuedAt: EpochMs;
  readonly status: JsonObject;
}

export interface TakenLease {
  readonly issue: Issue;
  readonly own: Pick<IssuedState, "replaceAt" | "planned">;
  readonly how: "token" | "planned";
}

type Run = ObtainInput<ResolvedIssued>;

export async function takenLease(run: Run, left: LeftLease): Promise<TakenLease> {
  const identity = await run.reached(run.resolved.asks.identity);
  const adopted = await adopt(run, identity, left);
  return "because" in adopted ? plan(run, identity, left, adopted) : adopted;
}

/** Why the token is of no use, and until when the lease is good at least, if Vault said that. */
interface NotAdopted {
  readonly because: string;
  readonly until?: EpochMs;
}

/** With the token that VSO stored, if it is the one of this lease, and lives as long as its renewals say. */
async function adopt(run: Run, identity: VaultIdentity, left: LeftLease): Promise<TakenLease | NotAdopted> {
  const { claim, deps, resolved, settings, signal } = run;
  if (resolved.auth === undefined) return { because: "its VaultAuth is not known" };
  const of = { namespace: partsOf(claim.row.key).namespace, auth: resolved.auth };
  const cached = await cachedToken(deps, settings, cacheKeyIn(left.status), of, signal);
  if ("because" in cached) return cached;
  const { token } = cached;
  const way = wayOf(identity, resolved.request);
  const found = await looked(deps.issues.lookUpToken(way, token, signal));
  if (found.kind !== "found") {
    return { because: `the operator's stored token ${found.kind === "gone" ? "has ended" : "may not look itself up"}` };
  }
  if (found.uses > 0 || found.isBatch) return { because: "the operator's stored token can't be renewed" };
  const lease = await deps.issues.lookUpLease(way, token, left.lease.id, signal);
  if (lease.kind !== "renewed") {
    return lease.kind === "gone"
      ? { because: "Vault does not know its lease any more", until: deps.clock() }
      : { because: "the operator's stored token may not look up its lease" };
  }
  // VSO issues anew with each new token, so that the lease of an older one is not kept by this token.
  if (lease.issuedAt !== undefined && found.createdAt > lease.issuedAt) {
    return { because: "the operator's stored token is newer than its lease" };
  }
  const tokenEnd = await renewedToken(run, way, token, found);
  if (tokenEnd !== undefined) return tokenEnd;
  return renewedLease(run, way, token, found, left);
}

type Way = ReturnType<typeof wayOf>;
type FoundToken = Extract<TokenAnswer, { readonly kind: "found" }>;

/** Undefined: it has its full TTL again, or needs none. */
async function renewedToken(
  { deps, signal }: Run,
  way: Way,
  token: SecretValue,
  { seconds, renewable }: FoundToken,
): Promise<NotAdopted | undefined> {
  if (seconds === 0) return undefined;
  const because = "the operator's stored token can't be renewed for its whole TTL any more";
  if (!renewable) return { because };
  const answer = await deps.issues.renewToken(way, token, seconds, signal);
  if (answer.kind !== "renewed") return { because };
  return answer.seconds >= seconds - 1 ? undefined : { because, until: deps.clock() + answer.seconds * SECOND_MS };
}

async function renewedLease(
  { claim, deps, resolved, signal, random }: Run,
  way: Way,
  token: SecretValue,
  { seconds: tokenSeconds, renewable }: FoundToken,
  { lease, issuedAt }: LeftLease,
): Promise<TakenLease | NotAdopted> {
  const { id, seconds } = lease;
  if (lease.renewable) {
    const answer = await deps.issues.renewLease(way, token, lease, signal);
    const now = deps.clock();
    if (answer.kind !== "renewed") return { because: "Vault does not renew its lease any more", until: now };
    if (answer.seconds < seconds - 1 || seconds < SHORTEST_TTL_S) {
      return { because: "Vault does not renew its lease for long any more", until: now + answer.seconds * SECOND_MS };
    }
  }
  const { key, fence } = claim.row;
  const now = deps.clock();
  const serial = `vso-${fence.toString(36)}-${Math.floor(random() * 2 ** 48).toString(36)}`;
  const rights = await deps.issues.endRights(way, token, signal);
  const ttls = {
    ...{ tokenSeconds, tokenRenewable: renewable },
    vaultLease: { id, seconds, renewable: lease.renewable, issuedAt: lease.renewable ? now : issuedAt },
  };
  const replaceAt = replaceAtOf({ ...ttls, askBefore: now }, now, resolved.renewalPercent);
  const renewWithin = renewWithinOf(ttls, resolved.renewalPercent);
  const issue: Issue = {
    ...{ serial, state: "live", shared: true },
    sealedToken: await deps.seals.seal(token, declarationKey(key), serial),
    target: await deps.leases.putTarget(way as unknown as Json, key),
    askBefore: now,
    ...ttls,
    endBy: rights.lease ? "lease" : "none",
    ...(renewWithin === undefined ? {} : { renewWithin }),
  };
  return { issue, own: replaceAt === undefined ? {} : { replaceAt }, how: "token" };
}

/** A third of a token's TTL is left, at least, after VSO's last renewal of it. */
const TOKEN_SHARE = 1 / 3;
/** Of what a lease or token has left: the issue takes time, and may have to wait. */
const SAFE_SHARE = 2 / 3;
/** Of the time until the latest moment: what comes late still comes in time. */
const SPREAD = 0.9;

/** Replaced at a random time, so that a thousand of them do not ask at once; until then its lease is renewed. */
async function plan(run: Run, identity: VaultIdentity, left: LeftLease, why: NotAdopted): Promise<TakenLease> {
  const { claim, deps, resolved, random } = run;
  const { lease } = left;
  const { namespace } = wayOf(identity, resolved.request);
  const foreign = {
    identity,
    ...(namespace && { namespace }),
    id: lease.id,
    seconds: lease.seconds,
    by: claim.row.key,
  };
  const renewed = why.until === undefined ? await renewedOnce(run, foreign, left) : { until: why.until };
  const now = deps.clock();
  const alone = renewed.until === undefined ? Number.POSITIVE_INFINITY : now + SAFE_SHARE * (renewed.until - now);
  const latest = Math.min(alone, await tokenUntil(run, identity, left));
  const replaceAt = latest <= now ? now : Math.floor(now + random() * SPREAD * (latest - now));
  const seconds = Math.max(1, lease.seconds);
  const vaultLease = { id: lease.id, seconds, renewable: lease.renewable, issuedAt: now };
  const within =
    renewed.until === undefined
      ? renewWithinOf({ tokenSeconds: 0, tokenRenewable: false, vaultLease }, resolved.renewalPercent)
      : undefined;
  const serial = `vso-${claim.row.fence.toString(36)}-${Math.floor(random() * 2 ** 48).toString(36)}`;
  const issue: Issue = {
    ...(await issueByLogin(deps, { claim, identity, request: resolved.request }, serial, now)),
    ...{ state: "live", tokenSeconds: seconds, vaultLease },
    ...(within === undefined ? {} : { renewWithin: within }),
  };
  return { issue, own: { replaceAt, planned: why.because }, how: "planned" };
}

/** Renews the lease by our own login. `until`: when it ends, if it can't be renewed again and again. */
async function renewedOnce(
  { deps, signal }: Run,
  foreign: Parameters<Run["deps"]["issues"]["renewForeign"]>[0],
  { lease, issuedAt }: LeftLease,
): Promise<{ readonly until?: EpochMs }> {
  const byItself = { until: issuedAt + lease.seconds * SECOND_MS };
  if (!lease.renewable || lease.seconds < SHORTEST_TTL_S) return byItself;
  const answer = await deps.issues.renewForeign(foreign, signal);
  if (answer.kind !== "renewed") return answer.kind === "gone" ? { until: deps.clock() } : byItself;
  return answer.seconds >= lease.seconds - 1 ? {} : { until: deps.clock() + answer.seconds * SECOND_MS };
}

/** Until when VSO's token lives at least. Our own login shows how long a token of this VaultAuth lives. */
async function tokenUntil(
  { deps, settings, claim, signal }: Run,
  identity: VaultIdentity,
  left: LeftLease,
): Promise<EpochMs> {
  const now = deps.clock();
  const { name, operatorNamespace } = settings;
  const leader = await deps.clusters.vsoLease(name, operatorNamespace, signal);
  const renewedAt = leader !== undefined && leader.renewedAt <= now ? leader.renewedAt : 0;
  const lastSign = Math.max(lastSignIn(left.status, now), renewedAt);
  const own = await ownTokenSeconds(deps, identity, claim.row.key, signal);
  if (own === 0) return Number.POSITIVE_INFINITY;
  return lastSign + (own ?? left.lease.seconds) * SECOND_MS * TOKEN_SHARE;
}

/** 0: it never ends. Undefined: it may not be asked. */
async function ownTokenSeconds(
  { issues }: Run["deps"],
  identity: VaultIdentity,
  by: Run["row"]["key"],
  signal: AbortSignal,
): Promise<number | undefined> {
  const found = await looked(issues.lookUpShared(identity, by, signal));
  return found.kind === "found" ? found.seconds : undefined;
}

/** A gateway may let no token look itself up: that is to last, and counts as Vault's own refusal. */
async function looked(look: Promise<TokenAnswer>): Promise<TokenAnswer> {
  const answer = await unlessBarred(look);
  return answer instanceof SyncError ? { kind: "denied" } : answer;
}
