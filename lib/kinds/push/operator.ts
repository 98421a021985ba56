import { PUSH_VERSIONS } from "../../declarations/push/annotations.ts";
import { type OperatorSeen, operatorIn, withOperator, writtenVersions } from "../../declarations/push/operator.ts";
import { SyncError } from "../../errors.ts";
import { partsOf } from "../../keys.ts";
import { isApplied, isToVerify, type Row } from "../../ports/rows.ts";
import { annotatedKind, type KindRef } from "../../resource-kinds.ts";
import type { ObtainInput } from "../kind.ts";
import type { ResolvedPush } from "./resolve.ts";

/**
 * Looks whether Vault Sync Operator still works on the object: it writes `secret-versions` with each of its pushes. The
 * value at the take-over counts for nothing; another one after a push of ours does. Throws PUSHED_BY_OPERATOR from then
 * on, until the declaration changes: without the annotation it is another one.
 */
export async function operatorOf(run: ObtainInput<ResolvedPush>): Promise<OperatorSeen | undefined> {
  const { row, claim } = run;
  const kind = annotatedKind(partsOf(row.key).kind);
  // The operator knows no VaultPushSecret.
  if (kind === undefined) return undefined;
  const was = operatorIn(row.state.own);
  mustBeAlone(row, was);
  if (row.declared.annotations[PUSH_VERSIONS] === undefined) return was && { versions: "" };
  if (was !== undefined && !isToVerify(row) && isApplied(row)) return was;
  const versions = await versionsNow(run, kind);
  const isSecondWrite = was !== undefined && was.atWork === undefined && was.versions !== versions && versions !== "";
  if (!isSecondWrite) return { versions };
  await claim.takeToWrite();
  claim.note({ own: withOperator(row.state.own, { ...was, atWork: row.declared.hash }) });
  throw pushedByOperator(row);
}

async function versionsNow({ row, deps, signal }: ObtainInput<ResolvedPush>, kind: KindRef): Promise<string> {
  const object = await deps.resources.get({ ...partsOf(row.key), kind }, signal);
  return object === undefined ? "" : writtenVersions(object.annotations);
}

/** Throws PUSHED_BY_OPERATOR while the row is known to have a rival. */
export function mustBeAlone(row: Row, operator = operatorIn(row.state.own)): void {
  if (operator?.atWork !== undefined && operator.atWork === row.declared.hash) throw pushedByOperator(row);
}

function pushedByOperator({ key }: Row): SyncError {
  const { kind, namespace, name } = partsOf(key);
  const message =
    `Vault Sync Operator pushes ${kind} ${namespace}/${name} too: it wrote ${PUSH_VERSIONS} after keyferry's push. Stop ` +
    "it, then remove that annotation";
  return new SyncError("PUSHED_BY_OPERATOR", message);
}
