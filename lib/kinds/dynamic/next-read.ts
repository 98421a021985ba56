import { type EpochMs, type Random, SECOND_MS } from "../../clock.ts";
import { usedFor } from "../../issues/issue-times.ts";
import type { IssuedData } from "../../ports/vault-issues.ts";
import type { JsonObject } from "../../util/json.ts";
import type { IssuedState } from "../issued/issued-state.ts";
import { replaceAt } from "../issued/present.ts";
import type { ResolvedDynamicSecret } from "./resolve.ts";
import { sshLifetime } from "./ssh-lifetime.ts";
import { knownRotation, unfollowedRotation } from "./static-role.ts";

/**
 * When data without a lease is asked for again. The row keeps what that was counted from, so that an edit of the
 * declaration counts anew without a question to Vault.
 */

/** Data without a lease is asked for again in this span of its `refreshAfter`, at random: many began together. */
const REFRESH_FROM = 0.8;
const REFRESH_UNTIL = 0.9;

type Declared = Pick<ResolvedDynamicSecret, "refreshAfterMs" | "renewalPercent">;

/** Until when it is used by what Vault says, and by what is in the data. Undefined: both set no end. */
export function goodUntil(
  { renewalPercent }: Declared,
  { fields, goodForSeconds }: Pick<IssuedData, "fields" | "goodForSeconds">,
  askedAt: EpochMs,
): EpochMs | undefined {
  const times = [goodForSeconds || undefined, sshLifetime({ fields }, askedAt)]
    .filter((seconds) => seconds !== undefined)
    .map((seconds) => usedFor(seconds, renewalPercent));
  return times.length === 0 ? undefined : askedAt + atLeastASecond(Math.min(...times) * SECOND_MS);
}

/** What the row remembers to count anew. 0: no `refreshAfter` was declared. */
export function countedFrom({ refreshAfterMs = 0 }: Declared, until: EpochMs | undefined): JsonObject {
  return { refreshAfterMs, ...(until === undefined ? {} : { goodUntil: until }) };
}

/** The earlier one of both ends. */
export function nextRead(
  { refreshAfterMs }: Declared,
  askedAt: EpochMs,
  until: EpochMs | undefined,
  random: Random,
): Pick<IssuedState, "replaceAt"> {
  const share = REFRESH_UNTIL - random() * (REFRESH_UNTIL - REFRESH_FROM);
  return replaceAt(refreshAfterMs === undefined ? undefined : askedAt + atLeastASecond(refreshAfterMs * share), until);
}

function atLeastASecond(ms: number): number {
  return Math.max(SECOND_MS, Math.floor(ms));
}

/** Whether it is a static role that is read each time. */
export function isFollowed(
  { allowStaticCreds }: Pick<ResolvedDynamicSecret, "allowStaticCreds">,
  made: JsonObject | undefined,
): boolean {
  return allowStaticCreds && (knownRotation(made) ?? unfollowedRotation(made)) !== undefined;
}

/** What is known of the present data, with the time that `refreshAfter` and `allowStaticCreds` mean now. */
export function asDeclaredNow(resolved: ResolvedDynamicSecret, was: IssuedState, random: Random): IssuedState {
  const { replaceAt: _former, ...known } = was;
  const { issuedAt, isLeaseless } = was;
  if (issuedAt === undefined || !isLeaseless) return was;
  const made = madeByEdit(resolved, was, issuedAt);
  return made === undefined ? was : { ...known, made, ...nextRead(resolved, issuedAt, goodUntilIn(made), random) };
}

/** Undefined: it is declared as before. */
function madeByEdit(
  resolved: ResolvedDynamicSecret,
  { made = {}, replaceAt: at = Number.POSITIVE_INFINITY }: IssuedState,
  issuedAt: EpochMs,
): JsonObject | undefined {
  if (isFollowed(resolved, made)) return undefined;
  const { rotation, ...kept } = made;
  const counted = countedFrom(resolved, goodUntilIn(made));
  if (rotation !== undefined) return { ...kept, unfollowed: rotation, ...counted };
  if (isCounted(made)) return made.refreshAfterMs === counted.refreshAfterMs ? undefined : { ...kept, ...counted };
  // Only a time that is too late for the present refreshAfter shows an edit.
  const { refreshAfterMs = Number.POSITIVE_INFINITY } = resolved;
  return at > issuedAt + atLeastASecond(refreshAfterMs * REFRESH_UNTIL) ? kept : undefined;
}

function goodUntilIn({ goodUntil: until }: JsonObject): EpochMs | undefined {
  return typeof until === "number" ? until : undefined;
}

/** False: a former version read it, or Vault Secrets Operator did, and until when it is good is not known. */
export function isCounted({ refreshAfterMs }: JsonObject): boolean {
  return typeof refreshAfterMs === "number";
}
