import { KEY_HASH_PATTERN, keyHashBytes } from "../injector-keys.ts";
import type { Reviewer, ServedClusters } from "./review.ts";

/** What the deployment packages with the function: hashes of keys, and settings. It holds no secret. */
export interface InjectorPackage {
  readonly version: 1;
  readonly clusters: Readonly<Record<string, PackagedCluster>>;
}

export interface PackagedCluster {
  readonly keys: readonly string[];
  /** Settings of lib/injector, as they are. */
  readonly settings: unknown;
}

/** The clusters of a package. Throws for one that keyferry did not write: the function must not start with it. */
export function servedByPackage(text: string, reviewer: (settings: unknown) => Reviewer): ServedClusters {
  const { version, clusters } = JSON.parse(text) as InjectorPackage;
  if (version !== 1) throw new Error("the package of the injector has another version: deploy again");
  return new Map(
    Object.entries(clusters).map(([name, { keys, settings }]) => {
      if (!keys.every((key) => KEY_HASH_PATTERN.test(key)))
        throw new Error(`cluster ${name} has a key of no known form`);
      return [name, { keys: keys.map(keyHashBytes), review: reviewer(settings) }];
    }),
  );
}
