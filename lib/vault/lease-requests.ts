import { isLosslessNumber } from "lossless-json";
import { SECOND_MS } from "../clock.ts";
import {
  type EndAnswer,
  type EndRights,
  type IssueTarget,
  isApart,
  type LeaseAnswer,
  type RenewAnswer,
  type TokenAnswer,
  type VaultLease,
} from "../ports/vault-issues.ts";
import type { SecretValue } from "../secret-value.ts";
import type { JsonObject } from "../util/json.ts";
import { isLosslessObject, type LosslessObject, type LosslessValue } from "../util/lossless.ts";
import { checkVaultPath, vaultUrlPath } from "../vault-path.ts";
import { isRefusedToItself } from "./login.ts";
import { countOf, secondsOf } from "./seconds.ts";
import { askedOf, type VaultClient, type VaultQuestion } from "./vault-client.ts";
import {
  answerError,
  invalidAnswer,
  isInvalidToken,
  isUnexplainedDenial,
  isVaultsRefusal,
  objectOf,
} from "./vault-errors.ts";

/** A token that asks about itself or about its lease. */
export interface Holder {
  readonly client: VaultClient;
  readonly way: IssueTarget;
  readonly token: SecretValue;
}

const REVOKE_SELF = "auth/token/revoke-self";
const REVOKE_LEASE = "sys/leases/revoke";
/** Stands for every lease: rights are asked before there is one. */
const ANY_LEASE = "any";

export function renewLease(
  holder: Holder,
  { id, seconds }: Pick<VaultLease, "id" | "seconds">,
  signal: AbortSignal,
): Promise<RenewAnswer> {
  const question = ofLease(holder, "sys/leases/renew", { lease_id: id, increment: seconds });
  const refused = async (): Promise<RenewAnswer> => {
    const found = await lookUpLease(holder, id, signal);
    if (found.kind === "denied") await mustBeActive(holder, signal);
    return found.kind === "renewed" && found.renewable ? UNRENEWED : GONE;
  };
  const read = (body: LosslessObject) => renewal(holder.way, question, body.lease_duration, body.renewable);
  return answered(holder, question, { read, refused }, signal);
}

export function renewToken(holder: Holder, seconds: number, signal: AbortSignal): Promise<RenewAnswer> {
  const question = ofToken(holder, "auth/token/renew-self", { increment: seconds });
  // What refuses a live token refuses it for good, mostly: its role is gone, or has other policies.
  const refused = async (): Promise<RenewAnswer> => {
    await mustBeActive(holder, signal);
    return GONE;
  };
  const read = ({ auth: found }: LosslessObject) => {
    const auth = isLosslessObject(found) ? found : {};
    return renewal(holder.way, question, auth.lease_duration, auth.renewable);
  };
  return answered(holder, question, { read, refused }, signal);
}

export function lookUpLease(holder: Holder, leaseId: string, signal: AbortSignal): Promise<LeaseAnswer> {
  const question = ofLease(holder, "sys/leases/lookup", { lease_id: leaseId });
  const refused = async (): Promise<LeaseAnswer> => {
    await mustBeActive(holder, signal);
    return GONE;
  };
  const read = (body: LosslessObject) => understoodLease(holder, question, body);
  return answered(holder, question, { read, refused, mayGatewayDeny: true }, signal);
}

const GONE = { kind: "gone" } as const;
const UNRENEWED = { kind: "unrenewed" } as const;

/** Throws where a secondary of disaster recovery answers: it refuses everything, also a token's look at itself, with 400. */
async function mustBeActive(holder: Holder, signal: AbortSignal): Promise<void> {
  const { client, way } = holder;
  const question = ofTokenItself(holder);
  const answer = await client.ask(way.target, question, signal);
  if (answer.status !== 200 && answer.status !== 403) throw answerError(askedOf(way.target, question), answer);
}

function understoodLease({ way }: Holder, question: VaultQuestion, { data }: LosslessObject): LeaseAnswer {
  const { ttl, renewable, issue_time: issued } = isLosslessObject(data) ? data : {};
  const issuedAt = typeof issued === "string" ? Date.parse(issued) : Number.NaN;
  return {
    ...renewal(way, question, ttl, renewable),
    ...(Number.isNaN(issuedAt) ? {} : { issuedAt }),
  };
}

/** What its TTL is when it is new, and since when it exists. */
export function lookUpToken(holder: Holder, signal: AbortSignal): Promise<TokenAnswer> {
  const question = ofTokenItself(holder);
  return answered(holder, question, { read: (body) => understoodToken(holder, question, body) }, signal);
}

function ofTokenItself(holder: Holder): VaultQuestion {
  const { body: _none, ...question } = ofToken(holder, "auth/token/lookup-self", {});
  return { ...question, method: "GET" };
}

function understoodToken({ way }: Holder, question: VaultQuestion, { data }: LosslessObject): TokenAnswer {
  if (!isLosslessObject(data)) throw invalidAnswer(askedOf(way.target, question), "has no data object");
  const { creation_time: created, creation_ttl: ttl, period, renewable, num_uses: uses, type } = data;
  return {
    kind: "found",
    seconds: secondsOf(period) || secondsOf(ttl),
    renewable: renewable === true,
    uses: countOf(uses),
    isBatch: type === "batch",
    createdAt: countOf(created) * SECOND_MS,
  };
}

/** Revokes the token with its leases. */
export async function revokeToken(holder: Holder, signal: AbortSignal): Promise<EndAnswer> {
  if (isBatch(holder.token)) return "denied";
  return ended(holder, ofToken(holder, REVOKE_SELF, {}), signal);
}

/**
 * With the lease in the path, so that the audit log names it. A policy may allow only the lease in the body, and an id
 * may be no path: then a member of the body marks the line as our own, because Vault ignores it and shows its name.
 * Vault answers 2xx for a lease that is gone.
 */
export async function revokeLease(
  holder: Holder,
  leaseId: string,
  signal: AbortSignal,
  mark: () => Promise<string>,
): Promise<EndAnswer> {
  if (isPath(leaseId)) {
    const path = `${REVOKE_LEASE}/${vaultUrlPath({ lease: leaseId })}`;
    const question = { ...ofLease(holder, path, {}), described: REVOKE_LEASE };
    if ((await ended(holder, question, signal, isOfGateway)) === "ended") return "ended";
  }
  const body = { lease_id: leaseId };
  const marked = ofLease(holder, REVOKE_LEASE, { ...body, [await mark()]: true });
  if ((await ended(holder, marked, signal, isOfBody)) === "ended") return "ended";
  // A policy may list the parameters that it allows, and a gateway in front of Vault too.
  return ended(holder, ofLease(holder, REVOKE_LEASE, body), signal);
}

/** A gateway may know the path without the lease alone. */
const isOfGateway = (status: number): boolean => status === 403;

/** A refusal that may be of the body: the same request with another one may be carried out. */
const isOfBody = (status: number): boolean => status >= 400 && status < 500 && status !== 429;

function isPath(leaseId: string): boolean {
  return checkVaultPath(leaseId).length === 0 && !/^\/|\/$/.test(leaseId);
}

/** What the token may do to its own issue, by one request. */
export async function endRights(holder: Holder, signal: AbortSignal): Promise<EndRights> {
  if (isBatch(holder.token)) return { token: false, lease: false };
  const { client, way } = holder;
  const [inBody, inPath] = [`${below(way)}${REVOKE_LEASE}`, `${below(way)}${REVOKE_LEASE}/${ANY_LEASE}`];
  const question = ofToken(holder, "sys/capabilities-self", { paths: [REVOKE_SELF, inPath, inBody] });
  const answer = await client.ask(way.target, question, signal);
  const endsWithToken = !isApart(way);
  // The token may not ask, so a revocation must show it.
  if (answer.status === 403) return { token: endsWithToken, lease: true };
  const asked = askedOf(way.target, question);
  if (answer.status !== 200) throw answerError(asked, answer);
  const { data } = objectOf(asked, answer);
  if (!isLosslessObject(data)) throw invalidAnswer(asked, "has no data object");
  return {
    token: endsWithToken && mayUpdate(data[REVOKE_SELF]),
    lease: mayUpdate(data[inPath]) || mayUpdate(data[inBody]),
  };
}

/** A token asks about paths of its namespace, so those of a namespace below have a prefix. */
function below({ loginNamespace = "", namespace = "" }: IssueTarget): string {
  const [outer, inner] = [bare(loginNamespace), bare(namespace)];
  return inner.startsWith(outer) ? inner.slice(outer.length) : inner;
}

/** `team/` of `/team`, and nothing of the root namespace. */
function bare(namespace: string): string {
  const name = namespace.replace(/^\/+|\/+$/g, "");
  return name === "" ? "" : `${name}/`;
}

function mayUpdate(capabilities: LosslessValue | undefined): boolean {
  if (!Array.isArray(capabilities)) return false;
  return capabilities.includes("root") || (capabilities.includes("update") && !capabilities.includes("deny"));
}

/** By the prefix that Vault gives to it (`b.` in OpenBao and older Vaults). */
function isBatch(token: SecretValue): boolean {
  return /^(hvb|b)\./.test(token.reveal().subarray(0, 4).toString("latin1"));
}

interface Reading<T> {
  readonly read: (body: LosslessObject) => T;
  /**
   * What a 400 means: that Vault does not find it, and as well that it failed to renew it, or can't serve any request.
   * Missing: the last.
   */
  readonly refused?: () => Promise<T>;
  /** A gateway may allow some paths alone: where it denies this one, something else is asked. */
  readonly mayGatewayDeny?: boolean;
}

/** Of a 403, `denied` and `gone` have the same consequence, so no request is spent on telling them apart. */
async function answered<T>(
  { client, way }: Holder,
  question: VaultQuestion,
  { read, refused, mayGatewayDeny = false }: Reading<T>,
  signal: AbortSignal,
): Promise<T | { readonly kind: "gone" | "denied" }> {
  const answer = await client.ask(way.target, question, signal);
  const asked = askedOf(way.target, question);
  if (answer.status === 403 && (mayGatewayDeny || isVaultsRefusal(answer)))
    return { kind: isInvalidToken(answer) ? "gone" : "denied" };
  if (answer.status === 400 && refused !== undefined && isVaultsRefusal(answer)) return refused();
  if (answer.status !== 200) throw answerError(asked, answer);
  return read(objectOf(asked, answer));
}

function renewal(
  { target }: IssueTarget,
  question: VaultQuestion,
  seconds: LosslessValue | undefined,
  renewable: LosslessValue | undefined,
) {
  if (!isLosslessNumber(seconds)) throw invalidAnswer(askedOf(target, question), "has no duration");
  return { kind: "renewed", seconds: secondsOf(seconds), renewable: renewable === true } as const;
}

async function ended(
  holder: Holder,
  question: VaultQuestion,
  signal: AbortSignal,
  isDenial: (status: number) => boolean = () => false,
): Promise<EndAnswer> {
  const { client, way, token } = holder;
  const answer = await client.ask(way.target, question, signal);
  if (answer.status >= 200 && answer.status < 300) return "ended";
  if (answer.status !== 403 || !isVaultsRefusal(answer)) {
    if (isDenial(answer.status)) return "denied";
    throw answerError(askedOf(way.target, question), answer);
  }
  if (isInvalidToken(answer)) return "ended";
  // OpenBao says of a dead token only this; and of a live one, if policies deny even a look at itself, more.
  if (!isUnexplainedDenial(answer)) return "denied";
  const identity = { target: way.target, namespace: way.loginNamespace };
  return (await isRefusedToItself(client, identity, token, signal)) ? "ended" : "denied";
}

/** Renewing, revoking or looking up twice does no harm, so all of these may be repeated. */
const REPEATABLE = { method: "POST", repeatable: true } as const;

function ofLease({ way: { namespace }, token }: Holder, path: string, body: JsonObject): VaultQuestion {
  return { purpose: "lease", ...REPEATABLE, path, namespace, token, body };
}

function ofToken({ way: { loginNamespace }, token }: Holder, path: string, body: JsonObject): VaultQuestion {
  return { purpose: "token", ...REPEATABLE, path, namespace: loginNamespace, token, body };
}
