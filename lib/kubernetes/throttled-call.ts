import type { Throttled } from "../throttle.ts";
import type { KubeCall } from "./kube-call.ts";
import { refusalOf } from "./kube-errors.ts";
import { isThrottled, type KubeAnswer } from "./kube-failure.ts";

/** A call for the throttle of its cluster. Each of our requests may be repeated. */
export function throttledCall<T>(call: KubeCall, send: () => Promise<KubeAnswer<T>>): Throttled<KubeAnswer<T>> {
  return {
    send,
    repeatable: true,
    pauseOf: (answer) =>
      "failure" in answer && isThrottled(answer.failure) ? (answer.failure.retryAfterMs ?? 0) : undefined,
    paused: (answer, retryAfterMs) => ("failure" in answer ? { failure: { ...answer.failure, retryAfterMs } } : answer),
    // The same message as for the server's own refusal: a status is not written again for it.
    refused: (retryAfterMs) => refusalOf(call, { http: 429, retryAfterMs }),
  };
}
