import { isLosslessNumber } from "lossless-json";
import type { LosslessValue } from "../util/lossless.ts";

/** A year, in place of a longer TTL, so that calculated times can be stored and printed. */
const MAX_TTL_S = 366 * 24 * 3_600;

/** A count in Vault's answer; 0 for anything else. */
export function countOf(value: LosslessValue | undefined): number {
  const number = isLosslessNumber(value) ? Number(value.value) : 0;
  return Number.isSafeInteger(number) && number > 0 ? number : 0;
}

/** A TTL in Vault's answer, in seconds. */
export function secondsOf(value: LosslessValue | undefined): number {
  return Math.min(countOf(value), MAX_TTL_S);
}
