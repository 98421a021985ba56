import { type EpochMs, HOUR_MS } from "../clock.ts";

/** When a CA of keyferry's own signs, when its successor is made, and when it goes. */

const DAY_MS = 24 * HOUR_MS;

/** Long enough that people who apply registrations by hand do so once a year. */
export const AUTHORITY_LIFE_MS = 3 * 365 * DAY_MS;
/** Of the certificate of the listener. A start makes a new one, too. */
export const LEAF_LIFE_MS = 90 * DAY_MS;
/** Certificates count from before now, for API servers whose clocks are slow. */
export const BACK_DATED_MS = DAY_MS;

/** A CA with its private key, both PEM. */
export interface Authority {
  readonly cert: string;
  readonly key: string;
  readonly notBefore: EpochMs;
  readonly notAfter: EpochMs;
}

/** The time at which this share of a certificate's life has passed. */
function shareOf({ notBefore, notAfter }: Pick<Authority, "notBefore" | "notAfter">, share: number): EpochMs {
  return notBefore + (notAfter - notBefore) * share;
}

/**
 * When the successor of an authority signs at the latest: registrations without it are then useless. Half a year is left
 * to apply a registration with both of them.
 */
export function successorSignsAt(one: Pick<Authority, "notBefore" | "notAfter">): EpochMs {
  return shareOf(one, 5 / 6);
}

/** When something is to be renewed: at two thirds of its life. */
export function renewAt(one: Pick<Authority, "notBefore" | "notAfter">): EpochMs {
  return shareOf(one, 2 / 3);
}

/** The authorities that are not over, the oldest first. Registrations hold all of them. */
export function validAuthorities(all: readonly Authority[], now: EpochMs): readonly Authority[] {
  return all.filter(({ notAfter }) => now < notAfter).toSorted((a, b) => a.notBefore - b.notBefore);
}

/** Whether a new one is needed: there is none, or the newest has lived for two thirds of its time. */
export function isNextDue(all: readonly Authority[], now: EpochMs): boolean {
  const newest = validAuthorities(all, now).at(-1);
  return newest === undefined || now >= renewAt(newest);
}

/** The one that signs: the oldest whose successor still waits. */
export function signingAuthority(all: readonly Authority[], now: EpochMs): Authority | undefined {
  const valid = validAuthorities(all, now);
  return valid.find((one) => now < successorSignsAt(one)) ?? valid.at(-1);
}
