import { SECOND_MS } from "../../lib/clock.ts";

/** Every request of a client of AWS ends: to open a connection, and from a request to its answer, in ms. */
export const REQUESTS = {
  connectionTimeout: 2 * SECOND_MS,
  requestTimeout: 5 * SECOND_MS,
  throwOnRequestTimeout: true,
} as const;
