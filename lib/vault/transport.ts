import type { Dispatcher } from "undici";
import { SyncError } from "../errors.ts";
import { retryAfterOf } from "../retry-after.ts";
import { jsonExcess } from "../util/json-bounds.ts";
import { type WholeAnswer, wholeAnswer } from "../util/whole-answer.ts";
import { type VaultReach, wayTo } from "../vault-reach.ts";
import { isNotAllowed, notAllowed } from "./address-guard.ts";
import type { Agents } from "./agents.ts";
import type { VaultAnswer } from "./answer.ts";
import { type Asked, describe } from "./asked.ts";
import { openSocket } from "./event-socket.ts";
import { isCut, networkError, proxyFailure, timedOut } from "./network-errors.ts";
import { redirectedTo } from "./redirect.ts";

export interface HttpMessage {
  readonly asked: Asked;
  /** Vault's address as `normalAddress` spells it: the URL begins with it. */
  readonly address: string;
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string;
  readonly timeoutMs: number;
  /** Where the request may go, redirects included. */
  readonly reach: VaultReach;
}

const MIB = 1_024 * 1_024;

/** A kv secret and a Kubernetes Secret are 1 MiB at most; JSON can escape one character with six bytes. */
const MAX_DATA_BYTES = 4 * MIB;
/** The parser limits the depth; a secret of 1 MiB has a tenth of this many values. */
const DATA_BOUNDS = { depth: Number.POSITIVE_INFINITY, values: 200_000 };
/** Their answers become the data of a Secret. */
const DATA_PURPOSES: ReadonlySet<Asked["purpose"]> = new Set(["kv-v1", "kv-v2", "issue"]);
/** Logins, renewals, errors and probes take a few KB. */
const MAX_BYTES = MIB;

/** A value with a replacement character must not reach a Secret. */
const STRICT = new TextDecoder("utf-8", { fatal: true });

/** A standby redirects to the active node: once, and again if that node has just stepped down. */
const MAX_REDIRECTS = 3;

/** Sends one message and reads its whole answer within its time-out. Throws SyncError for any failure below HTTP. */
export async function send(agents: Agents, message: HttpMessage, signal: AbortSignal): Promise<VaultAnswer> {
  const { asked, timeoutMs } = message;
  let isSent = false;
  const ender = new AbortController();
  const end = () => ender.abort();
  const timer = setTimeout(end, timeoutMs);
  signal.addEventListener("abort", end, { once: true });
  try {
    signal.throwIfAborted();
    isSent = true;
    return await follow(agents, message, ender.signal);
  } catch (error) {
    if (signal.aborted) {
      const message = `${describe(asked)} ran out of time`;
      throw new SyncError("DEADLINE_EXCEEDED", message, { outcome: isSent ? "unknown" : "none" });
    }
    if (ender.signal.aborted) throw timedOut(asked, timeoutMs);
    throw networkError(error, asked);
  } finally {
    clearTimeout(timer);
    signal.removeEventListener("abort", end);
  }
}

async function follow(agents: Agents, message: HttpMessage, signal: AbortSignal): Promise<VaultAnswer> {
  const { asked } = message;
  let url = message.url;
  for (let hops = 0; hops <= MAX_REDIRECTS; hops++) {
    const answer = await whereAllowed(agents, message, url, signal);
    // A probe only needs an answer.
    if (asked.purpose === "seal-status") return answer;
    const next = redirectedTo(answer, url, asked);
    if (next === undefined) return answer;
    url = next;
  }
  const text = `${describe(asked)} was redirected more than ${MAX_REDIRECTS} times`;
  throw new SyncError("VAULT_ANSWER_INVALID", text, { outcome: "none" });
}

/**
 * Checks each redirect like the address itself, so that it can't lead to a Vault that a VaultConnection may not name.
 */
async function whereAllowed(agents: Agents, message: HttpMessage, url: URL, signal: AbortSignal): Promise<VaultAnswer> {
  const { asked, reach } = message;
  const redirected = url === message.url ? "" : ` to ${url.origin}, where it is redirected`;
  const refused = () => notAllowed(`${describe(asked)} was not sent${redirected}`, reach);
  // A standby redirects to the active node's host without any path prefix.
  const address = url === message.url ? message.address : url.origin;
  const way = wayTo(reach, address);
  if (way === undefined) throw refused();
  const proxy = way === "named" ? reach.proxies?.get(address) : undefined;
  try {
    const agent = agents.by(proxy === undefined ? way : { proxy });
    return await exchangeOnLiveConnection(agent, message, url, signal);
  } catch (error) {
    if (proxy !== undefined && !signal.aborted) throw proxyFailure(error, asked, proxy);
    throw isNotAllowed(error) ? refused() : error;
  }
}

/**
 * A kept-alive connection may close at any time, above all after a frozen function thaws: a repeatable request is then
 * sent again.
 */
async function exchangeOnLiveConnection(
  agent: Dispatcher,
  message: HttpMessage,
  url: URL,
  signal: AbortSignal,
): Promise<VaultAnswer> {
  const exchange = message.asked.purpose === "events" ? upgrade : request;
  try {
    return await exchange(agent, message, url, signal);
  } catch (error) {
    if (!message.asked.repeatable || signal.aborted || !isCut(error)) throw error;
    return exchange(agent, message, url, signal);
  }
}

/** Sent back as it is, so only what may be in a header. */
const INDEX = /^[\x21-\x7e]{1,2048}$/;

function indexOf({ "x-vault-index": index }: WholeAnswer["headers"]): Pick<VaultAnswer, "index"> {
  return typeof index === "string" && INDEX.test(index) ? { index } : {};
}

/** A socket as the answer, or whatever Vault answers in its place. */
async function upgrade(agent: Dispatcher, message: HttpMessage, url: URL, signal: AbortSignal): Promise<VaultAnswer> {
  const answer = await openSocket(agent, { url, headers: message.headers }, signal);
  return "socket" in answer ? { status: 101, text: "", socket: answer.socket } : answerOf(answer);
}

async function request(agent: Dispatcher, message: HttpMessage, url: URL, signal: AbortSignal): Promise<VaultAnswer> {
  const holdsData = DATA_PURPOSES.has(message.asked.purpose);
  const answer = await wholeAnswer(
    agent,
    {
      origin: url.origin,
      path: url.pathname + url.search,
      method: message.asked.method,
      headers: message.headers,
      body: message.body ?? null,
    },
    holdsData ? MAX_DATA_BYTES : MAX_BYTES,
    signal,
  );
  const excess = holdsData ? jsonExcess(answer.bytes, DATA_BOUNDS) : undefined;
  if (excess !== undefined) {
    throw new SyncError("VAULT_ANSWER_INVALID", `The answer to ${describe(message.asked)} ${excess}`, {
      outcome: "unknown",
    });
  }
  return answerOf(answer);
}

function answerOf({ statusCode, headers, bytes }: WholeAnswer): VaultAnswer {
  const { location } = headers;
  const retryAfterMs = retryAfterOf(headers);
  return {
    status: statusCode,
    text: STRICT.decode(bytes),
    ...(typeof location === "string" && { location }),
    ...(retryAfterMs !== undefined && { retryAfterMs }),
    ...indexOf(headers),
  };
}
