import { SECOND_MS } from "../../lib/clock.ts";

/** Time-outs of every AWS client in ms: to open a connection, and for each request. */
export const REQUESTS = {
  connectionTimeout: 2 * SECOND_MS,
  requestTimeout: 5 * SECOND_MS,
  throwOnRequestTimeout: true,
} as const;
