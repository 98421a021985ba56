import { Agent as HttpAgent } from "node:http";
import { Agent as HttpsAgent } from "node:https";
import { NodeHttpHandler } from "@smithy/node-http-handler";
import { SECOND_MS } from "../clock.ts";
import { boundedBody } from "../util/bounded-body.ts";
import { guardedLookup } from "./address-guard.ts";

/** In ms: to open a connection, and until the head of an answer is there. */
const REQUESTS = {
  connectionTimeout: 3 * SECOND_MS,
  requestTimeout: 5 * SECOND_MS,
  throwOnRequestTimeout: true,
} as const;
/** For all attempts of one login, to the end of the last answer. */
const TOTAL_MS = 12 * SECOND_MS;
/** An answer holds the keys of one session, in about 2 KB. */
const MAX_BYTES = 64 * 1_024;

/**
 * The AWS SDK's requests to one token service, which a tenant may have named: the SDK itself reads an answer without a
 * limit of size or time. A longer answer throws BodyTooLarge. The signal, or 12 s, ends a request together with its
 * connection.
 */
export function stsRequests(way: "named" | "checked", signal: AbortSignal): NodeHttpHandler {
  // Agents of our own, so that we check each resolved address and no proxy of the environment is used.
  const options = way === "checked" ? { lookup: guardedLookup } : {};
  const agents = { httpAgent: new HttpAgent(options), httpsAgent: new HttpsAgent(options) };
  return new BoundedHandler({ ...REQUESTS, ...agents }, AbortSignal.any([signal, AbortSignal.timeout(TOTAL_MS)]));
}

class BoundedHandler extends NodeHttpHandler {
  readonly #ended: AbortSignal;

  constructor(options: ConstructorParameters<typeof NodeHttpHandler>[0], ended: AbortSignal) {
    super(options);
    this.#ended = ended;
  }

  override async handle(...[request, options]: Parameters<NodeHttpHandler["handle"]>) {
    const { response } = await super.handle(request, { ...options, abortSignal: this.#ended });
    response.body = await boundedBody(response.body, MAX_BYTES);
    return { response };
  }
}
