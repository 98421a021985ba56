import { request } from "node:https";
import { SECOND_MS } from "../clock.ts";
import { codeOf } from "../util/error-code.ts";
import { METHOD_NOT_ALLOWED, NOT_FOUND } from "./webhook.ts";

/** What a GET at the URL of a webhook brought: an answer, or the code of what went wrong, or nothing. */
export interface ProbeAnswer {
  readonly status?: number;
  /** The beginning of it. */
  readonly body?: string;
  readonly errorCode?: string;
}

const ANSWER_MS = 5 * SECOND_MS;
const MAX_BODY = 1_024;

/** Asks whoever is at this URL. `ca`: PEM; missing: the roots of this machine. */
export function answerAt(url: string, ca: string | undefined, signal: AbortSignal): Promise<ProbeAnswer> {
  const { promise, resolve } = Promise.withResolvers<ProbeAnswer>();
  const limits = AbortSignal.any([signal, AbortSignal.timeout(ANSWER_MS)]);
  const asked = request(url, { method: "GET", signal: limits, agent: false, ...(ca === undefined ? {} : { ca }) });
  let found: ProbeAnswer = {};
  asked.on("response", (response) => {
    let body = "";
    const { statusCode = 0 } = response;
    found = { status: statusCode, body };
    response.setEncoding("latin1");
    response.on("data", (part: string) => {
      body += part;
      found = { status: statusCode, body };
      if (body.length > MAX_BODY) asked.destroy();
    });
    response.on("error", () => undefined);
  });
  asked.on("error", (error) => {
    if (found.status === undefined) found = { errorCode: codeOf(error) ?? "" };
  });
  // Whatever came, or nothing: an answer that is no HTTP answer, such as an upgrade, ends without an error.
  asked.on("close", () => resolve(found));
  asked.end();
  return promise;
}

/**
 * Whether the webhook at this URL knows the key in it; undefined: this machine can't tell. A 404 in the words of another
 * server says nothing: what stands before the webhook may let through nothing but POST.
 */
export async function knowsKeyAt(
  url: string,
  ca: string | undefined,
  signal: AbortSignal,
): Promise<boolean | undefined> {
  const { status, body } = await answerAt(url, ca, signal);
  if (status === METHOD_NOT_ALLOWED.status) return true;
  return status === NOT_FOUND.status && body === NOT_FOUND.body ? false : undefined;
}
