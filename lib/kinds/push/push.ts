import { SECOND_MS } from "../../clock.ts";
import { fieldsOf, splitBodies, storedFields } from "../../destinations/vault/bodies.ts";
import { writableAt } from "../../destinations/vault/frequency.ts";
import type { LocatedObject } from "../../destinations/vault/state.ts";
import { vaultPaths } from "../../destinations/vault/vault-paths.ts";
import { digestOf, sameDigest } from "../../digest.ts";
import type { Warning } from "../../origins/warnings.ts";
import { isApplied, type Pushed } from "../../ports/rows.ts";
import { type KindRef, PUSHING_KINDS } from "../../resource-kinds.ts";
import type { SecretData } from "../../secret-value.ts";
import type { Json } from "../../util/json.ts";
import type { ForeseeInput, Obtained, SyncKind, Wake } from "../kind.ts";
import { locate, mountId } from "./locate.ts";
import { type ResolvedPush, resolvePush } from "./resolve.ts";
import { type Taken, takenFrom } from "./sources.ts";

/** Once more, because a Secret may have changed before the index knew that this row refers to it. */
const AGAIN_MS = 5 * SECOND_MS;

/** What pushes Secrets of its namespace to Vault: one kind of sync for each kind of object, annotated or our own. */
export const PUSHES: readonly SyncKind<ResolvedPush>[] = Object.values(PUSHING_KINDS).map(pushOf);

function pushOf(ref: KindRef): SyncKind<ResolvedPush> {
  return { ref, destination: vaultPaths, resolve: resolvePush, locate, foresee: obtain, obtain };
}

async function obtain(run: ForeseeInput<ResolvedPush>): Promise<Obtained> {
  const { row, resolved, clock } = run;
  const { data, versions } = await takenFrom(run);
  const own = ownOf(resolved, versions);
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
function ownOf(resolved: ResolvedPush, sources: Taken["versions"]): Json | undefined {
  const { mount } = resolved;
  return mount && { of: mountId(resolved), mount: { ...mount }, sources };
}

/** Whether this run neither writes nor reads Vault. */
function isSettled({ row, resolved, digestKey }: ForeseeInput<ResolvedPush>, data: SecretData): boolean {
  const { located = [], declaration } = resolved;
  if (row.verify || declaration.reconcileMs !== undefined || !isApplied(row)) return false;
  const bodies = splitBodies(data);
  const known = row.state.pushed ?? [];
  return located.every(({ name, at, pushed }) => {
    const body = bodies.get(name);
    const digest = digestAt(known, { name, at, pushed });
    if (body === undefined || digest === undefined) return body === undefined && digest === undefined;
    return sameDigest(digest, digestOf(digestKey, storedFields(fieldsOf(body, at.path))));
  });
}

function digestAt(known: readonly Pushed[], { pushed }: LocatedObject): Pushed["digest"] {
  return known.find(
    ({ mount, path, vault }) => mount === pushed.mount && path === pushed.path && vault === pushed.vault,
  )?.digest;
}

function nextOf({ row, resolved, clock }: ForeseeInput<ResolvedPush>): Wake {
  const { refreshAfterMs } = resolved;
  if (refreshAfterMs !== undefined) return { everyMs: refreshAfterMs };
  return isApplied(row) ? "event" : { at: clock() + AGAIN_MS };
}

const TYPES = { reconcile: "ReconcileInterval", "rotation-check": "RotationCheck" } as const;

function warningsOf({ declaration }: ResolvedPush): readonly Warning[] {
  return declaration.warnings.map(({ field, message }) => ({
    type: TYPES[field],
    status: "False",
    reason: field === "reconcile" ? "TooShort" : "NoEffect",
    message,
  }));
}
