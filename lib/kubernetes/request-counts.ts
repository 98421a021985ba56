import { type KubeCall, resourceOf } from "./kube-call.ts";

/** Counts requests by verb and resource: `patch secrets`, `patch vaultstaticsecrets/status`. */
export interface RequestCounts {
  /** The count for this verb and resource; for all when both are missing. */
  count(verb?: KubeCall["verb"], resource?: string): number;
  /** Each verb and resource with its count. */
  all(): readonly { readonly verb: KubeCall["verb"]; readonly resource: string; readonly times: number }[];
  reset(): void;
}

/** A counter and the function that counts with it. */
export function requestCounts(): { readonly counts: RequestCounts; counted(call: KubeCall): void } {
  const seen = new Map<string, { verb: KubeCall["verb"]; resource: string; times: number }>();
  return {
    counted(call) {
      const resource = resourceOf(call);
      const key = `${call.verb} ${resource}`;
      const entry = seen.get(key);
      if (entry) entry.times += 1;
      else seen.set(key, { verb: call.verb, resource, times: 1 });
    },
    counts: {
      count: (verb, resource) =>
        [...seen.values()]
          .filter((entry) => (verb ?? entry.verb) === entry.verb && (resource ?? entry.resource) === entry.resource)
          .reduce((sum, entry) => sum + entry.times, 0),
      all: () => [...seen.values()].map((entry) => ({ ...entry })),
      reset: () => seen.clear(),
    },
  };
}
