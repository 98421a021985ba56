import { type EpochMs, HOUR_MS, SECOND_MS } from "./clock.ts";

/** The longest pause that a server gets, in ms. */
export const LONGEST_SERVER_PAUSE_MS = HOUR_MS;

type Headers = Readonly<Record<string, string | string[] | undefined>>;

/**
 * The pause of a `Retry-After` header, in ms and at most an hour: seconds, or a date. A date counts from the server's
 * own `Date`, which HTTP requires, because its clock may differ from ours. Undefined: no pause, or an unreadable one.
 */
export function retryAfterOf(headers: Headers): number | undefined {
  const text = headers["retry-after"];
  if (typeof text !== "string") return undefined;
  const ms = /^\d+$/.test(text.trim()) ? Number(text) * SECOND_MS : untilDate(text, headers.date);
  return ms === undefined || !(ms > 0) ? undefined : Math.min(ms, LONGEST_SERVER_PAUSE_MS);
}

/** HTTP dates have the form `Wed, 21 Oct 2026 07:28:00 GMT`; Date.parse takes more than that. */
const HTTP_DATE = /^[A-Z][a-z]{2}, \d{2} [A-Z][a-z]{2} \d{4} \d{2}:\d{2}:\d{2} GMT$/;

function untilDate(text: string, serverDate: string | string[] | undefined): number | undefined {
  const at = httpDate(text);
  const now = httpDate(serverDate);
  return at === undefined || now === undefined ? undefined : at - now;
}

function httpDate(text: string | string[] | undefined): EpochMs | undefined {
  if (typeof text !== "string" || !HTTP_DATE.test(text.trim())) return undefined;
  const at = Date.parse(text);
  return Number.isNaN(at) ? undefined : at;
}
