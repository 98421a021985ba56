import { SECOND_MS } from "../clock.ts";

/** Options of clients for single requests: a request and its repetition end within WAIT_MS. */
export const AWS_REQUESTS = {
  maxAttempts: 2,
  requestHandler: { connectionTimeout: 2 * SECOND_MS, requestTimeout: 4 * SECOND_MS, throwOnRequestTimeout: true },
} as const;

/** The SDK's own time-outs do not cover the search for credentials. */
const WAIT_MS = 15 * SECOND_MS;

/** The answer, or a TimeoutError. */
export async function withinAws<T>(work: Promise<T>): Promise<T> {
  const { promise: late, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => {
    const error = new Error("no answer in time");
    error.name = "TimeoutError";
    reject(error);
  }, WAIT_MS);
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}
