import type { Reviewer } from "../../lib/webhook/review.ts";

/** The reviewer of a cluster with these packaged settings. */
export function reviewerOf(_settings: unknown): Reviewer {
  return () => {
    throw new Error("lib/injector is not there yet");
  };
}
