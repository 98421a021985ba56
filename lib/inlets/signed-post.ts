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
 * - `replayed`: its lines were taken before. The sender may take it as delivered.
 * - `at-work`: the same one is not done yet, and may still fail; the sender tries again later.
 * - `busy`: too many signatures to remember; the sender tries again later.
 */
export type PostProblem = "unsigned" | "stale" | "forged" | "replayed" | "at-work" | "busy";

export const STATUS_OF_PROBLEM: Readonly<Record<PostProblem, number>> = {
  unsigned: 401,
  stale: 401,
  forged: 401,
  replayed: 409,
  "at-work": 503,
  busy: 503,
};

export const REMEDY_OF_PROBLEM: Readonly<Record<PostProblem, string>> = {
  unsigned: `sign the body: send ${TIMESTAMP_HEADER} and ${SIGNATURE_HEADER}`,
  stale: `${TIMESTAMP_HEADER} is more than 5 minutes off: set the sender's clock`,
  forged: "the signature is not of this body and one of the keys",
  replayed: "the lines of this POST were taken before",
  "at-work": "the same POST is still at work: try again",
  busy: "too many POSTs in 5 minutes: send more lines in each",
};

/** Signatures of POSTs that are at work or taken, and would be accepted again. */
export interface Accepted {
  /** `added`: it is at work from now on. */
  add(signature: string, until: EpochMs, now: EpochMs): "added" | "at-work" | "taken" | "full";
  /** The lines of a POST are taken, so the same one is not accepted again. */
  take(signature: string): void;
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

/**
 * Accepts a POST, if one of the keys signed it within the window. It is at work until its lines are taken, which makes it
 * the last one of its kind, or it is removed.
 */
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
  if (outcome !== "added") return PROBLEM_OF[outcome];
  return { id, ...(missed === undefined ? {} : { missed }) };
}

const PROBLEM_OF = { taken: "replayed", "at-work": "at-work", full: "busy" } as const;

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

interface KnownPost {
  readonly until: EpochMs;
  /** False: it is at work. */
  readonly isTaken: boolean;
}

/** A process remembers at most so many signatures of one Vault. */
export function acceptedPosts(limit = 100_000, before: readonly TakenPost[] = []): Accepted {
  const known = new Map(before.map(({ id, until }): [string, KnownPost] => [id, { until, isTaken: true }]));
  const forgetOld = (now: EpochMs): void => {
    for (const [id, { until }] of known) if (until < now) known.delete(id);
  };
  return {
    add(signature, until, now) {
      if (known.size >= limit) forgetOld(now);
      const found = known.get(signature);
      if (found !== undefined) return found.isTaken ? "taken" : "at-work";
      if (known.size >= limit) return "full";
      known.set(signature, { until, isTaken: false });
      return "added";
    },
    take(signature) {
      const found = known.get(signature);
      if (found !== undefined) known.set(signature, { ...found, isTaken: true });
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
