import { SyncError } from "../errors.ts";
import { BodyTooLarge, sizeText } from "../util/bounded-body.ts";
import { LineTooLong } from "./json-lines.ts";
import { type KubeCall, objectOf } from "./kube-call.ts";
import { connectionFailure } from "./kube-errors.ts";

/** `what` says which limit was exceeded, so that the user knows where to fix it. */
export function tooLarge(call: KubeCall, what: string): SyncError {
  return new SyncError("KUBE_ANSWER_TOO_LARGE", `${objectOf(call)}: ${what}, keyferry's limit`);
}

/** A wait that the caller's signal or our own time-out ends, and which of them did. */
export interface Wait {
  readonly signal: AbortSignal;
  /** Restarts the time-out, this far from now. */
  extend(ms: number): void;
  end(): void;
  /** The error for a failed connection; any other error, a bug, is returned unchanged. */
  failureOf(call: KubeCall, error: unknown): unknown;
}

/** The time ended before the cluster was asked: this proves nothing about the cluster. */
class NoAccessInTime extends Error {}

/** The error of a failed login: whether it is the cluster's, or the time ended. */
export function noAccess(error: unknown, { signal }: Wait): unknown {
  return signal.aborted ? new NoAccessInTime() : error;
}

class TimedOut extends Error {
  readonly code = "ETIMEDOUT";
}

export function waiting(caller: AbortSignal, timeoutMs: number): Wait {
  const controller = new AbortController();
  const abort = (): void => controller.abort();
  let timer = setTimeout(abort, timeoutMs);
  if (caller.aborted) abort();
  caller.addEventListener("abort", abort, { once: true });
  return {
    signal: controller.signal,
    extend(ms) {
      clearTimeout(timer);
      timer = setTimeout(abort, ms);
    },
    end() {
      clearTimeout(timer);
      caller.removeEventListener("abort", abort);
    },
    failureOf(call, error) {
      if (caller.aborted)
        return new SyncError("DEADLINE_EXCEEDED", `keyferry ran out of time to ${call.verb} ${objectOf(call)}`);
      if (error instanceof NoAccessInTime) {
        return new SyncError("DEADLINE_EXCEEDED", `cluster ${call.cluster}: its credentials did not come in time`);
      }
      if (error instanceof LineTooLong) {
        return tooLarge(call, `a line is longer than ${sizeText(error.limit)}`);
      }
      if (error instanceof BodyTooLarge) return tooLarge(call, `an answer is longer than ${sizeText(error.limit)}`);
      return connectionFailure(call.cluster, controller.signal.aborted ? new TimedOut("no answer in time") : error);
    },
  };
}
