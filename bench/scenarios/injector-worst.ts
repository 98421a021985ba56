import { randomBytes } from "node:crypto";
import { reviewerOf } from "../../cli/injector/settings.ts";
import { webhook } from "../../lib/admission/webhook.ts";
import { keyHash, keyHashBytes, keyOf } from "../../lib/injector-keys.ts";
import { injectorSettings } from "../../lib/injector-settings.ts";
import { worstReviews } from "../../test/unit/injector/worst.ts";
import { type Figure, figure, percentile } from "../figures.ts";

const TIMES = 9;
/** Of CPU, in ms: garbage collection and compilation included. */
const MOST = 50;

/** The most expensive reviews that the webhook lets in, from the body to the answer. */
export function worstReviewCost(): readonly Figure[] {
  const key = keyOf(randomBytes(32));
  const review = reviewerOf(injectorSettings({ vaultAddress: "https://vault.example.com" }));
  const { at } = webhook({
    served: () => new Map([["one", { keys: [keyHashBytes(keyHash(key))], review }]]),
    onFinished: () => undefined,
    onUnknownKey: () => undefined,
    elapsed: () => 0,
  });
  const answer = at(`/c/one/${key}/mutate`);
  const costs = worstReviews().map(({ title, body }) => {
    const samples = Array.from({ length: TIMES }, () => {
      const before = process.cpuUsage();
      answer?.({ method: "POST", contentType: "application/json", body });
      const { user, system } = process.cpuUsage(before);
      return (user + system) / 1_000;
    });
    return { title, first: samples[0] ?? 0, median: percentile(samples, 0.5) };
  });
  const worst = costs.toSorted((a, b) => b.median - a.median);
  return worst.slice(0, 3).map(({ title, median, first }, place) => ({
    ...figure(
      "injector, worst reviews",
      `CPU, place ${place + 1} of ${costs.length}: ${title} (first time ${first.toFixed(0)} ms)`,
      median,
      "ms",
      `<= ${MOST}`,
    ),
    isMissed: median > MOST,
  }));
}
