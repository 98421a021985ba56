import { fingerprint } from "../digest.ts";
import { clusterNamespaceOf, type SyncKey } from "../keys.ts";
import type { InstantState, WantedEvents } from "../ports/instant-updates.ts";

/** Each subscription is a connection, here and at its Vault. */
export interface SubscriptionLimits {
  readonly ofVault: number;
  /** Of one namespace of a cluster. */
  readonly ofPlace: number;
  readonly inAll: number;
}

export const SUBSCRIPTION_LIMITS: SubscriptionLimits = { ofVault: 64, ofPlace: 4, inAll: 256 };

/** One subscription, for all syncs of a login that read in one Vault namespace. */
export interface Subscription {
  readonly id: string;
  readonly vault: string;
  /** `<cluster>/<namespace>` of the sync that opened it. */
  readonly place: string;
  /** The login, and a sync that it is for. */
  wanted: WantedEvents;
  readonly members: Set<SyncKey>;
  state: InstantState;
  /** Ends it. */
  readonly end: AbortController;
}

/** Which syncs want events, and the subscriptions that they share. */
export interface WantedSubscriptions {
  /** Its subscription, new or known; a text where no further one is allowed: all that are in use. */
  join(wanted: WantedEvents): { readonly one: Subscription; readonly isNew: boolean } | string;
  /** Ends a subscription that no other sync wants. */
  leave(key: SyncKey): void;
  keys(): readonly SyncKey[];
  all(): readonly Subscription[];
}

/** `onEnd` hears of each subscription that has no syncs any more. */
export function wantedSubscriptions(
  limits: SubscriptionLimits,
  onEnd: (one: Subscription) => void,
): WantedSubscriptions {
  const byId = new Map<string, Subscription>();
  const bySync = new Map<SyncKey, Subscription>();
  const leave = (key: SyncKey): void => {
    const one = bySync.get(key);
    bySync.delete(key);
    if (one === undefined) return;
    one.members.delete(key);
    const [other] = one.members;
    if (other !== undefined) {
      one.wanted = { ...one.wanted, key: other };
      return;
    }
    byId.delete(one.id);
    one.end.abort();
    onEnd(one);
  };
  return {
    join(wanted) {
      const { key, vault } = wanted;
      const id = idOf(wanted);
      if (bySync.get(key)?.id !== id) leave(key);
      const known = byId.get(id);
      const place = clusterNamespaceOf(key);
      const limit = known === undefined ? limitOf(limits, [...byId.values()], { vault, place }) : undefined;
      if (limit !== undefined) return limit;
      const one: Subscription = known ?? {
        ...{ id, vault, place, wanted, members: new Set(), state: { kind: "starting" } },
        end: new AbortController(),
      };
      one.wanted = wanted;
      one.members.add(key);
      byId.set(id, one);
      bySync.set(key, one);
      return { one, isNew: known === undefined };
    },
    leave,
    keys: () => [...bySync.keys()],
    all: () => [...byId.values()],
  };
}

function idOf({ identity, namespace, vault }: WantedEvents): string {
  return fingerprint(identity.id, namespace ?? identity.namespace ?? "", vault);
}

function limitOf(
  { ofPlace, ofVault, inAll }: SubscriptionLimits,
  all: readonly Subscription[],
  { vault, place }: Pick<Subscription, "vault" | "place">,
): string | undefined {
  if (all.filter((one) => one.place === place).length >= ofPlace) return `${ofPlace} of its namespace`;
  if (all.filter((one) => one.vault === vault).length >= ofVault) return `${ofVault} of its Vault`;
  return all.length >= inAll ? `${inAll} of keyferry` : undefined;
}
