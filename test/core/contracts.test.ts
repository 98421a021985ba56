import { clusterEndContract } from "../contract/cluster-end.contract.ts";
import type { OpenCluster } from "../contract/kubernetes-fixtures.ts";
import { resourceEndContract } from "../contract/resource-end.contract.ts";
import { rolloutEndContract } from "../contract/rollout-end.contract.ts";
import { secretEndContract } from "../contract/secret-end.contract.ts";
import { DECLARED_KINDS } from "./world/api/kinds.ts";
import { memoryCluster } from "./world/cluster.ts";
import { worldTime } from "./world/time.ts";

/** A watch of a second ends after 50 ms. */
const SPEED = 20;

/** A cluster in memory whose clock runs by itself, since these suites were written for real time. */
const open: OpenCluster = async ({ name = "test", crds = [], admissionPlugins = [] }) => {
  const time = worldTime(Date.now());
  const flowing = time.flowing(SPEED);
  const guardsOwners = admissionPlugins.includes("OwnerReferencesPermissionEnforcement");
  const kinds = crds.length === 0 ? DECLARED_KINDS : [];
  const cluster = memoryCluster({ name, time, kinds, guardsOwners });
  await cluster.apply(crds);
  return Object.assign(cluster, { [Symbol.asyncDispose]: async () => flowing[Symbol.dispose]() });
};

secretEndContract("a cluster in memory", open);
resourceEndContract("a cluster in memory", open);
clusterEndContract("a cluster in memory", open);
rolloutEndContract("a cluster in memory", open);
