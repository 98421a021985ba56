import { isLosslessNumber } from "lossless-json";
import { type EpochMs, MINUTE_MS, SECOND_MS } from "../../clock.ts";
import type { Warning } from "../../origins/warnings.ts";
import type { IssuedData } from "../../ports/vault-issues.ts";
import { asObject } from "../../util/canonical.ts";
import type { Json, JsonObject } from "../../util/json.ts";
import type { LosslessValue } from "../../util/lossless.ts";

/**
 * Static roles: Vault rotates the password of an existing account. Reading it issues nothing. It rotates from a second
 * before to a few seconds after its ttl, or later when attempts fail, and no audit line tells of it, so that it is read
 * until the rotation moved.
 */

/** A rotation as Vault's answer tells it. */
export interface Rotation {
  /** RFC 3339, as Vault wrote it. */
  readonly last: string;
  /** In seconds; 0: by a schedule. */
  readonly period: number;
  /** A cron expression. */
  readonly schedule?: string;
  /** Seconds to the next one. */
  readonly ttl: number;
}

/** The field that tells a static role. */
export const LAST_ROTATION = "last_vault_rotation";

/** Undefined: the answer is not of a static role. */
export function rotationOf({ fields }: Pick<IssuedData, "fields">): Rotation | undefined {
  const last = fields.get(LAST_ROTATION);
  const schedule = fields.get("rotation_schedule");
  const period = numberOf(fields.get("rotation_period"));
  const isScheduled = typeof schedule === "string" && schedule !== "";
  if (typeof last !== "string" || Number.isNaN(Date.parse(last)) || Date.parse(last) <= 0) return undefined;
  if (period < 1 && !isScheduled) return undefined;
  const ttl = numberOf(fields.get("ttl"));
  return { last, period, ttl, ...(isScheduled ? { schedule } : {}) };
}

function numberOf(value: LosslessValue | undefined): number {
  const number = isLosslessNumber(value) ? Number(value.value) : 0;
  return Number.isSafeInteger(number) && number > 0 ? number : 0;
}

const AFTER_TTL_MS = SECOND_MS / 2;
const AGAIN_MS = SECOND_MS;
const AWAITED_MS = 10 * SECOND_MS;
const LONGEST_PAUSE_MS = MINUTE_MS;
const OVERDUE_MS = MINUTE_MS;
/** Vault rounds it, and the clocks differ a little. */
const DUE_TTL_S = 2;

/** What the row knows of a rotation. */
export interface KnownRotation extends Rotation {
  /** Since when a rotation is awaited that was expected and has not come yet. */
  readonly awaitedSince?: EpochMs;
}

/** When to read next, and what to remember. */
export function afterRead(
  rotation: Rotation,
  before: KnownRotation | undefined,
  expectedAt: EpochMs | undefined,
  now: EpochMs,
): { readonly at: EpochMs; readonly known: KnownRotation } {
  const byTtl = now + Math.max(rotation.ttl * SECOND_MS, AGAIN_MS) + AFTER_TTL_MS;
  const since = isSameRotation(before, rotation) ? awaitedSince(before, expectedAt, now) : undefined;
  if (since === undefined || isBelieved(rotation, now - since)) return { at: byTtl, known: rotation };
  const again = now + pauseAfter(now - since);
  return { at: rotation.ttl > 0 ? Math.min(again, byTtl) : again, known: { ...rotation, awaitedSince: since } };
}

/** A wait that begins late, as after an outage, begins with its first read: Vault may only now come to the rotation. */
function awaitedSince(
  before: KnownRotation | undefined,
  expectedAt: EpochMs | undefined,
  now: EpochMs,
): EpochMs | undefined {
  if (before?.awaitedSince !== undefined) return Math.min(before.awaitedSince, now);
  if (expectedAt === undefined || expectedAt > now) return undefined;
  return now - expectedAt < AWAITED_MS ? expectedAt : now;
}

/**
 * Vault counts a period from the last rotation, so that time left means that none is due. By a schedule it counts to the
 * next time, whether the rotation of the last one came or not.
 */
function isBelieved({ ttl, schedule }: Rotation, waitedMs: number): boolean {
  return waitedMs >= AWAITED_MS && schedule === undefined && ttl > DUE_TTL_S;
}

/** A second for as long as rotations mostly take, then twice as long each time: Vault may fail for days. */
function pauseAfter(waitedMs: number): number {
  if (waitedMs < AWAITED_MS) return AGAIN_MS;
  return Math.min(LONGEST_PAUSE_MS, waitedMs - AWAITED_MS + 2 * AGAIN_MS);
}

/** A rotation that was due for long, and has not come. */
export function overdueWarning({ last, awaitedSince: since }: KnownRotation, now: EpochMs): readonly Warning[] {
  if (since === undefined || now - since < OVERDUE_MS) return [];
  const [rotated, awaited] = [Date.parse(last), since].map((at) => new Date(at).toISOString());
  const message =
    `Vault has not rotated the password since ${rotated}, and another rotation has been due since ${awaited}: Vault's ` +
    "log says why it fails. keyferry reads the password each minute until it is rotated";
  return [{ type: "CredentialRenewed", status: "False", reason: "RotationOverdue", message }];
}

/** Only the seconds to the next one may differ. */
export function isSameRotation(before: Rotation | undefined, now: Rotation | undefined): boolean {
  if (before === undefined || now === undefined) return false;
  return before.last === now.last && before.period === now.period && before.schedule === now.schedule;
}

export function rotationJson(known: KnownRotation): JsonObject {
  return { ...known };
}

/** The rotation that is followed. */
export function knownRotation(made: JsonObject | undefined): KnownRotation | undefined {
  return rotationIn(made?.rotation);
}

/** The rotation of a role that the declaration did not allow to follow. */
export function unfollowedRotation(made: JsonObject | undefined): KnownRotation | undefined {
  return rotationIn(made?.unfollowed);
}

function rotationIn(json: Json | undefined): KnownRotation | undefined {
  const { last, period, schedule, ttl, awaitedSince } = asObject(json) ?? {};
  if (typeof last !== "string" || typeof period !== "number" || typeof ttl !== "number") return undefined;
  return {
    ...{ last, period, ttl },
    ...(typeof schedule === "string" ? { schedule } : {}),
    ...(typeof awaitedSince === "number" ? { awaitedSince } : {}),
  };
}

/** `status.staticCredsMetaData`. */
export function rotationStatus({ last, period, schedule, ttl }: Rotation): JsonObject {
  return {
    lastVaultRotation: Math.floor(Date.parse(last) / SECOND_MS),
    rotationPeriod: period,
    ttl,
    ...(schedule === undefined ? {} : { rotationSchedule: schedule }),
  };
}
