import type { Dispatcher } from "undici";
import { BodyTooLarge } from "./bounded-body.ts";

/** A complete HTTP answer. */
export interface WholeAnswer {
  readonly statusCode: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly bytes: Buffer;
}

/**
 * Sends a request and collects its answer. A body over `limit` bytes throws BodyTooLarge. An abort throws the signal's
 * reason at once, even while the request waits for a connection. Collects the parts in a list, because a stream for
 * each answer would be a tenth of a request's cost.
 */
export function wholeAnswer(
  dispatcher: Dispatcher,
  request: Dispatcher.DispatchOptions,
  limit: number,
  signal: AbortSignal,
): Promise<WholeAnswer> {
  return new Promise((resolve, reject) => {
    let running: Dispatcher.DispatchController | undefined;
    let gaveUp: { readonly reason: Error } | undefined;
    let status = 0;
    let headers: WholeAnswer["headers"] = {};
    let parts: Buffer[] = [];
    let length = 0;
    const giveUp = (reason: Error): void => {
      gaveUp ??= { reason };
      parts = [];
      signal.removeEventListener("abort", onAbort);
      reject(reason);
      running?.abort(reason);
    };
    const onAbort = (): void => giveUp(signal.reason);
    if (signal.aborted) return reject(signal.reason);
    signal.addEventListener("abort", onAbort, { once: true });
    dispatcher.dispatch(request, {
      onRequestStart(controller) {
        running = controller;
        if (gaveUp) controller.abort(gaveUp.reason);
      },
      onResponseStart(_controller, statusCode, found) {
        // Skips informational answers (100, 103).
        if (statusCode < 200) return;
        status = statusCode;
        headers = found;
      },
      onResponseData(_controller, part) {
        if (gaveUp) return;
        length += part.byteLength;
        if (length > limit) giveUp(new BodyTooLarge(limit));
        else parts.push(part);
      },
      onResponseEnd() {
        signal.removeEventListener("abort", onAbort);
        const [first] = parts;
        resolve({
          statusCode: status,
          headers,
          bytes: parts.length === 1 && first ? first : Buffer.concat(parts, length),
        });
      },
      onResponseError(_controller, error) {
        signal.removeEventListener("abort", onAbort);
        reject(error);
      },
    });
  });
}
