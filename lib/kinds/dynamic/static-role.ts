import { isLosslessNumber } from "lossless-json";
import { type EpochMs, SECOND_MS } from "../../clock.ts";
import type { IssuedData } from "../../ports/vault-issues.ts";
import { asObject } from "../../util/canonical.ts";
import type { JsonObject } from "../../util/json.ts";
import type { LosslessValue } from "../../util/lossless.ts";

/**
 * Static roles: Vault rotates the password of an existing account. Reading it issues nothing. It rotates from a second
 * before to a few seconds after its ttl, and no audit line tells of it, so that it is read until the rotation moved.
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

/** Undefined: the answer is not of a static role. */
export function rotationOf({ fields }: Pick<IssuedData, "fields">): Rotation | undefined {
  const last = fields.get("last_vault_rotation");
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

/** What the row knows of a rotation. */
export interface KnownRotation extends Rotation {
  /** When the rotation was expected that has not come yet. */
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
  const isSame = before?.last === rotation.last;
  const since = before?.awaitedSince ?? expectedAt;
  // It was read because a rotation was due, and that has not come: its ttl may already be of the next one.
  if (isSame && since !== undefined && since <= now && now - since < AWAITED_MS) {
    return { at: now + AGAIN_MS, known: { ...rotation, awaitedSince: since } };
  }
  return { at: byTtl, known: rotation };
}

/** Only the seconds to the next one may differ. */
export function isSameRotation(before: Rotation | undefined, now: Rotation | undefined): boolean {
  if (before === undefined || now === undefined) return false;
  return before.last === now.last && before.period === now.period && before.schedule === now.schedule;
}

export function rotationJson(known: KnownRotation): JsonObject {
  return { ...known };
}

export function knownRotation(made: JsonObject | undefined): KnownRotation | undefined {
  const { last, period, schedule, ttl, awaitedSince } = asObject(made?.rotation) ?? {};
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
