import { digestOf } from "../../digest.ts";
import { SyncError } from "../../errors.ts";
import { type IssuedCertificate, issueByLogin } from "../../issues/shared-issue.ts";
import type { Issue } from "../../ports/issues.ts";
import type { Row } from "../../ports/rows.ts";
import type { Json } from "../../util/json.ts";
import type { Obtained, ObtainInput } from "../kind.ts";
import { type IssuedState, issuedState, ownIssued } from "./issued-state.ts";
import type { IssuingKind, Made, ResolvedIssued } from "./issuing-kind.ts";
import { fresh, succeeded } from "./present.ts";
import { requestOf } from "./request-of.ts";
import { revokeUnrecorded } from "./unrecorded.ts";

/** After a failed write the next one is tried without effect first, so that no credential is issued in vain. */
export function rehearsal(
  { row, resolved }: ObtainInput<ResolvedIssued>,
  was: IssuedState,
): readonly string[] | undefined {
  const { error, issues = [] } = row.state;
  // Which keys another request's answer has, and whether the Secret's type requires them, nobody knows yet.
  if ((was.tried ?? was.request) !== requestOf(resolved)) return undefined;
  const wasRefused = error !== undefined && !error.code.startsWith("VAULT_");
  return wasRefused || issues.some(({ state }) => state === "got") ? was.keys : undefined;
}

/** Without a lease only a certificate may have to be ended: it is recorded before it is written. */
export async function leftLeaseless<R extends ResolvedIssued>(
  kind: IssuingKind<R>,
  run: ObtainInput<R>,
  own: IssuedState,
  made: Made,
  issues: readonly Issue[],
): Promise<Obtained> {
  const { claim, deps, resolved } = run;
  const { declared } = claim.row;
  const { certificate } = made;
  if (certificate === undefined) {
    claim.note({ ...(claim.row.state.issues !== undefined && { issues }), own: unwritten(claim.row, own) });
    // A predecessor may have had a lease.
    const left = succeeded(issues, undefined, declared.annotations, resolved, deps.clock());
    return fresh(kind, run, own, made, left);
  }
  const got = await recorded(run, own, made, certificate, issues);
  const live: Issue = { ...got, state: "live" };
  return fresh(kind, run, own, made, succeeded([...issues, live], live, declared.annotations, resolved, deps.clock()));
}

/** The certificate's issue. One that could not be recorded is revoked: nobody else would. */
async function recorded(
  run: ObtainInput<ResolvedIssued>,
  own: IssuedState,
  { data }: Pick<Made, "data">,
  certificate: IssuedCertificate,
  issues: readonly Issue[],
): Promise<Issue> {
  const { claim, deps, resolved, digestKey } = run;
  const { serial, mount, seconds } = certificate;
  const former = issuedState(claim.row.state);
  let got: Issue | undefined;
  try {
    const identity = await run.reached(resolved.asks.identity);
    const about = { claim, identity, request: resolved.request };
    got = {
      ...(await issueByLogin(deps, about, serial, deps.clock())),
      ...{ state: "got", tokenSeconds: seconds },
      certificate: { serial, mount },
      digest: digestOf(digestKey, data),
    };
    await claim.record({ issues: [...issues, got], own: ownIssued(own) });
    return got;
  } catch (error) {
    if (error instanceof SyncError) {
      // The answer is in use nowhere, but it was asked for.
      claim.note({ issues, own: ownIssued({ ...former, asks: own.asks }) });
      await revokeUnrecorded(run, certificate, got);
    }
    throw error;
  }
}

/** What is known of an answer when its write fails: it must not count as the present one. */
function unwritten({ state }: Pick<Row, "state">, { asks, keys, request }: IssuedState): Json {
  return ownIssued({ ...issuedState(state), asks, keys, ...(request === undefined ? {} : { tried: request }) });
}
