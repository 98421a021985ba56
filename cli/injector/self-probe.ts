import { request } from "node:https";
import { SECOND_MS } from "../../lib/clock.ts";
import { codeOf } from "../../lib/util/error-code.ts";

/** Where the URL of a webhook leads: to this process, to another one, or this machine can't tell. */
export type Reached = "this" | "another" | "unknown";

const ANSWER_MS = 5 * SECOND_MS;

/** What this process alone answers a GET at a path with its own key. */
const METHOD_NOT_ALLOWED = 405;

/** Asks whoever is at this URL, which has a key that only this process knows. */
export function whoIsAt(url: string, ca: string | undefined, signal: AbortSignal): Promise<Reached> {
  const { promise, resolve } = Promise.withResolvers<Reached>();
  const limits = AbortSignal.any([signal, AbortSignal.timeout(ANSWER_MS)]);
  const asked = request(url, { method: "GET", signal: limits, agent: false, ...(ca === undefined ? {} : { ca }) });
  asked.on("response", (answer) => {
    answer.resume();
    resolve(answer.statusCode === METHOD_NOT_ALLOWED ? "this" : "another");
  });
  // Another one has a certificate of another CA. Without a CA, API servers may trust more than this machine does.
  asked.on("error", (error) =>
    resolve(ca !== undefined && /CERT|SIGNATURE|ISSUER|_TLS_|_SSL_/.test(codeOf(error) ?? "") ? "another" : "unknown"),
  );
  // Whatever came, or nothing: an answer that is no HTTP answer, such as an upgrade, ends without an error.
  asked.on("close", () => resolve("unknown"));
  asked.end();
  return promise;
}
