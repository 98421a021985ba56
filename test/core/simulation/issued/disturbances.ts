import { SECOND_MS } from "../../../../lib/clock.ts";
import type { SyncKey } from "../../../../lib/keys.ts";
import type { WorkMessage } from "../../../../lib/ports/queue.ts";
import { msOf } from "../../world/vault/answers.ts";
import type { Lease } from "../../world/vault/leases.ts";
import type { IssuedAction, IssuedPlan } from "./plan.ts";

/**
 * What went wrong in a run, and when: what physics forces is no fault of keyferry. One lost, late or stuck message, and
 * one killed worker among several, lose no credential that can be renewed; nor does anything that happens to a cluster.
 */
export interface Disturbances {
  add(what: string, from: number, to: number): void;
  onAction(action: IssuedAction, now: number): void;
  onTransit(message: WorkMessage, fate: "lost" | "late", now: number): void;
  wasClockStepped(): boolean;
  /** Whether a process stood still, perhaps for longer than a lease is renewed. */
  wasStalled(): boolean;
  /** When it left the fleet for the first time; never: infinity. */
  leftAt(cluster: string): number;
  /** Why the credential of this lease could end at that time; undefined: nothing forced it. */
  excuse(lease: Lease, key: SyncKey, end: number): string | undefined;
}

interface Disturbance {
  readonly what: string;
  readonly from: number;
  readonly to: number;
  /** Two of weight one are an excuse. */
  readonly weight: number;
  /** A lost message is about these. */
  readonly keys?: readonly string[];
  /** It keeps nobody from renewing. */
  readonly isOfClusters?: boolean;
}

const ALL = Number.POSITIVE_INFINITY;
/** A message whose worker died comes again after this. */
const VISIBILITY_MS = 60 * SECOND_MS;

export function disturbancesOf({ processes }: IssuedPlan): Disturbances {
  const met: Disturbance[] = [];
  const left = new Map<string, number>();
  let isStepped = false;
  let isStalled = false;
  const add = (what: string, from: number, to: number, more: Partial<Disturbance> = {}): void =>
    void met.push({ what, from, to, weight: ALL, ...more });
  const one = processes > 1 ? 1 : ALL;
  return {
    add,
    wasClockStepped: () => isStepped,
    wasStalled: () => isStalled,
    leftAt: (cluster) => left.get(cluster) ?? ALL,
    onTransit(message, fate, now) {
      if (message.kind !== "keys") return;
      const more = { weight: message.lane === "renew" ? 1 : 0.5, keys: message.keys };
      add(`${message.lane} ${fate}`, now, now + 40 * SECOND_MS, more);
    },
    onAction(action, now) {
      switch (action.do) {
        case "vault-outage":
        case "database-down":
          return add(action.do, now, now + action.ms + 60 * SECOND_MS);
        case "cluster-outage":
          return add(action.do, now, now + action.ms + 60 * SECOND_MS, { isOfClusters: true });
        case "cluster-leaves":
          if (!left.has(action.cluster)) left.set(action.cluster, now);
          return add(action.do, now, now + action.ms + 60 * SECOND_MS);
        case "crash":
          return add(action.do, now, now + VISIBILITY_MS + action.forMs + 30 * SECOND_MS, { weight: one });
        case "stall":
          isStalled = true;
          return add(action.do, now, now + VISIBILITY_MS + action.ms + 30 * SECOND_MS, { weight: one });
        case "clock-step":
          isStepped = true;
          return add(action.do, now, ALL);
        case "role":
          return msOf(action.ttl) < 15_000 ? add(action.do, now, now + 60 * SECOND_MS) : undefined;
        case "auth":
        case "hand-edit":
        case "declare":
        case "undeclare":
          return add(action.do, now, now + 60 * SECOND_MS, { isOfClusters: true });
        default:
          return undefined;
      }
    },
    excuse(lease, key, end) {
      const { token } = lease;
      if (token === undefined) return "it hangs on no token";
      const begin = end - Math.max(token.ttlMs, 60 * SECOND_MS);
      const isForced = !lease.isRenewable || !token.isRenewable || maxOf(lease) <= end + SECOND_MS;
      const found = met.filter(
        ({ from, to, keys, isOfClusters }) =>
          to >= begin &&
          from <= end &&
          (keys === undefined || keys.includes(key)) &&
          (isForced || isOfClusters !== true),
      );
      // It has to be replaced in time, which takes several messages and calls.
      const enough = isForced ? 0.5 : 1.5;
      const weight = found.reduce((sum, one) => sum + one.weight, 0);
      return weight >= enough ? found.map(({ what }) => what).join(", ") : undefined;
    },
  };
}

function maxOf({ maxAt, token }: Lease): number {
  return Math.min(maxAt, token === undefined ? ALL : token.madeAt + token.maxMs);
}
