import { createHash, timingSafeEqual } from "node:crypto";
import { type EpochMs, MINUTE_MS, SECOND_MS } from "../clock.ts";
import type { MissedReason } from "../ports/inlet.ts";
import type { TakenPost } from "../ports/taken-posts.ts";
import { SIGNATURE_HEADER, signatureOf, signedHeaders, TIMESTAMP_HEADER } from "../signed-body.ts";

/**
 * Signatures of POSTs with audit lines: HMAC-SHA256 with a shared key over the time and the body, as
 * `X-Keyferry-Signature: sha256=<hex>`. docs/events.md has the definition for senders.
 */

export { SIGNATURE_HEADER, TIMESTAMP_HEADER };
/** The sender lost lines before this POST, for a MissedReason. It is signed too. */
export const MISSED_HEADER = "x-keyferry-missed";

/** How far the sender's clock may differ. A signature is remembered for as long as it would be accepted. */
const WINDOW_MS = 5 * MINUTE_MS;
/** From now on: the sender's clock may be ahead. */
export const SENT_AGAIN_MS = 2 * WINDOW_MS;

const MISSED: readonly MissedReason[] = ["reconnected", "offset-gone", "too-old", "silent", "overflow"];

/** What a POST says, as it arrived. */
export interface Post {
  readonly timestamp: string | undefined;
  readonly signature: string | undefined;
  readonly missed: string | undefined;
  /** As sent: compressed if it was sent so. */
  readonly body: Uint8Array;
}

/**
 * - `unsigned`: a header is missing or malformed; `stale`: of another time; `forged`: signed by none of the keys.
 * - `replayed`: accepted before. The sender may take it as delivered.
 * - `busy`: too many signatures to remember; the sender tries again later.
 */
export type PostProblem = "unsigned" | "stale" | "forged" | "replayed" | "busy";

export const STATUS_OF_PROBLEM: Readonly<Record<PostProblem, number>> = {
  unsigned: 401,
  stale: 401,
  forged: 401,
  replayed: 409,
  busy: 503,
};

export const REMEDY_OF_PROBLEM: Readonly<Record<PostProblem, string>> = {
  unsigned: `sign the body: send ${TIMESTAMP_HEADER} and ${SIGNATURE_HEADER}`,
  stale: `${TIMESTAMP_HEADER} is more than 5 minutes off: set the sender's clock`,
  forged: "the signature is not of this body and one of the keys",
  replayed: "this POST was accepted before",
  busy: "too many POSTs in 5 minutes: send more lines in each",
};

/** Signatures that were accepted and would be accepted again. */
export interface Accepted {
  add(signature: string, until: EpochMs, now: EpochMs): "added" | "known" | "full";
  /** The work of a POST failed, so the same one may come again. */
  remove(signature: string): void;
}

export interface CheckOptions {
  /** The current key and former ones. */
  readonly keys: readonly Uint8Array[];
  readonly accepted: Accepted;
  readonly now: EpochMs;
}

/** An accepted POST. */
export interface CheckedPost {
  /** What `Accepted` knows it by. */
  readonly id: string;
  readonly missed?: MissedReason;
}

/** What is wrong with the headers of a POST, whatever its body is. */
export function headersProblem(post: Omit<Post, "body">, now: EpochMs): "unsigned" | "stale" | undefined {
  const signed = signedParts(post);
  if (signed === undefined) return "unsigned";
  return Math.abs(now - signed.at) > WINDOW_MS ? "stale" : undefined;
}

function signedParts(post: Omit<Post, "body">) {
  const at = timeOf(post.timestamp);
  const signature = /^sha256=(?<hex>[0-9a-fA-F]{64})$/.exec(post.signature ?? "")?.groups?.hex;
  const missed = missedReason(post.missed);
  if (at === undefined || signature === undefined || missed !== post.missed) return undefined;
  return { at, signature, missed };
}

/** Accepts a POST once, if one of the keys signed it within the window. */
export function checkPost(post: Post, { keys, accepted, now }: CheckOptions): CheckedPost | PostProblem {
  const signed = signedParts(post);
  if (signed === undefined) return "unsigned";
  const { at, signature, missed } = signed;
  if (Math.abs(now - at) > WINDOW_MS) return "stale";
  const given = Buffer.from(signature, "hex");
  // All keys are compared, so that the time tells nothing about them.
  const matches = keys
    .map((key) => signatureOf(key, `${post.timestamp}${alsoSigned(missed)}`, post.body))
    .filter((expected) => timingSafeEqual(expected, given));
  const [match] = matches;
  if (match === undefined) return "forged";
  // Of the expected bytes: the header may write the same digits in another case.
  const id = match.toString("base64");
  const outcome = accepted.add(id, at + WINDOW_MS, now);
  if (outcome === "known") return "replayed";
  return outcome === "full" ? "busy" : { id, ...(missed === undefined ? {} : { missed }) };
}

/** The headers of a signed POST. */
export function signPost(
  body: Uint8Array,
  { key, now, missed }: { readonly key: Uint8Array; readonly now: EpochMs; readonly missed?: MissedReason },
): Readonly<Record<string, string>> {
  return {
    ...signedHeaders(body, { key, now, also: alsoSigned(missed) }),
    ...(missed === undefined ? {} : { [MISSED_HEADER]: missed }),
  };
}

/** The reason in the header; undefined when there is none, or an unknown one. */
export function missedReason(header: string | undefined): MissedReason | undefined {
  return MISSED.find((reason) => reason === header);
}

function timeOf(timestamp: string | undefined): EpochMs | undefined {
  return timestamp !== undefined && /^\d{1,12}$/.test(timestamp) ? Number(timestamp) * SECOND_MS : undefined;
}

/** What is signed after the time. */
function alsoSigned(missed: string | undefined): string {
  return missed === undefined ? "" : `;missed=${missed}`;
}

/** A process remembers at most so many signatures of one Vault. */
export function acceptedPosts(limit = 100_000, before: readonly TakenPost[] = []): Accepted {
  const known = new Map<string, EpochMs>(before.map(({ id, until }) => [id, until]));
  const forgetOld = (now: EpochMs): void => {
    for (const [id, until] of known) if (until < now) known.delete(id);
  };
  return {
    add(signature, until, now) {
      if (known.size >= limit) forgetOld(now);
      if (known.has(signature)) return "known";
      if (known.size >= limit) return "full";
      known.set(signature, until);
      return "added";
    },
    remove: (signature) => void known.delete(signature),
  };
}

const MIN_KEY_CHARACTERS = 32;

/** The keys or tokens in a file, secret or parameter, one on each line. Undefined unless all have at least 32 characters. */
export function postKeys(text: string): readonly Buffer[] | undefined {
  const lines = text.split("\n").map((line) => line.trim());
  const keys = lines.filter((line) => line !== "");
  if (keys.length === 0 || keys.some(({ length }) => length < MIN_KEY_CHARACTERS)) return undefined;
  return keys.map((key) => Buffer.from(key));
}

/** Whether an Authorization header has one of the tokens, compared in constant time. */
export function isBearer(authorization: string | undefined, tokens: readonly Uint8Array[]): boolean {
  const [, token] = /^Bearer +(?<token>\S+)$/i.exec(authorization ?? "") ?? [];
  const given = hashOf(token ?? "");
  const matches = tokens.filter((one) => timingSafeEqual(hashOf(one), given));
  return token !== undefined && matches.length > 0;
}

function hashOf(value: string | Uint8Array): Buffer {
  return createHash("sha256").update(value).digest();
}
