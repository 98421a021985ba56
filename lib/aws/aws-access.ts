import type { Clock } from "../clock.ts";
import { type AwsKeySource, awsKeys } from "./aws-keys.ts";
import { type EksClusters, eksClusters } from "./eks-clusters.ts";

/** AWS, for clusters in EKS. One for a process, so that sessions of roles and places of clusters are shared. */
export interface AwsAccess {
  readonly keys: AwsKeySource;
  readonly eksClusters: EksClusters;
}

/** Opens nothing: the SDK is loaded for the first cluster that needs it. */
export function awsAccess(clock: Clock): AwsAccess {
  const keys = awsKeys(clock);
  return { keys, eksClusters: eksClusters({ clock, keys }) };
}
