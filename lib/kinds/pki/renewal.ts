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

interface RenewWindow {
  readonly from: EpochMs;
  readonly until: EpochMs;
}

/** The share of a certificate's life before its window, by which replacements are spread. */
const MAX_JITTER = 0.05;

const DEFAULT_SHARE = 1 / 3;

/** A certificate that has to be replaced sooner than this after it arrives is refused: it would be a storm of issues. */
const MIN_USE_MS = 10 * SECOND_MS;

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

/** Up to 5 % of the time until the renewal window earlier, never later. */
function exactWindow(validity: Validity, declaredMs: number | undefined): RenewWindow {
  const until = windowStart(validity, declaredMs);
  return { from: until - MAX_JITTER * Math.max(0, until - usableFrom(validity)), until };
}

/** When a certificate may be replaced: `renewAt` gives no other time. */
export function renewWindow(validity: Validity, declaredMs: number | undefined): RenewWindow {
  const { from, until } = exactWindow(validity, declaredMs);
  return { from: Math.floor(from), until };
}

/** When to replace a certificate: `random`, from 0 to 1, chooses. In the past if the window has begun. */
export function renewAt(validity: Validity, declaredMs: number | undefined, random: number): EpochMs {
  const { from, until } = exactWindow(validity, declaredMs);
  return Math.floor(until - random * (until - from));
}

/** Whether it can be used for a while before it is replaced. */
export function isUsable(validity: Validity, declaredMs: number | undefined, from: EpochMs): boolean {
  return windowStart(validity, declaredMs) - from >= MIN_USE_MS;
}
