import { HOUR_MS } from "../../clock.ts";
import { fingerprint } from "../../digest.ts";
import { SyncError } from "../../errors.ts";
import { MOST_ISSUES } from "../../issues/ask-anew.ts";
import type { Row } from "../../ports/rows.ts";
import type { IssuedData } from "../../ports/vault-issues.ts";
import type { ObtainInput } from "../kind.ts";
import { type IssuedState, TRANSFORM_FAILURES } from "./issued-state.ts";
import type { ResolvedIssued } from "./issuing-kind.ts";
import { requestOf } from "./request-of.ts";

/**
 * Throws the last failure again, without asking, where that many answers in a row failed and the last one is not an
 * hour old: each is a credential that Vault makes in vain, and the cause is nearly always the declaration. Its edit, or
 * another value of keyferry.dev/refresh, is another declaration.
 */
export function mustBeWorthAsking({ claim, resolved, clock }: ObtainInput<ResolvedIssued>, was: IssuedState): void {
  const { untransformed } = was;
  if (untransformed === undefined || untransformed.times < MOST_ISSUES) return;
  if (untransformed.of !== declaredId(claim.row, resolved) || clock() - untransformed.last >= HOUR_MS) return;
  const message =
    `${untransformed.message}; Vault has issued ${untransformed.times} times in vain: keyferry asks at most once an hour, ` +
    "until the declaration, a SecretTransformation of it, or its annotation keyferry.dev/refresh changes";
  throw new SyncError(untransformed.code, message);
}

/**
 * What the row knows after an answer that failed by this error. A GET that left no lease was a read: it issued nothing,
 * and a repair in Vault should be noticed soon.
 */
export function afterAnswer(
  { claim, resolved, clock }: ObtainInput<ResolvedIssued>,
  was: IssuedState,
  { lease }: Pick<IssuedData, "lease">,
  { code, message }: SyncError,
): IssuedState {
  const isRead = lease === undefined && resolved.request.method === "GET";
  if (isRead || !TRANSFORM_FAILURES.has(code)) return was;
  const of = declaredId(claim.row, resolved);
  const times = was.untransformed?.of === of ? was.untransformed.times : 0;
  return { ...was, untransformed: { of, times: times + 1, last: clock(), code, message } };
}

/** The hash covers annotations, which templates read; the request covers what other resources say. */
function declaredId({ declared }: Row, resolved: ResolvedIssued): string {
  return fingerprint(declared.hash, requestOf(resolved));
}
