import { type EpochMs, MINUTE_MS, SECOND_MS } from "../../clock.ts";

/** How long a certificate is valid. */
export interface Validity {
  readonly notBefore: EpochMs;
  readonly expiration: EpochMs;
  /** When it was issued. Missing: at notBefore, which roles may set far back. */
  readonly issuedAt?: EpochMs;
}

/** Issuing, and a few retries, take some time. */
const MIN_OFFSET_MS = MINUTE_MS;

/** The share of a certificate's life before its window, by which replacements are spread. */
const MAX_JITTER = 0.05;

const DEFAULT_SHARE = 1 / 3;

/** A certificate that has to be replaced sooner than this after it arrives is refused: it would be a storm of issues. */
export const MIN_USE_MS = 10 * SECOND_MS;

/** From its issue on: what was before is of no use to anybody. */
function usableFrom({ notBefore, issuedAt = notBefore }: Validity): EpochMs {
  return Math.max(notBefore, issuedAt);
}

/** In ms. */
export function lifetimeOf(validity: Validity): number {
  return Math.max(0, validity.expiration - usableFrom(validity));
}

/**
 * How long before its expiry a certificate is replaced, in ms: as declared, else a third of its lifetime. Zero counts
 * as not declared, and a minute, or a third of a short life, is the minimum, so that it is replaced before it expires.
 */
export function offsetOf(validity: Validity, declaredMs: number | undefined): number {
  const third = Math.floor(lifetimeOf(validity) * DEFAULT_SHARE);
  return declaredMs ? Math.max(declaredMs, Math.min(MIN_OFFSET_MS, third)) : third;
}

/** The latest time for a replacement: the start of the renewal window. */
export function windowStart(validity: Validity, declaredMs: number | undefined): EpochMs {
  return validity.expiration - offsetOf(validity, declaredMs);
}

/**
 * When to replace a certificate. `random`, from 0 to 1, makes it up to 5 % of the time until its window earlier, never
 * later. In the past if the window has begun.
 */
export function renewAt(validity: Validity, declaredMs: number | undefined, random: number): EpochMs {
  const latest = windowStart(validity, declaredMs);
  const before = Math.max(0, latest - usableFrom(validity));
  return Math.floor(latest - random * MAX_JITTER * before);
}
