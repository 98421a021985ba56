import { type EpochMs, SECOND_MS } from "../clock.ts";
import { declarationIn } from "../destinations/kubernetes-secret/owners.ts";
import type { SyncError } from "../errors.ts";
import { destinationIn, WAITS_FOR_A_SECRET } from "../failures/release-wake.ts";
import { partsOf, type SyncKey, syncKey } from "../keys.ts";
import type { SeenResource } from "../ports/resources.ts";
import type { OwnedSecret, Row } from "../ports/rows.ts";
import { SECRET } from "../resource-kinds.ts";
import { sendDue } from "../schedule/messages.ts";
import { repairGapMs } from "../schedule/repairs.ts";
import type { DiscoveryDeps } from "./deps.ts";
import { unlessBug } from "./guard.ts";
import { namespacedName, type SecretSeen, secretSearch } from "./secret-search.ts";

/** The syncs that own this Secret by owner references: one, or two while one declaration takes over from another. */
export function ownersOf(cluster: string, secret: SeenResource): readonly { key: SyncKey; uid: string }[] {
  return secret.ownerReferences.flatMap((reference) => {
    const owner = declarationIn(reference);
    if (!owner) return [];
    const key = syncKey({ cluster, kind: owner.kind.kind, namespace: secret.namespace, name: owner.name });
    return [{ key, uid: owner.uid }];
  });
}

export type DriftClass = "in-step" | "drifted" | "deferred";

/** resourceVersions are compared as integers, and only between what one cursor saw (lease-table 20). */
export function isNewer(a: string, b: string): boolean {
  return BigInt(a) > BigInt(b);
}

/**
 * Whether this Secret differs from the one that we wrote. A new resourceVersion alone is not drift; changes of our
 * managedFields entry or of other owners' data keys are (kubernetes-rules 10). Undecidable while the row is claimed,
 * because our own write arrives before settle has stored it (lease-table 22).
 */
export function classify(row: Row, { secret, isDeleted, listedAt }: SecretSeen, now: EpochMs): DriftClass {
  if (row.leaseUntil !== undefined && row.leaseUntil > now) return "deferred";
  const owned = row.state.owned.find((entry) => entry.name === secret.name);
  if (owned?.uid === undefined || owned.resourceVersion === undefined) {
    return !isDeleted && isLeftTo(row, secret) ? "drifted" : "in-step";
  }
  if (isDeleted) return owned.uid === secret.uid ? "drifted" : "in-step";
  return differs(owned, owned.resourceVersion, secret, listedAt) ? "drifted" : "in-step";
}

function differs(owned: OwnedSecret, written: string, secret: SeenResource, listedAt: string | undefined): boolean {
  if (owned.uid !== secret.uid) return true;
  if (isNewer(secret.resourceVersion, written)) return secret.managed?.fingerprint !== owned.managed;
  // A list that is as new as our write has an older Secret: etcd was restored to before it (lease-table 20).
  return listedAt !== undefined && !isNewer(written, listedAt) && isNewer(written, secret.resourceVersion);
}

/** It waited for another declaration, whose owner reference is gone: it may write the Secret now. */
function isLeftTo({ state, declared }: Row, { name, ownerReferences }: SeenResource): boolean {
  const [only, ...others] = ownerReferences;
  const waits = state.error?.code === "SECRET_NOT_OURS" && state.owned.some((entry) => entry.name === name);
  return waits && others.length === 0 && only?.uid === declared.uid;
}

export interface DriftWatch {
  /** Handles a seen or deleted Secret with our labels. */
  see(seen: SecretSeen): Promise<void>;
  /** Handles Secrets that are recorded as written, or awaited, and are missing from a complete list. */
  missing(listed: Listed, rows: readonly Row[]): Promise<void>;
  /**
   * Checks deferred Secrets again: those seen while their row was claimed, and unrecognised ones. `last`: nudges for
   * those that still can't be checked.
   */
  settleDeferred(last: boolean): Promise<void>;
  isDeferring(): boolean;
}

export interface Listed {
  readonly uids: ReadonlySet<string>;
  /** As `namespace/name`. */
  readonly places: ReadonlySet<string>;
}

/**
 * How soon a Secret that was deferred for a claim is checked again: most claims are short, and long ones must not cause
 * constant reads.
 */
const FIRST_PAUSE_MS = 400;
const MAX_PAUSE_MS = 5 * SECOND_MS;

/** A missing Secret is created again at once, unless that happened within this time. */
const AT_ONCE_AGAIN_MS = 10 * SECOND_MS;
const MAX_REMEMBERED = 1_000;

interface Deferred extends SecretSeen {
  readonly pauseMs: number;
  readonly againAt: EpochMs;
}

/** Detects drift of a cluster's Secrets from metadata, and nudges their syncs. */
export function driftWatch(deps: DiscoveryDeps, cluster: string): DriftWatch {
  const deferred = new Map<string, Deferred>();
  const nudge = nudging(deps, cluster);
  const handleDrift = async (row: Row, seen: SecretSeen, pauseMs: number, last: boolean): Promise<void> => {
    const driftClass = classify(row, seen, deps.clock());
    const { secret, isDeleted } = seen;
    if (driftClass === "deferred" && !last) {
      deferred.set(namespacedName(secret), { ...seen, pauseMs, againAt: deps.clock() + pauseMs });
    } else if (driftClass !== "in-step") {
      await nudge(row, isDeleted ? "deleted or relabelled" : "changed by another", isDeleted);
    }
  };
  const search = secretSearch(deps, cluster, (row, seen, last) => handleDrift(row, seen, FIRST_PAUSE_MS, last));
  const see = async (seen: SecretSeen, last: boolean): Promise<void> => {
    const { secret } = seen;
    const place = namespacedName(secret);
    const pauseMs = Math.min((deferred.get(place)?.pauseMs ?? FIRST_PAUSE_MS / 2) * 2, MAX_PAUSE_MS);
    deferred.delete(place);
    const rows = await namedBy(deps, cluster, secret);
    for (const row of rows) await handleDrift(row, seen, pauseMs, last);
    const isKnown = rows.some(({ state }) => state.owned.some(({ name }) => name === secret.name));
    if (!isKnown) search.unknown(seen);
  };
  return {
    async see(seen) {
      if (seen.isDeleted) search.released(seen.secret);
      await see(seen, false);
    },
    async missing({ uids, places }, rows) {
      for (const row of rows) {
        const gone = row.state.owned.some(({ uid }) => uid !== undefined && !uids.has(uid));
        const isHeld = row.leaseUntil !== undefined && row.leaseUntil > deps.clock();
        if (gone && !isHeld) await nudge(row, "missing", true);
        const awaited = awaitedBy(row);
        if (awaited && !places.has(namespacedName(awaited))) search.released(awaited);
      }
    },
    isDeferring: () => deferred.size > 0 || search.isPending(),
    async settleDeferred(last) {
      const now = deps.clock();
      const due = [...deferred.values()].filter((entry) => last || entry.againAt <= now);
      const failures: SyncError[] = [];
      for (const seen of due) {
        const of = { cluster, kind: SECRET, object: seen.secret };
        await unlessBug(deps, of, () => see(seen, last)).catch((error: SyncError) => failures.push(error));
      }
      await search.run(last);
      if (failures[0] !== undefined) throw failures[0];
    },
  };
}

/** Rows of the declarations in its owner references, if their uids match. */
async function namedBy({ leases }: DiscoveryDeps, cluster: string, secret: SeenResource): Promise<readonly Row[]> {
  const owners = ownersOf(cluster, secret);
  if (owners.length === 0) return [];
  const keys = owners.map(({ key }) => key);
  const rows = await leases.read(keys, "strong");
  return owners.flatMap(({ key, uid }) => {
    const row = rows.get(key);
    return row?.declared.uid === uid ? [row] : [];
  });
}

function nudging(deps: DiscoveryDeps, cluster: string) {
  const remade = new Map<SyncKey, EpochMs>();
  const isFirst = (key: SyncKey): boolean => {
    const now = deps.clock();
    if (now - (remade.get(key) ?? Number.NEGATIVE_INFINITY) < AT_ONCE_AGAIN_MS) return false;
    if (remade.size >= MAX_REMEMBERED) remade.clear();
    remade.set(key, now);
    return true;
  };
  return async ({ key, state }: Row, why: string, isAbsent: boolean): Promise<void> => {
    deps.log.info("drift-seen", { key, why });
    deps.metrics.count("keyferry_drift_total", { cluster });
    const now = deps.clock();
    const gapMs = repairGapMs(state.repairs, now);
    const pace = gapMs === undefined ? { atOnce: isAbsent && isFirst(key) } : { gapMs };
    const due = await deps.leases.nudge(key, { now, verify: true, ...pace });
    if (due) await sendDue(deps.queue, [due], deps.clock());
  };
}

/** The Secret that was refused to this row. */
function awaitedBy({ key, declared, state }: Row): { readonly namespace: string; readonly name: string } | undefined {
  const name = destinationIn(declared.spec);
  if (name === undefined || !WAITS_FOR_A_SECRET.has(state.error?.code)) return undefined;
  return { namespace: partsOf(key).namespace, name };
}
