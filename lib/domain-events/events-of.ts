import { clusterOfCircuit } from "../circuits.ts";
import type { EpochMs } from "../clock.ts";
import type { Digest } from "../digest.ts";
import { DISPOSITIONS } from "../errors.ts";
import { isNotRevoked, isOver } from "../issues/issue-times.ts";
import { declarationKey, isCleanupKey, partsOf, type SyncKey } from "../keys.ts";
import type { Did } from "../ports/domain-events.ts";
import type { Issue } from "../ports/issues.ts";
import type { DomainEvent, RowState } from "../ports/rows.ts";
import type { Circuit, Lease, Settlement } from "../ports/store.ts";
import { isReferenceStatus } from "../resource-kinds.ts";
import type { JsonObject } from "../util/json.ts";
import { type EventKind, MOST_TARGETS } from "./schemas.ts";

/** Which domain events a settle or a circuit means: one table. Pure. */

/** A run, from its claim to its settle. */
interface Change {
  readonly before: RowState;
  readonly after: RowState;
  readonly did: Did;
  /** A sync whose declaration still exists. */
  readonly isDeclared: boolean;
  readonly now: EpochMs;
}

interface Meaning {
  /** What makes several of one kind different. */
  readonly which?: string;
  readonly detail: JsonObject;
}

type Means = (change: Change) => readonly Meaning[];

const SETTLED: readonly (readonly [EventKind, Means])[] = [
  ["CredentialIssued", issued],
  ["SecretSynced", synced],
  ["DriftRepaired", driftRepaired],
  ["RolloutTriggered", rolloutTriggered],
  ["SyncFailed", failed],
  ["SyncRecovered", recovered],
  ["LeaseAtRisk", leaseAtRisk],
  ["CredentialRevoked", revoked],
];

/** The events of a settle, in the order in which they happened. A settle without a change means none. */
export function eventsOfSettle(
  { key, fence, state: before }: Pick<Lease, "key" | "fence" | "state">,
  { state: after, did = {}, now }: Pick<Settlement, "state" | "did" | "now">,
): readonly DomainEvent[] {
  if (isReferenceStatus(key)) return [];
  const change = { before, after, did, isDeclared: !isCleanupKey(key), now };
  return SETTLED.flatMap(([kind, means]) =>
    means(change).map(({ which, detail }): DomainEvent => {
      const id = `${key}@${fence}/${kind}${which === undefined ? "" : `/${which}`}`;
      return { id, kind, at: now, detail };
    }),
  );
}

/** The event of a circuit that opened; none when it is not a cluster's. */
export function eventOfOpened(circuit: Pick<Circuit, "id" | "code" | "since">): DomainEvent | undefined {
  const { code, since } = circuit;
  return ofCluster("ClusterUnreachable", circuit, since, { code, since: iso(since) });
}

/** The event of a circuit that closed; none when it is not a cluster's. */
export function eventOfClosed(circuit: Pick<Circuit, "id" | "since">, now: EpochMs): DomainEvent | undefined {
  const { since } = circuit;
  return ofCluster("ClusterReachable", circuit, now, {
    since: iso(since),
    seconds: Math.max(0, (now - since) / 1_000),
  });
}

function ofCluster(
  kind: EventKind,
  { id, since }: Pick<Circuit, "id" | "since">,
  at: EpochMs,
  detail: JsonObject,
): DomainEvent | undefined {
  const cluster = clusterOfCircuit(id);
  return cluster === undefined ? undefined : { id: `${id}@${since}/${kind}`, kind, at, detail: { cluster, ...detail } };
}

/** The event as it is sent: rows store only what their key does not say. */
export function completed(key: SyncKey | undefined, event: DomainEvent): DomainEvent {
  const { id, at, detail } = event;
  const common = { id, time: iso(at) };
  if (key === undefined) return { ...event, detail: { ...common, ...detail } };
  const { cluster, kind, namespace, name } = partsOf(key);
  return { ...event, detail: { ...common, cluster, key: declarationKey(key), kind, namespace, name, ...detail } };
}

function iso(at: EpochMs): string {
  return new Date(at).toISOString();
}

/** In step now, after it was not, or after something changed. */
function synced({ before, after, did: { secret } }: Change): readonly Meaning[] {
  if (secret === undefined) return [];
  const reason = syncReason(before, after, secret.isWritten);
  return reason === undefined ? [] : [{ detail: { secret: secret.name, reason } }];
}

function syncReason(before: RowState, after: RowState, wrote: boolean): string | undefined {
  if (before.digest === undefined) return wrote ? "first" : "adopted";
  // After a crash between a write and its settle, the next run finds the Secret in step.
  if (before.digest !== after.digest && (wrote || isOfOneKey(before.digest, after.digest))) return "data";
  return wrote && before.appliedHash !== after.appliedHash ? "declaration" : undefined;
}

/** Digests of different keys differ although the data may be the same. */
function isOfOneKey(one: Digest, other: Digest = ""): boolean {
  return one.split(":")[0] === other.split(":")[0];
}

/** Written although neither Vault's data nor the declaration changed. */
function driftRepaired({ before, after, did: { secret } }: Change): readonly Meaning[] {
  if (!secret?.isWritten) return [];
  return syncReason(before, after, true) === undefined ? [{ detail: { secret: secret.name } }] : [];
}

/** In this run, or in one that crashed after it wrote the Secret. */
function issued({ before, after, did }: Change): readonly Meaning[] {
  const live = after.issues?.find(({ state }) => state === "live");
  const wasGot = before.issues?.some(({ serial, state }) => serial === live?.serial && state === "got");
  if (did.issued !== true && wasGot !== true) return [];
  if (live === undefined) return [{ detail: {} }];
  const { serial, vaultLease } = live;
  const lease = vaultLease && { leaseSeconds: vaultLease.seconds, renewable: vaultLease.renewable };
  return [{ detail: { credential: serial, ...lease } }];
}

/**
 * Gone from the row before its own end: Vault said that it is revoked. What was never answered is no credential, and what
 * is not to be revoked goes without that.
 */
function revoked({ before, after, did, now }: Change): readonly Meaning[] {
  if (did.handedOver === true) return [];
  const left = new Set(after.issues?.map(({ serial }) => serial));
  const wasValid = (issue: Issue): boolean =>
    !left.has(issue.serial) &&
    !isOver(issue, now) &&
    !isNotRevoked(issue) &&
    (issue.vaultLease ?? issue.certificate) !== undefined;
  return (before.issues ?? [])
    .filter(wasValid)
    .map(({ serial }) => ({ which: serial, detail: { credential: serial } }));
}

function leaseAtRisk({ before, after }: Change): readonly Meaning[] {
  const known = new Set(before.issues?.filter(({ atRisk }) => atRisk !== undefined).map(({ serial }) => serial));
  return (after.issues ?? []).flatMap(({ serial, atRisk, state }) =>
    atRisk === undefined || state !== "live" || known.has(serial)
      ? []
      : [{ detail: { credential: serial, endsAt: iso(atRisk) } }],
  );
}

function rolloutTriggered({ did: { restarted = [] } }: Change): readonly Meaning[] {
  if (restarted.length === 0) return [];
  const targets = restarted.slice(0, MOST_TARGETS).map(({ kind, name }) => ({ kind, name }));
  return [{ detail: { restarts: restarted.length, targets } }];
}

function failed({ before, after: { error }, isDeclared }: Change): readonly Meaning[] {
  if (!isDeclared || error === undefined || error.code === before.error?.code) return [];
  const { code, since } = error;
  // The sync is no more.
  if (code === "DECLARATION_GONE") return [];
  return [{ detail: { code, disposition: DISPOSITIONS[code], since: iso(since) } }];
}

function recovered({ before: { error }, after, isDeclared }: Change): readonly Meaning[] {
  if (!isDeclared || error === undefined || after.error !== undefined) return [];
  return [{ detail: { code: error.code, since: iso(error.since) } }];
}
