import type { ReviewOutcome } from "../injector/review.ts";
import { isOneOf } from "../injector-keys.ts";
import { jsonExcess } from "../util/json-bounds.ts";
import type { ServedCluster, ServedClusters } from "./review.ts";

/** Twice what etcd stores of an object. */
export const MAX_REVIEW_BYTES = 3 * 1_024 * 1_024;

/** Deeper, and with more values, than any pod. Fields of objects are what takes most of the time of a review. */
const JSON_BOUNDS = { depth: 100, values: 40_000 };

/** The part of a request that counts once its path is known. */
export interface ReviewRequest {
  readonly method: string;
  readonly contentType: string | undefined;
  /** Undefined: longer than `MAX_REVIEW_BYTES`. `crowded`: no memory or no time is left for this cluster's requests. */
  readonly body: Uint8Array | "crowded" | undefined;
}

export interface ReviewAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** The end of one request, for log and metrics. */
export interface FinishedReview {
  readonly cluster: string;
  readonly result: ReviewOutcome["result"] | "crowded" | "crashed";
  readonly ms: number;
  /** Missing: it did not come to a review, or the review crashed. */
  readonly outcome?: ReviewOutcome;
  /** Why it did not come to a review. */
  readonly reason?: string;
  /** Of a bug. */
  readonly error?: unknown;
}

export interface WebhookOptions {
  /** The clusters at the time of a request. */
  readonly served: () => ServedClusters;
  readonly onFinished: (review: FinishedReview) => void;
  /** A path of the form of ours, without a valid key. */
  readonly onUnknownKey: () => void;
  /** Milliseconds of any clock that only goes forward. */
  readonly elapsed: () => number;
}

const PATH = /^\/c\/([a-z0-9-]{1,63})\/([^/]{1,64})\/mutate$/;

/** The cluster that a path names, whatever its key is. */
export function clusterIn(path: string): string {
  return PATH.exec(path)?.[1] ?? "";
}

export interface Webhook {
  /** What answers requests to this path; undefined: answer `NOT_FOUND`, whatever else the request has. */
  at(path: string): ((request: ReviewRequest) => ReviewAnswer) | undefined;
}

/** Tells neither whether there is such a cluster nor what its path looks like. */
export const NOT_FOUND: ReviewAnswer = plain(404, "not found\n");

/** What it answers a GET at a path with a key that it knows. */
export const METHOD_NOT_ALLOWED: ReviewAnswer = {
  ...plain(405, "POST an AdmissionReview\n"),
  headers: { allow: "POST" },
};

const FAILED: ReviewAnswer = plain(500, "keyferry failed: its log tells where\n");

/**
 * Answers AdmissionReviews at `/c/<cluster>/<key>/mutate`. It touches nothing but its arguments: no file, no network,
 * no lease table. So it works while everything else is down.
 */
export function webhook(options: WebhookOptions): Webhook {
  return {
    at(path) {
      const [, name = "", key = ""] = PATH.exec(path) ?? [];
      if (name === "") return undefined;
      const cluster = options.served().get(name);
      // Also a text that is no key, and one for a cluster that does not exist, is compared: no time tells which it was.
      if (isOneOf(key, cluster?.keys ?? []) && cluster !== undefined) {
        return (request) => answer(options, name, cluster, request);
      }
      options.onUnknownKey();
      return undefined;
    },
  };
}

function answer(
  { onFinished, elapsed }: WebhookOptions,
  cluster: string,
  { review }: ServedCluster,
  request: ReviewRequest,
): ReviewAnswer {
  // No API server: keyferry asks so whether its key is known.
  if (request.method === "GET") return METHOD_NOT_ALLOWED;
  const startedAt = elapsed();
  const finish = (finished: Pick<FinishedReview, "result" | "outcome" | "reason" | "error">): void =>
    onFinished({ cluster, ms: elapsed() - startedAt, ...finished });
  const read = inputOf(request);
  if ("refusal" in read) {
    finish({ result: request.body === "crowded" ? "crowded" : "bad", reason: read.refusal.body.trim() });
    return read.refusal;
  }
  const { input } = read;
  try {
    const outcome = review(input);
    const body = JSON.stringify(outcome.body);
    finish({ result: outcome.result, outcome });
    return { status: outcome.status, headers: { "content-type": "application/json" }, body };
  } catch (error) {
    // A patch is whole or not there at all: the API server does what failurePolicy says.
    finish({ result: "crashed", error });
    return FAILED;
  }
}

function inputOf({
  method,
  contentType,
  body,
}: ReviewRequest): { readonly input: unknown } | { readonly refusal: ReviewAnswer } {
  if (body === "crowded") return { refusal: plain(503, "the cluster has no memory or time left here: try again\n") };
  if (method !== "POST") return { refusal: METHOD_NOT_ALLOWED };
  if (!isJson(contentType)) return { refusal: plain(415, "the content type must be application/json, in UTF-8\n") };
  if (body === undefined) return { refusal: plain(413, "an AdmissionReview has at most 3 MiB\n") };
  const excess = jsonExcess(body, JSON_BOUNDS);
  if (excess !== undefined) return { refusal: plain(400, `the AdmissionReview ${excess}\n`) };
  try {
    return { input: JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(body)) as unknown };
  } catch {
    return { refusal: plain(400, "the body is not JSON in UTF-8\n") };
  }
}

function isJson(contentType = ""): boolean {
  const [type = "", ...parameters] = contentType.split(";").map((part) => part.trim().toLowerCase());
  return type === "application/json" && parameters.every((one) => one === "" || /^charset="?utf-8"?$/.test(one));
}

function plain(status: number, body: string): ReviewAnswer {
  return { status, headers: { "content-type": "text/plain; charset=UTF-8" }, body };
}
