import { type EpochMs, HOUR_MS } from "../clock.ts";
import { type Finding, finding } from "./finding.ts";
import { advice } from "./remedies.ts";
import type { ServerLook } from "./server-look.ts";

const DAY_MS = 24 * HOUR_MS;

/** Certificates that are renewed by a program are renewed earlier than this. */
const SOON_MS = 7 * DAY_MS;

/** Findings about the ends of a server's certificates. One that has ended is found by its refusal. */
export function serverEnds(
  { certificates }: ServerLook,
  about: { readonly cluster: string; readonly where: string },
  now: EpochMs,
): readonly Finding[] {
  return certificates
    .filter(({ endsAt }) => endsAt > now && endsAt - now < SOON_MS)
    .map(({ subject, endsAt }) =>
      finding("CERTIFICATE_ENDS_SOON", {
        ...about,
        what: `its certificate (${subject}) ends at ${new Date(endsAt).toISOString()}, in ${timeLeft(endsAt - now)}`,
        remedy: advice("Renew the certificate of this server, or of its CA."),
      }),
    );
}

/** `3 days`, `5 hours`. */
export function timeLeft(ms: number): string {
  const hours = Math.floor(ms / HOUR_MS);
  if (hours >= 48) return `${Math.floor(hours / 24)} days`;
  return hours >= 1 ? `${hours} hours` : `${Math.max(0, Math.floor(ms / 60_000))} minutes`;
}
