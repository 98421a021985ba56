import { type EpochMs, SECOND_MS } from "../../clock.ts";
import { asObject } from "../../util/canonical.ts";
import type { JsonObject } from "../../util/json.ts";

/** What the status of a declaration tells of Vault Secrets Operator's last work on it. Anybody may have forged it. */

/** A lease as VSO's status has it. */
export interface StatusLease {
  readonly id: string;
  readonly seconds: number;
  readonly renewable: boolean;
  readonly requestId: string;
}

/** Longer ids are not Vault's. */
const MAX_ID = 1_024;
/** A year: longer times are not believed. */
const MAX_SECONDS = 366 * 24 * 3_600;

/** Whether somebody synced it before. */
export function wasSynced(status: JsonObject): boolean {
  return countOf(status.lastGeneration) > 0;
}

/** Whether VSO wrote the status last: the member `observedGeneration` is keyferry's own, and VSO drops it. */
export function isOfVso(status: JsonObject): boolean {
  return wasSynced(status) && status.observedGeneration === undefined;
}

/** `status.secretLease`; undefined without a lease. */
export function leaseIn(status: JsonObject): StatusLease | undefined {
  const { id, duration, renewable, requestID } = asObject(status.secretLease) ?? {};
  if (typeof id !== "string" || id === "" || id.length > MAX_ID) return undefined;
  return {
    ...{ id, seconds: Math.min(countOf(duration), MAX_SECONDS), renewable: renewable === true },
    requestId: typeof requestID === "string" && requestID.length <= MAX_ID ? requestID : "",
  };
}

/** `status.vaultClientMeta.cacheKey`: it names the client whose token the lease depends on. */
export function cacheKeyIn(status: JsonObject): string | undefined {
  const { cacheKey } = asObject(status.vaultClientMeta) ?? {};
  // A client of another Vault namespace has that behind the key, and the same token.
  const [, key] = typeof cacheKey === "string" ? (/^([a-zA-Z]{1,20}-[0-9a-f]{22})(-|$)/.exec(cacheKey) ?? []) : [];
  return key;
}

/** A member in seconds since 1970, if it is a time up to now. */
export function timeIn(status: JsonObject, member: string, now: EpochMs): EpochMs | undefined {
  const at = countOf(status[member]) * SECOND_MS;
  return at > 0 && at <= now ? at : undefined;
}

/** The latest time up to now at which VSO is known to have worked on it. */
export function lastSignIn(status: JsonObject, now: EpochMs): EpochMs {
  const conditions = Array.isArray(status.conditions) ? status.conditions.map(asObject) : [];
  const times = [
    timeIn(status, "lastRenewalTime", now) ?? 0,
    ...conditions.map((condition) => Date.parse(String(condition?.lastTransitionTime ?? ""))),
  ];
  return Math.max(...times.filter((at) => at <= now));
}

export function countOf(value: unknown): number {
  return typeof value === "number" && Number.isSafeInteger(value) && value > 0 ? value : 0;
}
