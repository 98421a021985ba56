import { type EpochMs, SECOND_MS } from "../../clock.ts";
import { kubernetesSecrets } from "../../destinations/kubernetes-secret/kubernetes-secret.ts";
import { fingerprint } from "../../digest.ts";
import { SyncError } from "../../errors.ts";
import type { InstantState } from "../../ports/instant-updates.ts";
import { isApplied } from "../../ports/rows.ts";
import type { SourceData } from "../../ports/vault.ts";
import { VAULT_STATIC_SECRET } from "../../resource-kinds.ts";
import type { ForeseeInput, Obtained, SyncKind, Wake } from "../kind.ts";
import { transformed } from "../shared/transformed.ts";
import { decodedIf } from "./decoded.ts";
import { BEHIND_AGAIN_MS, expectationOf, isBelievedEarly, mustHaveReached, readAgain } from "./expected.ts";
import { instantState } from "./instant.ts";
import { type ResolvedStaticSecret, resolveStaticSecret } from "./resolve.ts";
import { type OlderAnswers, ownStatic, staticState, type WrittenVersion } from "./static-state.ts";
import { warningsOf } from "./warnings.ts";

/** A path of a kv engine, read repeatedly: nothing is issued, so a plan reads the same. A path of kv-v1 may be any. */
export const staticSecret: SyncKind<ResolvedStaticSecret> = {
  ref: VAULT_STATIC_SECRET,
  destination: kubernetesSecrets,
  resolve: resolveStaticSecret,
  foresee: async (run) => ((await mayIssue(run)) ? "may-issue" : readAndTransform(run, undefined)),
  obtain: (run) =>
    readAndTransform(run, expectationOf(run.row, run.resolved.read, run.clock()), () => instantState(run)),
};

/** What was written had no lease, so that another read of the same path issues nothing, whatever its engine is. */
async function mayIssue({ row, resolved: { read }, mayIssue: mayIssueAt }: ForeseeInput<ResolvedStaticSecret>) {
  return read.engine === "kv-v1" && !isApplied(row) && (await mayIssueAt?.(read));
}

/** An older kv-v2 answer is read again after 5 s, and accepted once it came for 30 s (lease-table 9). */
const OLDER_AGAIN_MS = 5 * SECOND_MS;
const OLDER_BELIEVED_MS = 30 * SECOND_MS;
/** An outage in between is no time in which it came. */
const OLDER_BELIEVED_TIMES = OLDER_BELIEVED_MS / OLDER_AGAIN_MS;

async function readAndTransform(
  run: ForeseeInput<ResolvedStaticSecret>,
  expected: ReturnType<typeof expectationOf>,
  instant: () => Promise<InstantState | undefined> = async () => ({ kind: "starting" }),
): Promise<Obtained> {
  const { row, resolved, clock } = run;
  const source = await readSource(run, expected);
  const now = clock();
  const { version, older = { since: now, times: 0 } } = staticState(row.state);
  if (version !== undefined && isOlder(run, source, version) && !isBelieved(older, now)) {
    const because = "Vault's answer is older than the written data: keyferry reads it again soon";
    const { own = {} } = ownStatic({ version, older: { since: Math.min(older.since, now), times: older.times + 1 } });
    return { kind: "later", because, at: now + OLDER_AGAIN_MS, own };
  }
  const { data, missing } = await transformed(run, resolved.transformation, decodedIf(resolved, source));
  const read = source.version === undefined ? version : { ...source.version, of: placeId(resolved) };
  return {
    kind: "data",
    data,
    next: nextOf(run, now),
    ...ownStatic(read === undefined ? {} : { version: read }),
    warnings: warningsOf(resolved, missing, await instant()),
    ...(expected?.version !== undefined && source.version && { reached: source.version.number }),
  };
}

/** What was believed early may be from before the last event: it is read once more when that one is old enough. */
function nextOf({ row, resolved: { refreshAfterMs } }: ForeseeInput<ResolvedStaticSecret>, now: EpochMs): Wake {
  if (isBelievedEarly(row, now)) return { at: now + BEHIND_AGAIN_MS };
  return refreshAfterMs === undefined ? "event" : { everyMs: refreshAfterMs };
}

/** An answer from before an event is read again; after a while, that a node lags is told. */
async function readSource(
  run: ForeseeInput<ResolvedStaticSecret>,
  expected: ReturnType<typeof expectationOf>,
): Promise<SourceData> {
  const { read, transformation } = run.resolved;
  const dataOf = async (source: SourceData) =>
    (await transformed(run, transformation, decodedIf(run.resolved, source))).data;
  try {
    const source = await run.read(read, readAgain(run, expected, dataOf));
    mustHaveReached(read, source, expected?.version);
    return source;
  } catch (error) {
    if (error instanceof SyncError) mustHaveReached(read, error, expected?.version);
    throw error;
  }
}

/** Perhaps from a standby that lags behind. */
function isOlder(run: ForeseeInput<ResolvedStaticSecret>, { version }: SourceData, written: WrittenVersion): boolean {
  if (version === undefined || Date.parse(version.createdTime) >= Date.parse(written.createdTime)) return false;
  return isComparable(run, written);
}

/** Whether both are of one path, also after a change of the declaration. One that names a version wants that one. */
function isComparable({ row, resolved }: ForeseeInput<ResolvedStaticSecret>, { of }: WrittenVersion): boolean {
  if (of === undefined || resolved.read.version !== 0) return isApplied(row);
  return of === placeId(resolved);
}

/** It lasts: perhaps Vault was restored from a backup. */
function isBelieved({ since, times }: OlderAnswers, now: EpochMs): boolean {
  return now - since >= OLDER_BELIEVED_MS && times >= OLDER_BELIEVED_TIMES;
}

function placeId({ asks: { place } }: ResolvedStaticSecret): string {
  return fingerprint(place.vault, place.path);
}
