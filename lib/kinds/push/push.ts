import { SECOND_MS } from "../../clock.ts";
import { type OperatorSeen, operatorIn, withOperator } from "../../declarations/push/operator.ts";
import { isSamePath } from "../../destinations/vault/act.ts";
import { contentOf, splitBodies, storedFields } from "../../destinations/vault/bodies.ts";
import { writableAt } from "../../destinations/vault/frequency.ts";
import { vaultPaths } from "../../destinations/vault/vault-paths.ts";
import { digestOf, sameDigest } from "../../digest.ts";
import type { Warning } from "../../origins/warnings.ts";
import { isApplied, isToVerify } from "../../ports/rows.ts";
import { type KindRef, PUSHING_KINDS } from "../../resource-kinds.ts";
import type { SecretData } from "../../secret-value.ts";
import type { JsonObject } from "../../util/json.ts";
import type { ForeseeInput, Obtained, ObtainInput, SyncKind, Wake } from "../kind.ts";
import { locate, mountId } from "./locate.ts";
import { mustBeAlone, operatorOf } from "./operator.ts";
import { type ResolvedPush, resolvePush } from "./resolve.ts";
import { type Taken, takenFrom } from "./sources.ts";

/** Once more, because a Secret may have changed before the index knew that this row refers to it. */
const AGAIN_MS = 5 * SECOND_MS;

/** What pushes Secrets of its namespace to Vault: one kind of sync for each kind of object, annotated or our own. */
export const PUSHES: readonly SyncKind<ResolvedPush>[] = Object.values(PUSHING_KINDS).map(pushOf);

function pushOf(ref: KindRef): SyncKind<ResolvedPush> {
  return { ref, destination: vaultPaths, resolve: resolvePush, locate, foresee, obtain };
}

async function foresee(run: ForeseeInput<ResolvedPush>): Promise<Obtained> {
  mustBeAlone(run.row);
  return obtained(run, operatorIn(run.row.state.own));
}

async function obtain(run: ObtainInput<ResolvedPush>): Promise<Obtained> {
  return obtained(run, await operatorOf(run));
}

async function obtained(run: ForeseeInput<ResolvedPush>, operator: OperatorSeen | undefined): Promise<Obtained> {
  const { row, resolved, clock } = run;
  const { data, versions } = await takenFrom(run);
  const own = ownOf(resolved, versions, operator);
  const at = isSettled(run, data) ? undefined : writableAt(row.state.pushed ?? [], clock());
  if (at !== undefined)
    return { kind: "later", because: "its paths were written less than 30 s ago", at, own: own ?? {} };
  return {
    kind: "data",
    data,
    next: nextOf(run),
    ...(own === undefined ? {} : { own }),
    warnings: warningsOf(resolved),
  };
}

/** For the next run: the mount, so that Vault is asked for it once, and the versions that were taken. */
function ownOf(
  resolved: ResolvedPush,
  sources: Taken["versions"],
  operator: OperatorSeen | undefined,
): JsonObject | undefined {
  const { mount } = resolved;
  if (mount === undefined) return undefined;
  const own = { of: mountId(resolved), mount: { ...mount }, sources };
  return operator === undefined ? own : withOperator(own, operator);
}

/** Whether this run neither writes nor reads Vault. */
function isSettled({ row, resolved, digestKey }: ForeseeInput<ResolvedPush>, data: SecretData): boolean {
  const { located = [], declaration } = resolved;
  if (isToVerify(row) || declaration.reconcileMs !== undefined || !isApplied(row)) return false;
  const bodies = splitBodies(data);
  const known = row.state.pushed ?? [];
  return located.every(({ name, at, pushed }) => {
    const body = bodies.get(name);
    const recorded = known.find((path) => isSamePath(path, pushed));
    const digest = recorded?.removing ? undefined : recorded?.digest;
    if (body === undefined || digest === undefined) return body === undefined && digest === undefined;
    const { fields } = contentOf(body, at.path, { ...recorded, engine: at.engine });
    return sameDigest(digest, digestOf(digestKey, storedFields(fields)));
  });
}

function nextOf({ row, resolved, clock }: ForeseeInput<ResolvedPush>): Wake {
  const { refreshAfterMs } = resolved;
  if (refreshAfterMs !== undefined) return { everyMs: refreshAfterMs };
  return isApplied(row) ? "event" : { at: clock() + AGAIN_MS };
}

const TYPES = {
  reconcile: "ReconcileInterval",
  "rotation-check": "RotationCheck",
  secrets: "SecretsMembers",
} as const;

function warningsOf({ declaration }: ResolvedPush): readonly Warning[] {
  return declaration.warnings.map(({ field, message }) => ({
    type: TYPES[field],
    status: "False",
    reason: field === "reconcile" ? "TooShort" : "NoEffect",
    message,
  }));
}
