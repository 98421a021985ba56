import { asObject } from "../canonical.ts";
import { type EpochMs, SECOND_MS } from "../clock.ts";
import type { SyncError } from "../errors.ts";
import { type SyncKey, syncKey } from "../keys.ts";
import { SECRET, VSO_GROUP } from "../kinds.ts";
import type { OwnedSecret, Row, SeenResource } from "../reconcile/ports.ts";
import { sendDue } from "../schedule/messages.ts";
import { type DiscoveryDeps, SYNC_KINDS } from "./deps.ts";
import { unlessBug } from "./guard.ts";

/** The sync whose Secret this is, by its owner reference. */
export function ownerOf(cluster: string, secret: SeenResource): { key: SyncKey; uid: string } | undefined {
  for (const reference of secret.ownerReferences) {
    const owner = asObject(reference);
    const kind = SYNC_KINDS.find((candidate) => candidate.kind === owner?.kind);
    const { apiVersion, name, uid } = owner ?? {};
    if (!kind || typeof apiVersion !== "string" || !apiVersion.startsWith(`${VSO_GROUP}/`)) continue;
    if (typeof name !== "string" || typeof uid !== "string") continue;
    return { key: syncKey({ cluster, kind: kind.kind, namespace: secret.namespace, name }), uid };
  }
  return undefined;
}

export type Judgement = "in-step" | "drifted" | "held";

/** resourceVersions are compared as integers, and only between what one cursor saw (lease-table 20). */
export function isNewer(a: string, b: string): boolean {
  return BigInt(a) > BigInt(b);
}

/**
 * Is this Secret another than the one that we wrote? The resourceVersion alone is not drift; our managedFields entry,
 * or data keys of other owners, are (kubernetes-rules 10). While the row is claimed nothing can be said: our own write
 * comes back before settle has stored it (lease-table 22).
 */
export function judge(row: Row, secret: SeenResource, isDeleted: boolean, now: EpochMs): Judgement {
  if (row.leaseUntil !== undefined && row.leaseUntil > now) return "held";
  const owned = row.state.owned.find((entry) => entry.name === secret.name);
  if (owned?.uid === undefined || owned.resourceVersion === undefined) return "in-step";
  if (isDeleted) return owned.uid === secret.uid ? "drifted" : "in-step";
  return differs(owned, owned.resourceVersion, secret) ? "drifted" : "in-step";
}

function differs(owned: OwnedSecret, resourceVersion: string, secret: SeenResource): boolean {
  if (owned.uid !== secret.uid) return true;
  if (!isNewer(secret.resourceVersion, resourceVersion)) return false;
  return secret.managed?.fingerprint !== owned.managed;
}

export interface DriftWatch {
  /** A Secret with our labels was seen, or seen to go. */
  see(secret: SeenResource, isDeleted: boolean): Promise<void>;
  /** Secrets that are recorded as written, and were not in a complete list. */
  missing(listed: ReadonlySet<string>, rows: readonly Row[]): Promise<void>;
  /** Judges again what was seen while its row was claimed; `last`: what still can't be judged is looked at. */
  settleHeld(last: boolean): Promise<void>;
  isHolding(): boolean;
}

/** How soon what was seen under a claim is judged again: most claims end at once, and a long one is not asked for all the time. */
const FIRST_PAUSE_MS = 400;
const MAX_PAUSE_MS = 5 * SECOND_MS;

interface Held {
  readonly secret: SeenResource;
  readonly isDeleted: boolean;
  readonly pauseMs: number;
  readonly againAt: EpochMs;
}

/** Drift of the Secrets of one cluster: judged from metadata, mended by a nudge. */
export function driftWatch(deps: DiscoveryDeps, cluster: string): DriftWatch {
  const held = new Map<string, Held>();
  const nudge = async (key: SyncKey, why: string): Promise<void> => {
    deps.log.info("drift-seen", { key, why });
    deps.metrics.count("keyferry_drift_total", { cluster });
    const due = await deps.leases.nudge(key, { now: deps.clock(), look: true });
    if (due) await sendDue(deps.queue, [due], deps.clock());
  };
  const see = async (secret: SeenResource, isDeleted: boolean, last: boolean): Promise<void> => {
    const owner = ownerOf(cluster, secret);
    if (!owner) return;
    const row = (await deps.leases.read([owner.key], "strong")).get(owner.key);
    const name = `${secret.namespace}/${secret.name}`;
    const pauseMs = Math.min((held.get(name)?.pauseMs ?? FIRST_PAUSE_MS / 2) * 2, MAX_PAUSE_MS);
    held.delete(name);
    if (!row || row.declared.uid !== owner.uid) return;
    const judgement = judge(row, secret, isDeleted, deps.clock());
    if (judgement === "held" && !last) held.set(name, { secret, isDeleted, pauseMs, againAt: deps.clock() + pauseMs });
    else if (judgement !== "in-step")
      await nudge(owner.key, isDeleted ? "deleted or relabelled" : "changed by another");
  };
  return {
    see: (secret, isDeleted) => see(secret, isDeleted, false),
    async missing(listed, rows) {
      for (const row of rows) {
        const gone = row.state.owned.some((owned) => owned.uid !== undefined && !listed.has(owned.uid));
        const isHeld = row.leaseUntil !== undefined && row.leaseUntil > deps.clock();
        if (gone && !isHeld) await nudge(row.key, "missing");
      }
    },
    isHolding: () => held.size > 0,
    async settleHeld(last) {
      const now = deps.clock();
      const due = [...held.values()].filter((entry) => last || entry.againAt <= now);
      const failures: SyncError[] = [];
      for (const { secret, isDeleted } of due) {
        const of = { cluster, kind: SECRET, object: secret };
        await unlessBug(deps, of, () => see(secret, isDeleted, last)).catch((error: SyncError) => failures.push(error));
      }
      if (failures[0] !== undefined) throw failures[0];
    },
  };
}
