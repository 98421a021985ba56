import { type EpochMs, SECOND_MS } from "../../clock.ts";
import { type Digest, digestOf, sameDigest } from "../../digest.ts";
import { SyncError } from "../../errors.ts";
import type { Expected, Row } from "../../ports/rows.ts";
import { EXPECTED_MS } from "../../ports/store.ts";
import type { SourceData, VaultRead } from "../../ports/vault.ts";
import type { SecretData } from "../../secret-value.ts";
import type { ForeseeInput, ReadAgain } from "../kind.ts";
import type { ResolvedStaticSecret } from "./resolve.ts";

/** Pauses before a read is repeated, when a version is expected, and when only something is. */
const PAUSES_FOR_VERSION = [0.2 * SECOND_MS, SECOND_MS, 5 * SECOND_MS];
const PAUSES_WITHOUT_VERSION = [SECOND_MS];
/** Then a lagging node has had its time. */
export const BEHIND_AGAIN_MS = 30 * SECOND_MS;

/** The parts of a row that say what an event told of, and how long a read has waited for it. */
type Expecting = Pick<Row, "expect"> & { readonly state: Pick<Row["state"], "error"> };

/** What an event lets a read expect; undefined when it expects nothing, or waited for long enough. */
export function expectationOf(
  row: Expecting,
  { engine, version }: VaultRead,
  now: EpochMs,
): { readonly version: number | undefined } | undefined {
  const { expect } = row;
  if (expect === undefined || isOver(expect, now) || isBelievedEarly(row, now)) return undefined;
  if (engine === "kv-v1" || expect.version === 0) return { version: undefined };
  // A declared version never changes, whatever was written since.
  return version > 0 ? undefined : { version: expect.version };
}

/**
 * Whether a node is believed though an event is younger than 30 s, because it has been behind for as long. Anyone who
 * can send lines may go on to name versions that do not exist: these delay a change, and hold none back.
 */
export function isBelievedEarly({ expect, state: { error } }: Expecting, now: EpochMs): boolean {
  if (expect === undefined || isOver(expect, now)) return false;
  return error?.code === "REPLICA_BEHIND" && now - error.since >= EXPECTED_MS;
}

function isOver({ at }: Expected, now: EpochMs): boolean {
  return now - at >= EXPECTED_MS;
}

/** Whether an answer is from before the event, and when to ask again. */
export function readAgain(
  run: ForeseeInput<ResolvedStaticSecret>,
  expected: { readonly version: number | undefined } | undefined,
  dataOf: (source: SourceData) => Promise<SecretData>,
): ReadAgain | undefined {
  if (expected === undefined) return undefined;
  const { version } = expected;
  if (version !== undefined) return { pauses: PAUSES_FOR_VERSION, isOld: (answer) => isBehind(answer, version) };
  const isOld = async (answer: SourceData | SyncError): Promise<boolean> =>
    !(answer instanceof SyncError) && isUnchanged(run, await dataOf(answer));
  return { pauses: PAUSES_WITHOUT_VERSION, isOld };
}

function isUnchanged({ row, digestKey }: ForeseeInput<ResolvedStaticSecret>, data: SecretData): boolean {
  const before: Digest | undefined = row.state.digest;
  return before !== undefined && sameDigest(before, digestOf(digestKey, data));
}

/** Also where the node has nothing yet. A version that was deleted has been there. */
function isBehind(answer: SourceData | SyncError, version: number): boolean {
  if (answer instanceof SyncError && answer.code !== "VAULT_PATH_MISSING") return false;
  const found = versionIn(answer);
  return found === undefined ? answer instanceof SyncError : found < version;
}

function versionIn(answer: SourceData | SyncError): number | undefined {
  return answer instanceof SyncError ? answer.deletedVersion : answer.version?.number;
}

/** Throws REPLICA_BEHIND for an answer that is older than what the event told of. */
export function mustHaveReached(
  { mount, path }: VaultRead,
  answer: SourceData | SyncError,
  version: number | undefined,
): void {
  if (version === undefined || !isBehind(answer, version)) return;
  const number = versionIn(answer);
  const found = number === undefined ? "nothing" : `version ${number}`;
  const message =
    `version ${version} of ${mount}/${path} was written, but the Vault node that answers has ${found} there: keyferry ` +
    "reads again in 30 s. If it lasts, look at Vault's replication, or name the active node in the VaultConnection";
  throw new SyncError("REPLICA_BEHIND", message, { retryAfterMs: BEHIND_AGAIN_MS });
}
