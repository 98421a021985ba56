import { sameJson } from "../canonical.ts";
import { mayStillWrite } from "../destinations/kubernetes-secret/act.ts";
import { SyncError } from "../errors.ts";
import type { JsonObject } from "../json.ts";
import type { ReconcileDeps } from "../ports/deps.ts";
import type { ResourceRef } from "../ports/objects.ts";
import type { Row, StatusSeen } from "../ports/rows.ts";
import type { Lease } from "../ports/store.ts";
import { judgedEvents, nextJudgedStatus, type Verdict } from "./judged-status.ts";
import { resourceOf } from "./resource.ts";
import { conditionList, eventOf, newsOf, nextStatus, type RunOutcome, warningEvent } from "./status.ts";
import { newWarnings } from "./warnings.ts";

const MAX_TRIES = 3;

type Apis = Pick<ReconcileDeps, "resources" | "clock" | "log">;

export interface Announced {
  /** The status as it stands now. */
  readonly seen: StatusSeen;
  /** The resource is gone, or was made anew: nobody is left to tell. */
  readonly isGone: boolean;
}

/** Tells the resource how the run ended: status and event, each only when something changed. */
export async function announce(
  apis: Apis,
  row: Row,
  ending: RunOutcome,
  lease: Lease,
  signal: AbortSignal,
): Promise<Announced> {
  const ref = resourceOf(row);
  const before = statusBefore(row);
  const about = { kind: ref.kind.kind, generation: row.declared.generation, ending };
  const written = await writeStatus(
    apis,
    row,
    (from) => nextStatus(from, { ...about, now: apis.clock() }),
    lease,
    signal,
  );
  if (written.isGone) return written;
  const isNews = ending.kind === "synced" || isOther(before.status, written.seen.status);
  const event = isNews ? eventOf(ref.kind.kind, ending) : undefined;
  const warnings = ending.kind === "synced" ? (ending.warnings ?? []) : [];
  const events = newWarnings(conditionList(before.status), warnings).map(warningEvent);
  for (const one of event ? [event, ...events] : events) {
    await apis.resources.emit(ref, row.declared.uid, one, apis.clock(), signal);
  }
  return written;
}

/** Tells a resource that syncs refer to what was found out about it: status and event, each only when something changed. */
export async function announceJudged(
  apis: Apis,
  row: Row,
  verdict: Verdict,
  lease: Lease,
  signal: AbortSignal,
): Promise<Announced> {
  const ref = resourceOf(row);
  const about = { kind: ref.kind.kind, generation: row.declared.generation, verdict };
  const next = (from: JsonObject) => nextJudgedStatus(from, { ...about, now: apis.clock() });
  const written = await writeStatus(apis, row, next, lease, signal);
  const isNews = isOther(statusBefore(row).status, written.seen.status);
  if (!isNews || written.isGone) return written;
  for (const event of judgedEvents(ref.kind.kind, verdict)) {
    await apis.resources.emit(ref, row.declared.uid, event, apis.clock(), signal);
  }
  return written;
}

function isOther(before: JsonObject, after: JsonObject): boolean {
  return !sameJson(newsOf(before), newsOf(after));
}

/** Ours if we wrote one for this version of the declaration, else the one that discovery saw with it. */
function statusBefore(row: Row): StatusSeen {
  const own = row.state.seen;
  return own !== undefined && own.hash === row.declared.hash ? own : row.declared.seen;
}

async function writeStatus(
  apis: Apis,
  row: Row,
  next: (from: JsonObject) => JsonObject,
  lease: Lease,
  signal: AbortSignal,
): Promise<Announced> {
  const ref = resourceOf(row);
  let from = statusBefore(row);
  for (let tries = 0; tries < MAX_TRIES; tries++) {
    const status = next(from.status);
    if (sameJson(status, from.status)) return { seen: from, isGone: false };
    mayStillWrite(lease, apis.clock());
    const resourceVersion = await tryWrite(apis, ref, status, from, signal);
    if (resourceVersion !== undefined) return { seen: { resourceVersion, status }, isGone: false };
    // A late settle must not mark a resource that was made anew (kubernetes-rules 17): look before trying again.
    const found = await apis.resources.get(ref, signal);
    if (!found || found.uid !== row.declared.uid) return { seen: from, isGone: true };
    from = { resourceVersion: found.resourceVersion, status: found.status };
  }
  throw new SyncError("KUBE_CONFLICT", `the status of ${ref.kind.kind} ${ref.namespace}/${ref.name} keeps changing`);
}

/** The new resourceVersion; undefined when the resource moved on, or away, since its status was read. */
async function tryWrite(
  apis: Apis,
  ref: ResourceRef,
  status: JsonObject,
  from: StatusSeen,
  signal: AbortSignal,
): Promise<string | undefined> {
  try {
    const patch = { ...dropped(from.status, status), ...status };
    return await apis.resources.writeStatus(ref, patch, from.resourceVersion, signal);
  } catch (error) {
    const isMoved =
      error instanceof SyncError && (error.code === "KUBE_CONFLICT" || error.code === "REFERENCE_MISSING");
    if (!isMoved) throw error;
    return undefined;
  }
}

/** A merge patch removes only what is null in it. */
function dropped(before: JsonObject, after: JsonObject): JsonObject {
  const names = Object.keys(before).filter((name) => !(name in after));
  return Object.fromEntries(names.map((name) => [name, null]));
}
