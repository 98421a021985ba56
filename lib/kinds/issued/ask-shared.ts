import type { EpochMs } from "../../clock.ts";
import { SyncError } from "../../errors.ts";
import type { IssuedData, VaultLease, VaultRequest } from "../../ports/vault-issues.ts";
import type { Obtained, ObtainInput } from "../kind.ts";
import { type IssuedState, issuedState, ownIssued } from "./issued-state.ts";
import type { IssuingKind, Made, ResolvedIssued } from "./issuing-kind.ts";
import { leftLeaseless, rehearsal } from "./leaseless.ts";
import { presentState, replaceAt } from "./present.ts";
import { requestOf } from "./request-of.ts";
import { madeOf } from "./unrecorded.ts";
import { afterAnswer } from "./untransformed.ts";

/** By the shared token, because Vault keeps nothing of it that would have to be ended. */
export async function askShared<R extends ResolvedIssued>(
  kind: IssuingKind<R>,
  run: ObtainInput<R>,
  was: IssuedState,
): Promise<Obtained> {
  const { claim, resolved, deps, signal } = run;
  const { request, asks } = resolved;
  const isRead = kind.isReadEachTime?.(run, was) ?? false;
  if (!isRead) await run.holding.admit(rehearsal(run, was), signal);
  const askedAt = deps.clock();
  const data = await deps.issues.ask(await run.reached(asks.identity), request, claim.row.key, isRead, signal);
  if (data.lease !== undefined) throw await nowLeased(run, was, data.lease);
  const made = await withHeld(kind, run, was, await madeOrCounted(kind, run, data, { askedAt, was }));
  const own: IssuedState = {
    ...presentState(run, was, made, askedAt),
    ...replaceAt(made.replaceAt),
    isLeaseless: true,
  };
  return leftLeaseless(kind, run, own, made, claim.row.state.issues ?? []);
}

/** What the kind makes of the answer. A failure is kept for the row, which knows of no request here. */
async function madeOrCounted<R extends ResolvedIssued>(
  kind: IssuingKind<R>,
  run: ObtainInput<R>,
  answer: IssuedData,
  about: { readonly askedAt: EpochMs; readonly was: IssuedState },
): Promise<Made> {
  try {
    return await madeOf(kind, run, answer, about);
  } catch (error) {
    const { claim } = run;
    const before = issuedState(claim.row.state);
    const after = error instanceof SyncError ? afterAnswer(run, before, answer, error) : before;
    if (after !== before) claim.note({ own: ownIssued(after) });
    throw error;
  }
}

/** The Secret's own data, if what was read is the same. */
async function withHeld<R extends ResolvedIssued>(
  kind: IssuingKind<R>,
  { claim, resolved, holding, signal }: ObtainInput<R>,
  was: IssuedState,
  made: Made,
): Promise<Made> {
  const { digest } = claim.row.state;
  if (digest === undefined || was.request !== requestOf(resolved) || !kind.isSame?.(was, made)) return made;
  const held = await holding.holds(was.keys, digest, signal);
  return held === undefined ? made : { ...made, data: held, missing: was.missing ?? [], isHeld: true };
}

/** The role changed: the next run asks with a login of its own, so that the lease can be ended. This one is revoked. */
async function nowLeased(
  run: ObtainInput<ResolvedIssued>,
  { isLeaseless: _former, ...was }: IssuedState,
  { id }: VaultLease,
): Promise<SyncError> {
  const { claim, deps, resolved, signal } = run;
  claim.note({ own: ownIssued(was) });
  const identity = await run.reached(resolved.asks.identity);
  const { namespace } = resolved.request;
  const revocation: VaultRequest = {
    ...{ method: "POST", mount: "sys/leases", path: "revoke", body: { lease_id: id } },
    ...(namespace === undefined ? {} : { namespace }),
  };
  try {
    await deps.issues.ask(identity, revocation, claim.row.key, true, signal);
  } catch (error) {
    if (!(error instanceof SyncError)) throw error;
    deps.log.warn("issue-not-ended", { key: claim.row.key, code: error.code, message: error.message });
  }
  return new SyncError(
    "VAULT_ANSWER_INVALID",
    "Vault's answer has a lease now, which former answers had not: keyferry asks again with a login of its own",
  );
}
