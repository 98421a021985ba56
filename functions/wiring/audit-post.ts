import type { PostRequest } from "../../lib/aws/inlet-envelopes.ts";
import { vaultAt } from "../../lib/aws/inlet-places.ts";
import type { PostKeyTexts } from "../../lib/aws/post-keys.ts";
import type { Clock, EpochMs } from "../../lib/clock.ts";
import { described } from "../../lib/described.ts";
import { SyncError } from "../../lib/errors.ts";
import { isGzip, linesOf, MAX_BODY_BYTES, NotGzip, unzipped } from "../../lib/inlets/lines.ts";
import {
  type Accepted,
  acceptedPosts,
  type CheckedPost,
  checkPost,
  MISSED_HEADER,
  type PostProblem,
  postKeys,
  REMEDY_OF_PROBLEM,
  SENT_AGAIN_MS,
  SIGNATURE_HEADER,
  STATUS_OF_PROBLEM,
  TIMESTAMP_HEADER,
} from "../../lib/inlets/signed-post.ts";
import type { PostInlet } from "../../lib/ports/vault-events.ts";
import type { AcceptedPosts } from "../../lib/store/dynamodb/accepted-posts.ts";
import { BodyTooLarge } from "../../lib/util/bounded-body.ts";
import type { AuditDeps } from "./audit-work.ts";

/** As a label: no Vault has this name, and CloudWatch takes no empty one. */
const NO_VAULT = "-";

const RETRY = { "retry-after": "5" };

export interface PostDeps extends Pick<AuditDeps, "vaults" | "sinkFor" | "log" | "metrics"> {
  readonly keyTexts: PostKeyTexts;
  /** What this process accepted, by the Vault. */
  readonly acceptedOf: (vault: string) => Accepted;
  /** What any process accepted. */
  readonly posts: AcceptedPosts;
  readonly clock: Clock;
}

/** An answer of the function's URL. */
export interface PostAnswer {
  readonly statusCode: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/**
 * Answers a POST of audit lines: 200 when they are taken, and nobody needs to send them again. An unknown Vault has
 * the answer of a wrong signature, so that nobody finds out the names.
 */
export async function answerPost(deps: PostDeps, request: PostRequest, signal: AbortSignal): Promise<PostAnswer> {
  if (request.method !== "POST") return answer(405, { error: "send a POST" }, { allow: "POST" });
  if (request.body.length > MAX_BODY_BYTES) return answer(413, { error: "the body has more than 6 MiB" });
  try {
    return await checked(deps, request, signal);
  } catch (error) {
    if (!(error instanceof SyncError)) throw error;
    deps.log.error("post-failed", { ...described(error), message: error.message });
    return answer(503, { error: error.code }, RETRY);
  }
}

async function checked(deps: PostDeps, request: PostRequest, signal: AbortSignal): Promise<PostAnswer> {
  const vault = vaultAt(deps.vaults(), { by: "path", path: request.path });
  const now = deps.clock();
  if (vault?.events?.post === undefined) return refused(deps, withoutKeys(request, now), NO_VAULT);
  const accepted = deps.acceptedOf(vault.name);
  const keys = await keysOf(deps, vault.name, vault.events.post);
  const post = checkPost(signedParts(request), { keys, accepted, now });
  if (typeof post === "string") return refused(deps, post, vault.name);
  try {
    const taken = await take(deps, vault.name, post, await textOf(request), signal);
    accepted.take(post.id);
    return taken;
  } catch (error) {
    accepted.remove(post.id);
    if (error instanceof BodyTooLarge) return answer(413, { error: `the body has ${error.message}, unzipped` });
    if (error instanceof OtherEncoding) return answer(415, { error: "send the body plain or as gzip" });
    if (error instanceof NotGzip) return answer(400, { error: `the body is ${error.message}` });
    throw error;
  }
}

/** What is wrong with a request that no key can have signed. */
function withoutKeys(request: PostRequest, now: EpochMs): PostProblem {
  const problem = checkPost(signedParts(request), { keys: [], accepted: acceptedPosts(0), now });
  return typeof problem === "string" ? problem : "forged";
}

async function take(deps: PostDeps, vault: string, post: CheckedPost, text: Buffer, signal: AbortSignal) {
  if (await deps.posts.isKnown(vault, post.id)) return refused(deps, "replayed", vault);
  const sink = deps.sinkFor(vault, "post");
  const taken = await sink.take(linesOf(text), signal);
  if (post.missed !== undefined) await sink.missed(post.missed, signal);
  // Afterwards: a POST whose work a crash cut short may come again.
  await deps.posts.remember(vault, post.id, deps.clock() + SENT_AGAIN_MS);
  return answer(200, { ...taken });
}

function signedParts({ headers, body }: PostRequest) {
  return {
    timestamp: headers[TIMESTAMP_HEADER],
    signature: headers[SIGNATURE_HEADER],
    missed: headers[MISSED_HEADER],
    body,
  };
}

async function keysOf({ keyTexts }: PostDeps, vault: string, inlet: PostInlet): Promise<readonly Buffer[]> {
  const keys = (await keyTexts(inlet)).map(postKeys);
  const valid = keys.flatMap((some) => some ?? []);
  if (keys[0] !== undefined) return valid;
  const place = inlet.parameter === undefined ? `secret ${inlet.keySecretArn}` : `parameter ${inlet.parameter}`;
  const remedy = "each line must be a key of at least 32 characters";
  throw new SyncError("STORE_INVALID", `${place} holds no keys of POSTs for Vault ${vault}: ${remedy}`);
}

class OtherEncoding extends Error {}

/** Throws BodyTooLarge, NotGzip or OtherEncoding. */
async function textOf({ body, headers }: PostRequest): Promise<Buffer> {
  const encoding = headers["content-encoding"] ?? "identity";
  if (encoding !== "gzip" && encoding !== "identity") throw new OtherEncoding();
  return encoding === "gzip" || isGzip(body) ? unzipped(body) : body;
}

/** `vault`: NO_VAULT when the path is of none. */
function refused({ log, metrics }: PostDeps, reason: PostProblem, vault: string): PostAnswer {
  metrics.count("keyferry_inlet_posts_refused_total", { vault, reason });
  log.warn("post-refused", { vault, reason });
  const status = STATUS_OF_PROBLEM[reason];
  return answer(status, { error: REMEDY_OF_PROBLEM[reason] }, status === 503 ? RETRY : {});
}

function answer(
  statusCode: number,
  body: Readonly<Record<string, string | number>>,
  headers: Readonly<Record<string, string>> = {},
): PostAnswer {
  return {
    statusCode,
    headers: { "content-type": "application/json", ...headers },
    body: `${JSON.stringify(body)}\n`,
  };
}
