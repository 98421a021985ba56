import type { EpochMs } from "../../clock.ts";
import { SyncError } from "../../errors.ts";
import { revocationOf } from "../../issues/end-issues.ts";
import { endedLater, endingAt } from "../../issues/issue-times.ts";
import type { IssuedCertificate } from "../../issues/shared-issue.ts";
import { CALL_TIMEOUT_MS } from "../../ports/deps.ts";
import type { Issue } from "../../ports/issues.ts";
import type { IssuedData } from "../../ports/vault-issues.ts";
import type { ObtainInput } from "../kind.ts";
import type { IssuedState } from "./issued-state.ts";
import type { IssuingKind, Made, ResolvedIssued } from "./issuing-kind.ts";
import { certificateIssue } from "./revocable.ts";

/** What the kind makes of an answer. A certificate that is of no use is revoked at once, as a lease is. */
export async function madeOf<R extends ResolvedIssued>(
  kind: Pick<IssuingKind<R>, "make" | "answered">,
  run: ObtainInput<R>,
  answer: IssuedData,
  about: { readonly askedAt: EpochMs; readonly was: IssuedState },
): Promise<Made> {
  try {
    return await kind.make(run, answer, about.askedAt, about.was);
  } catch (error) {
    const certificate = error instanceof SyncError ? kind.answered?.(run, answer) : undefined;
    if (certificate !== undefined) await revokeUnrecorded(run, certificate);
    throw error;
  }
}

/**
 * No row knows of this certificate, and nothing was written of it: after this, nobody would revoke it. Also when the
 * run is out of time, or another worker has its row. `issue`: of it, if it has one.
 */
export async function revokeUnrecorded(
  run: ObtainInput<ResolvedIssued>,
  certificate: IssuedCertificate,
  issue?: Issue,
): Promise<void> {
  const { claim, deps, resolved, reached } = run;
  const { key } = claim.row;
  const { asks, request } = resolved;
  try {
    const identity = await reached(asks.identity);
    const revocation = revocationOf(certificate, request.namespace);
    await deps.withDeadline(CALL_TIMEOUT_MS, (signal) => deps.issues.ask(identity, revocation, key, true, signal));
  } catch (error) {
    if (!(error instanceof SyncError)) throw error;
    const { code, message } = error;
    deps.log.warn("certificate-not-revoked", { key, serial: certificate.serial, code, message });
    await keepToRevoke(run, certificate, issue);
  }
}

/** The settle stores it, if the row is still ours: it is tried again like any that is to be ended. */
async function keepToRevoke(
  run: ObtainInput<ResolvedIssued>,
  certificate: IssuedCertificate,
  known: Issue | undefined,
): Promise<void> {
  const { claim, deps } = run;
  try {
    const issue = known ?? (await certificateIssue(run, certificate));
    const now = deps.clock();
    claim.note({ issues: [...(claim.row.state.issues ?? []), endedLater(endingAt(issue, now, now), now)] });
  } catch (error) {
    if (!(error instanceof SyncError)) throw error;
  }
}
