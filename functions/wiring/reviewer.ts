import type { Reviewer } from "../../lib/admission/review.ts";
import { review } from "../../lib/injector/review.ts";
import type { InjectorSettings } from "../../lib/injector-settings.ts";

/** The reviewer of a cluster. Its packaged settings are those that keyferry itself wrote. */
export function reviewerOf(settings: unknown): Reviewer {
  return (input) => review(input, settings as InjectorSettings);
}
