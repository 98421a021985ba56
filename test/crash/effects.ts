import type { Effect } from "../core/world/effects.ts";

/**
 * What changes the world, of each port. A kill before or after a read leaves the same world as one after the change before
 * it, so that reads are no points.
 */
const CHANGES: Readonly<Record<string, readonly string[]>> = {
  store: [
    ...["declare", "tombstone", "release", "retire", "nudge", "nudgeAll", "claim", "record", "settle"],
    ...["claimPush", "endRun"],
    ...["moveDispatched", "putTarget", "sweepTargets", "putReference", "removeReference"],
    ...["claimCluster", "saveCluster", "removeCluster", "openCircuit", "claimProbe", "keepOpen", "closeCircuit"],
  ],
  tokens: ["putToken", "removeToken"],
  vault: ["end", "revokeAll", "keepFor"],
  issues: ["login", "issue", "ask", "renewLease", "renewToken", "revokeToken", "revokeLease"],
  writes: ["put", "patch", "remove", "removeAll", "describe"],
  secrets: [
    ...["apply", "dropKeys", "replaceData", "takeOverFields", "standBeside", "dropOwner", "remove", "createHmacKey"],
  ],
  resources: ["writeStatus", "emit", "removeFinalizers", "change"],
  rollouts: ["restart"],
  clusters: ["markInstallation"],
  queue: ["send"],
};

/** The port with `effect` around each call that changes the world. */
export function withEffects<T extends object>(port: keyof typeof CHANGES & string, target: T, effect: Effect): T {
  const changes = new Set(CHANGES[port]);
  const known = new Map<PropertyKey, unknown>();
  return new Proxy(target, {
    get(object, name) {
      const value: unknown = Reflect.get(object, name);
      if (typeof value !== "function" || !changes.has(String(name))) return value;
      const wrapped =
        known.get(name) ??
        ((...args: readonly unknown[]) => {
          const work = () => Reflect.apply(value, object, args) as Promise<unknown>;
          return isOfAnother(name, args) ? work() : effect(`${port} ${String(name)}`, work);
        });
      known.set(name, wrapped);
      return wrapped;
    },
  });
}

/** Nothing here is on the refresh wheel, of which a tick moves on slice by slice. */
function isOfAnother(name: PropertyKey, [lane]: readonly unknown[]): boolean {
  return name === "moveDispatched" && lane === "refresh";
}
