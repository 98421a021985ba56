import { SyncError } from "../../errors.ts";
import { partsOf, type SyncKey } from "../../keys.ts";
import type { VaultIdentity } from "../../ports/vault.ts";
import { isForEvents } from "../../rights/vault.ts";
import { type DeclaredSync, shortName } from "../declared-work.ts";
import { neededOf, type VaultRight } from "./needed.ts";

/** One login, and all syncs that use it. */
export interface LoginGroup {
  readonly identity: VaultIdentity;
  readonly keys: readonly SyncKey[];
  readonly rights: readonly VaultRight[];
  /** What `instantUpdates` needs besides. */
  readonly events: readonly VaultRight[];
}

/** Logins that differ; syncs of one namespace mostly share one. */
export function loginsOf(syncs: readonly DeclaredSync[]): readonly LoginGroup[] {
  const asking = syncs.flatMap((sync) =>
    sync.outcome instanceof SyncError || sync.outcome.asks === undefined
      ? []
      : [{ sync, identity: sync.outcome.asks.identity }],
  );
  return [...Map.groupBy(asking, ({ identity }) => identity.id).values()].flatMap((group) => {
    const [first] = group;
    if (first === undefined) return [];
    const all = group.flatMap(({ sync, identity }) => neededOf(sync, identity));
    const distinct = [...new Map(all.map((right) => [`${right.path} ${right.capability}`, right])).values()];
    const [events, rights] = [true, false].map((isEvent) =>
      distinct.filter(({ path, capability }) => isForEvents(path, capability) === isEvent),
    );
    return {
      identity: first.identity,
      keys: group.map(({ sync }) => sync.key),
      rights: rights ?? [],
      events: events ?? [],
    };
  });
}

/** `role shop at auth/kubernetes-prod-eu of https://vault (shop/default)`. */
export function loginName({ identity, keys: [first] }: LoginGroup): string {
  const { method, mount, target, namespace } = identity;
  const role = method.kind === "appRole" ? "" : ` role ${method.role}`;
  const by = first === undefined ? "" : `, used by ${shortName(first)}`;
  return `${method.kind}${role} at auth/${mount} of ${target.address}${namespace ? ` (namespace ${namespace})` : ""}${by}`;
}

/** The namespaces whose syncs use a login. */
export function namespacesOf({ keys }: LoginGroup): readonly string[] {
  return [...new Set(keys.map((key) => partsOf(key).namespace))];
}
