import type { Agent } from "undici";
import { SyncError } from "../errors.ts";
import type { VaultAnswer } from "./answer.ts";
import { type Asked, describe } from "./asked.ts";
import { isCut, networkError, timedOut } from "./network-errors.ts";
import { redirectedTo } from "./redirect.ts";

export interface HttpMessage {
  readonly asked: Asked;
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string;
  readonly timeoutMs: number;
}

/** A standby sends readers to the active node: once, and again if that one has just stepped down. */
const MAX_REDIRECTS = 3;

/** Sends one message and reads its whole answer, within its time-out. Throws SyncError for all that fails below HTTP. */
export async function send(agent: Agent, message: HttpMessage, signal: AbortSignal): Promise<VaultAnswer> {
  const { asked, timeoutMs } = message;
  const ender = new AbortController();
  const end = () => ender.abort();
  const timer = setTimeout(end, timeoutMs);
  signal.addEventListener("abort", end, { once: true });
  try {
    signal.throwIfAborted();
    return await follow(agent, message, ender.signal);
  } catch (error) {
    if (signal.aborted) throw new SyncError("DEADLINE_EXCEEDED", `${describe(asked)} was given up: no time left`);
    if (ender.signal.aborted) throw timedOut(asked, timeoutMs);
    throw networkError(error, asked);
  } finally {
    clearTimeout(timer);
    signal.removeEventListener("abort", end);
  }
}

async function follow(agent: Agent, message: HttpMessage, signal: AbortSignal): Promise<VaultAnswer> {
  let url = message.url;
  for (let hops = 0; hops <= MAX_REDIRECTS; hops++) {
    const answer = await exchangeOnLiveConnection(agent, message, url, signal);
    // That something answers is all that is asked.
    if (message.asked.purpose === "standing") return answer;
    const next = redirectedTo(answer, url, message.asked);
    if (next === undefined) return answer;
    url = next;
  }
  const text = `${describe(message.asked)} was redirected more than ${MAX_REDIRECTS} times`;
  throw new SyncError("VAULT_ANSWER_INVALID", text);
}

/** A kept-alive connection may be cut at any time, most of all after a frozen function thaws: a read is then asked once more. */
async function exchangeOnLiveConnection(
  agent: Agent,
  message: HttpMessage,
  url: URL,
  signal: AbortSignal,
): Promise<VaultAnswer> {
  try {
    return await exchange(agent, message, url, signal);
  } catch (error) {
    if (message.asked.method !== "GET" || signal.aborted || !isCut(error)) throw error;
    return exchange(agent, message, url, signal);
  }
}

async function exchange(agent: Agent, message: HttpMessage, url: URL, signal: AbortSignal): Promise<VaultAnswer> {
  const answer = await agent.request({
    origin: url.origin,
    path: url.pathname + url.search,
    method: message.asked.method,
    headers: message.headers,
    body: message.body ?? null,
    signal,
  });
  const { location, "retry-after": retryAfter } = answer.headers;
  const bytes = await answer.body.bytes();
  return {
    status: answer.statusCode,
    // Strict: a value with a replacement character in it must not become a Secret.
    text: new TextDecoder("utf-8", { fatal: true }).decode(bytes),
    ...(typeof location === "string" && { location }),
    ...(typeof retryAfter === "string" && /^\d{1,6}$/.test(retryAfter) && { retryAfterMs: Number(retryAfter) * 1_000 }),
  };
}
