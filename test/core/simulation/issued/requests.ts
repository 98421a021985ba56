import type { Question } from "../../world/vault/answers.ts";
import { failed } from "../../world/vault/answers.ts";
import type { Fault } from "../../world/vault/serve.ts";
import type { AnswerFault, RequestKind } from "./plan.ts";

/** What a request of keyferry is about; undefined: a read, or a question about rights. */
export function requestKind({ method, path }: Question): RequestKind | undefined {
  if (/^auth\/.+\/login$/.test(path)) return "login";
  if (/^(database|kubernetes)\/creds\//.test(path)) return "issue";
  if (method === "POST" && /^pki\/(issue|issuer\/[^/]+\/issue)\//.test(path)) return "issue";
  if (path === "auth/token/renew-self" || path === "sys/leases/renew") return "renew";
  if (path === "auth/token/revoke-self" || /^sys\/leases\/revoke(\/|$)/.test(path) || path === "pki/revoke")
    return "revoke";
  return undefined;
}

const SLOW_MS = 2_500;
const TOO_SLOW_MS = 10_000;

/** What happens to requests on their way. Those that a proxy refuses before Vault sees them have no effect. */
export function faultOf(fault: AnswerFault): Fault {
  switch (fault) {
    case "swallowed":
    case "cut":
      return { answer: fault };
    // The connection ends, and Vault goes on.
    case "gone":
      return { workMs: SLOW_MS, answer: "cut", isEarly: true };
    case "slow":
      return { workMs: SLOW_MS, answer: "swallowed" };
    case "too-slow":
      return { workMs: TOO_SLOW_MS };
    // A proxy does not wait for Vault.
    case 503:
      return { workMs: SLOW_MS, answer: failed(503, "upstream time-out"), isEarly: true };
    case 500:
      return { instead: failed(500, "1 error occurred:\n\t* an internal error\n\n") };
    case 400:
      return { instead: failed(400, "1 error occurred:\n\t* a bad request\n\n") };
    case 403:
      return { instead: failed(403, "1 error occurred:\n\t* permission denied\n\n") };
    case 429:
      return { instead: { ...failed(429, "request path rate limit quota exceeded"), retryAfterMs: 1_000 } };
    default:
      return fault satisfies never;
  }
}
