import { promisify } from "node:util";
import { gzip } from "node:zlib";
import { Agent, type Dispatcher } from "undici";
import { type Clock, type EpochMs, MINUTE_MS, SECOND_MS } from "../clock.ts";
import type { Inlet, MissedReason, Taken } from "../ports/inlet.ts";
import type { Log } from "../ports/telemetry.ts";
import { boundedBody } from "../util/bounded-body.ts";
import { codeOf } from "../util/error-code.ts";
import { signPost } from "./signed-post.ts";

/** An inlet elsewhere, to which lines are posted and signed. */
export interface PostingOptions {
  readonly url: URL;
  /** Read at each POST: the first key signs. */
  readonly keys: () => Promise<readonly Uint8Array[]>;
  /** PEM of the authority to trust instead of the system's. */
  readonly ca?: string;
  readonly clock: Clock;
  readonly log: Log;
}

export interface PostingInlet extends Inlet {
  close(): Promise<void>;
}

/** The receiver did not take a POST. */
export class PostFailed extends Error {
  readonly status: number | undefined;

  constructor(why: string, status?: number) {
    super(why);
    this.name = "PostFailed";
    this.status = status;
  }
}

/** Answers to the body itself: the same lines would have them for ever. */
const ABOUT_THE_BODY: ReadonlySet<number | undefined> = new Set([400, 413, 415]);

const CONNECT_MS = 10 * SECOND_MS;
/** A receiver answers when its nudges are stored, which may take it a minute. */
const ANSWER_MS = 70 * SECOND_MS;
const MAX_ANSWER = 16 * 1_024;
/** Smaller bodies are not worth it. */
const GZIP_FROM = 4_096;
const LOGGED_EVERY_MS = MINUTE_MS;

const zip = promisify(gzip);

export function postingInlet(options: PostingOptions): PostingInlet {
  const { url, ca } = options;
  const agent = new Agent({
    connect: { timeout: CONNECT_MS, ...(ca === undefined ? {} : { ca }) },
    ...{ headersTimeout: ANSWER_MS, bodyTimeout: ANSWER_MS, connections: 2 },
  });
  const failed = failureLog(options);
  const post = async (lines: readonly string[], signal: AbortSignal, missed?: Parameters<Inlet["missed"]>[0]) => {
    const text = Buffer.from(lines.map((line) => `${line}\n`).join(""));
    const isZipped = text.length >= GZIP_FROM;
    const body = isZipped ? await zip(text, { level: 1 }) : text;
    const [key] = await options.keys();
    if (key === undefined) throw new PostFailed("no key");
    const sealed = { key, now: options.clock(), ...(missed === undefined ? {} : { missed }) };
    const headers = { ...signPost(body, sealed), ...(isZipped ? { "content-encoding": "gzip" } : {}) };
    try {
      const at = { origin: url.origin, path: `${url.pathname}${url.search}` };
      return await answerTo(await agent.request({ ...at, method: "POST", headers, body, signal }));
    } catch (error) {
      if (lines.length === 0 || !isAboutBody(error)) failed(error);
      throw error;
    }
  };
  const passing = passingInParts(post, options);
  return {
    // Whose lines they are is known to the receiver.
    vault: "relayed",
    take: (lines, signal) => passing(lines, signal),
    async missed(reason, signal) {
      await post([], signal, reason);
    },
    close: () => agent.destroy(),
  };
}

type Post = (lines: readonly string[], signal: AbortSignal, missed?: MissedReason) => Promise<Partial<Taken>>;

/**
 * Leaves out the lines that are refused even alone, while no lines are accepted: else they are not the cause, but
 * something in between that answers so to everything. The POST of no lines says that lines are missing, before these
 * count as taken.
 */
function passingInParts(post: Post, { url, log }: PostingOptions): Inlet["take"] {
  return async (all, signal) => {
    let dropped = 0;
    const leaveOut = async (lines: readonly string[]): Promise<Taken> => {
      // Once for all lines of this call: they were there before it.
      await post([], signal, dropped === 0 ? "overflow" : undefined);
      dropped += lines.length;
      return { lines: lines.length, bad: lines.length, nudged: 0 };
    };
    const inParts = async (lines: readonly string[]): Promise<Taken> => {
      try {
        return { lines: lines.length, bad: 0, nudged: 0, ...(await post(lines, signal)) };
      } catch (error) {
        if (!isAboutBody(error)) throw error;
        if (lines.length <= 1) return leaveOut(lines);
        const half = Math.ceil(lines.length / 2);
        const one = await inParts(lines.slice(0, half));
        const other = await inParts(lines.slice(half));
        return { lines: lines.length, bad: one.bad + other.bad, nudged: one.nudged + other.nudged };
      }
    };
    const taken = await inParts(all);
    if (dropped > 0) {
      const because = "the receiver refuses them alone too";
      log.error("audit-lines-dropped", { to: url.origin, lines: dropped, because });
    }
    return taken;
  };
}

function isAboutBody(error: unknown): boolean {
  return error instanceof PostFailed && ABOUT_THE_BODY.has(error.status);
}

async function answerTo({ statusCode, body }: Dispatcher.ResponseData): Promise<Partial<Taken>> {
  const text = String(await boundedBody(body, MAX_ANSWER));
  // 409: it took the same POST before, and its answer was lost.
  if (statusCode === 409) return {};
  if (statusCode < 200 || statusCode > 299) throw new PostFailed(`it answered ${statusCode}`, statusCode);
  return takenIn(text);
}

/** What the receiver counted; it need not say. */
function takenIn(text: string): Partial<Taken> {
  try {
    const { bad, nudged } = JSON.parse(text) as Partial<Taken>;
    return typeof bad === "number" && typeof nudged === "number" ? { bad, nudged } : {};
  } catch {
    return {};
  }
}

/** Names the receiver and the remedy, at most once a minute. */
function failureLog({ url, clock, log }: PostingOptions): (error: unknown) => void {
  let loggedAt: EpochMs | undefined;
  return (error) => {
    if (loggedAt !== undefined && clock() - loggedAt < LOGGED_EVERY_MS) return;
    loggedAt = clock();
    const why = error instanceof PostFailed ? error.message : (codeOf(error) ?? "no answer");
    const remedy = why.includes("401") ? "give both sides the same key, and set their clocks" : "check its address";
    log.error("relay-failed", { to: url.origin, why, remedy, lines: "they are kept in memory" });
  };
}
