import { SyncError } from "../errors.ts";
import type { Claim } from "../ports/claim.ts";
import type { ReconcileDeps } from "../ports/deps.ts";
import type { ResourceRef } from "../ports/objects.ts";
import type { Row, RowState, StatusSeen } from "../ports/rows.ts";
import { asObject, sameJson } from "../util/canonical.ts";
import type { Json, JsonObject } from "../util/json.ts";
import type { Announced } from "./origin.ts";
import { nextReferenceStatus, referenceEvents, type Verdict } from "./reference-status.ts";
import { conditionList, eventOf, newsOf, nextStatus, type RunOutcome, warningEvent } from "./status.ts";
import { newWarnings, type Warning } from "./warnings.ts";

const MAX_TRIES = 3;

export type AnnounceApis = Pick<ReconcileDeps, "resources" | "clock">;

/** Writes the result of a run to the resource: status and event, each only after a change. */
export async function announce(
  apis: AnnounceApis,
  ref: ResourceRef,
  outcome: RunOutcome,
  claim: Claim,
  signal: AbortSignal,
): Promise<Announced> {
  const { row } = claim;
  const { kind } = ref;
  const before = statusBefore(row);
  const about = { kind, generation: row.declared.generation, outcome };
  const next = (from: JsonObject) => nextStatus(from, { ...about, now: apis.clock() });
  const written = await writeStatus(apis, ref, next, claim, signal);
  if (written.isGone) return written;
  const isNews = outcome.kind === "synced" || isOther(before.status, written.seen.status);
  const event = isNews ? eventOf(kind, outcome) : undefined;
  const warnings = warningsIn(outcome);
  const events = newWarnings(conditionList(before.status), warnings).map(warningEvent);
  for (const one of event ? [event, ...events] : events) {
    await apis.resources.emit(ref, row.declared.uid, one, apis.clock(), signal);
  }
  return written;
}

function warningsIn(outcome: RunOutcome): readonly Warning[] {
  if (outcome.kind === "warned") return outcome.warning === undefined ? [] : [outcome.warning];
  return outcome.kind === "synced" ? (outcome.warnings ?? []) : [];
}

/** Writes the verdict about a reference to the resource: status and event, each only after a change. */
export async function announceReference(
  apis: AnnounceApis,
  ref: ResourceRef,
  verdict: Verdict,
  claim: Claim,
  signal: AbortSignal,
): Promise<Announced> {
  const { row } = claim;
  const about = { kind: ref.kind.kind, generation: row.declared.generation, verdict };
  const next = (from: JsonObject) => nextReferenceStatus(from, { ...about, now: apis.clock() });
  const written = await writeStatus(apis, ref, next, claim, signal);
  const isNews = isOther(statusBefore(row).status, written.seen.status);
  if (!isNews || written.isGone) return written;
  for (const event of referenceEvents(ref.kind.kind, verdict)) {
    await apis.resources.emit(ref, row.declared.uid, event, apis.clock(), signal);
  }
  return written;
}

function isOther(before: JsonObject, after: JsonObject): boolean {
  return !sameJson(newsOf(before), newsOf(after));
}

/** What a row records of its status. Undefined: a write failed, and may have been carried out all the same. */
export function seenAfter({ state, declared }: Row, told: StatusSeen | undefined): Pick<RowState, "seen"> {
  if (told !== undefined) return { seen: { ...told, hash: declared.hash } };
  return state.seen === undefined ? {} : { seen: { ...state.seen, isDoubtful: true } };
}

/** Our own status if we wrote one for this version of the declaration, else the one that discovery read. */
function statusBefore(row: Row): StatusSeen {
  const { hash, isDoubtful: _isDoubtful, ...own } = row.state.seen ?? {};
  return "status" in own && hash === row.declared.hash ? own : row.declared.seen;
}

async function writeStatus(
  apis: AnnounceApis,
  ref: ResourceRef,
  next: (from: JsonObject) => JsonObject,
  claim: Claim,
  signal: AbortSignal,
): Promise<Announced> {
  const { row } = claim;
  const before = statusBefore(row);
  let from: StatusSeen | undefined = before;
  // A run that was cut off may have written another status than the row has.
  if (claim.isAfterCut === true || row.state.seen?.isDoubtful === true) from = await statusNow(apis, ref, row, signal);
  for (let tries = 0; tries < MAX_TRIES; tries++) {
    if (from === undefined) return { seen: before, isGone: true };
    const status = next(from.status);
    if (sameJson(status, from.status)) return { seen: from, isGone: false };
    await claim.takeToWrite("status");
    const resourceVersion = await tryWrite(apis, ref, status, from, signal);
    if (resourceVersion !== undefined) return { seen: { resourceVersion, status }, isGone: false };
    // A late settle must not write to a recreated resource (kubernetes-rules 17), so it is read before the next try.
    from = await statusNow(apis, ref, row, signal);
  }
  throw new SyncError("KUBE_CONFLICT", `the status of ${ref.kind.kind} ${ref.namespace}/${ref.name} keeps changing`);
}

/** Undefined: the resource is gone, or was made anew. */
async function statusNow(
  { resources }: AnnounceApis,
  ref: ResourceRef,
  { declared }: Row,
  signal: AbortSignal,
): Promise<StatusSeen | undefined> {
  const found = await resources.get(ref, signal);
  if (found?.uid !== declared.uid) return undefined;
  return { resourceVersion: found.resourceVersion, status: found.status };
}

/** The new resourceVersion; undefined when the resource changed or is gone since its status was read. */
async function tryWrite(
  apis: AnnounceApis,
  ref: ResourceRef,
  status: JsonObject,
  from: StatusSeen,
  signal: AbortSignal,
): Promise<string | undefined> {
  try {
    const patch = patchOf(from.status, status);
    return await apis.resources.writeStatus(ref, patch, from.resourceVersion, signal);
  } catch (error) {
    const isMoved =
      error instanceof SyncError && (error.code === "KUBE_CONFLICT" || error.code === "REFERENCE_MISSING");
    if (!isMoved) throw error;
    return undefined;
  }
}

/** A merge patch removes only members that are null, in each object of the status. */
function patchOf(before: JsonObject, after: JsonObject): JsonObject {
  const dropped = Object.keys(before).filter((name) => !Object.hasOwn(after, name));
  const kept = Object.entries(after).map(([name, value]): readonly [string, Json] => {
    const [was, is] = [asObject(before[name]), asObject(value)];
    return [name, was === undefined || is === undefined ? value : patchOf(was, is)];
  });
  return Object.fromEntries([...dropped.map((name) => [name, null] as const), ...kept]);
}
