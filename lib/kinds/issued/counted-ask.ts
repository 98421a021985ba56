import { type EpochMs, HOUR_MS, MINUTE_MS } from "../../clock.ts";
import { OUTAGE_CODES, SyncError } from "../../errors.ts";
import { countedIssue, issuesTooFrequent, MOST_ISSUES } from "../../issues/ask-anew.ts";
import type { Row } from "../../ports/rows.ts";
import type { ObtainInput } from "../kind.ts";
import type { IssuedState } from "./issued-state.ts";
import type { ResolvedIssued } from "./issuing-kind.ts";

/** What the row knows of a request, by what became of it. */
export interface CountedAsk {
  /** From before the request for as long as nobody knows whether Vault issued anything. */
  readonly asking: IssuedState;
  /** Vault certainly issued nothing. */
  readonly refused: IssuedState;
  readonly answered: IssuedState;
}

/**
 * Counts a request. Throws ISSUES_TOO_FREQUENT after too many answers, and the last failure again when it is too soon
 * after requests without an answer. `isPlanned`: it replaces what has served, so that its answer is no part of a loop.
 */
export function countedAsk(
  { deps, claim }: Pick<ObtainInput<ResolvedIssued>, "deps" | "claim">,
  was: IssuedState,
  isPlanned: boolean,
): CountedAsk {
  const now = deps.clock();
  const former = isPlanned ? was.asks : formerAsks(claim.row, was);
  const asks = isPlanned ? was.asks : countedIssue(former, now);
  const { unanswered: before = [], ...known } = was;
  const unanswered = before.filter((at) => at > now - HOUR_MS && at <= now);
  mustNotHurry(claim.row, unanswered, now);
  return {
    asking: { ...was, asks: former, unanswered: [...unanswered, now].slice(-MOST_ISSUES) },
    refused: { ...was, asks: former },
    answered: { ...known, asks },
  };
}

/** A read issues nothing. */
export function uncounted(was: IssuedState): CountedAsk {
  return { asking: was, refused: was, answered: was };
}

function formerAsks({ declared, state }: Row, { asks }: IssuedState): readonly EpochMs[] {
  if (state.error?.code !== "ISSUES_TOO_FREQUENT") return asks;
  // Only a person ends it: what else asks for a run, such as drift that goes on, is part of the loop.
  if (state.seen?.hash === declared.hash) throw issuesTooFrequent();
  return [];
}

/** Between requests, once that many in a row were not answered, or too late for what was to be made of it. */
const UNANSWERED_PAUSE_MS = MINUTE_MS;

/**
 * Each request without an answer may have left a credential in Vault. Back-off alone does not space them, because events
 * ask for runs as well, and another failure in between begins it anew. The message is that of the last failure, so that
 * a status is not written again for a pause.
 */
function mustNotHurry({ state: { error } }: Row, unanswered: readonly EpochMs[], now: EpochMs): void {
  const [last = 0] = unanswered.slice(-1);
  const retryAfterMs = last + UNANSWERED_PAUSE_MS - now;
  if (unanswered.length < MOST_ISSUES || retryAfterMs <= 0) return;
  const isToldAgain = error?.code.startsWith("VAULT_") || error?.code === "DEADLINE_EXCEEDED";
  if (error !== undefined && isToldAgain && !OUTAGE_CODES.has(error.code))
    throw new SyncError(error.code, error.message, { retryAfterMs });
  const message =
    `Vault did not tell whether it issued a credential, ${MOST_ISSUES} times in a row: keyferry asks at most once a ` +
    "minute until it is answered";
  throw new SyncError("VAULT_NO_ANSWER", message, { retryAfterMs });
}
