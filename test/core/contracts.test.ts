import { after, before, describe } from "node:test";
import { clusterApiContract } from "../contract/cluster-api.contract.ts";
import { issueApiContract } from "../contract/issue-api.contract.ts";
import { keptTokensContract } from "../contract/kept-tokens.contract.ts";
import type { OpenCluster } from "../contract/kubernetes-fixtures.ts";
import { resourceApiContract } from "../contract/resource-api.contract.ts";
import { secretApiContract } from "../contract/secret-api.contract.ts";
import { vaultApiContract } from "../contract/vault-api.contract.ts";
import { vaultTokensContract } from "../contract/vault-tokens.contract.ts";
import { furnish } from "../contract/vault-world.ts";
import { vaultWritesContract } from "../contract/vault-writes.contract.ts";
import { workQueueContract } from "../contract/work-queue.contract.ts";
import { workloadApiContract } from "../contract/workload-api.contract.ts";
import { DECLARED_KINDS } from "./world/api/kinds.ts";
import { memoryCluster } from "./world/cluster.ts";
import { memoryQueue } from "./world/queue.ts";
import { worldTime } from "./world/time.ts";
import { memoryVault } from "./world/vault.ts";

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

secretApiContract("a cluster in memory", open);
resourceApiContract("a cluster in memory", open);
clusterApiContract("a cluster in memory", open);
workloadApiContract("a cluster in memory", open);

describe("Vault ends", () => {
  const time = worldTime(Date.now());
  const cluster = memoryCluster({ name: "test", time });
  const vault = memoryVault({ address: "https://vault.test:8200", time });
  const flowing = time.flowing(SPEED);

  before(async () => {
    await furnish(vault);
    await vault.enableKubernetesAuth(cluster);
    await vault.enableJwtAuth(cluster);
    await vault.enableDatabase();
    await vault.enablePki();
  });
  after(() => flowing[Symbol.dispose]());

  vaultApiContract("memory", () => ({ vault, cluster }));
  vaultTokensContract("memory", () => ({ vault, cluster }));
  keptTokensContract("memory", () => ({ vault, cluster }));
  vaultWritesContract("memory", () => ({ vault, cluster }));
  issueApiContract("memory", () => ({
    ...{ vault, cluster, login: vault.login },
    isCreating: async () => vault.isWorking(),
    putStaticRole: (name, rotationPeriod) => vault.putStaticRole(name, { rotationPeriod }),
  }));
});

workQueueContract("in memory", (handle) => {
  const time = worldTime(Date.now());
  const flowing = time.flowing(SPEED);
  const queue = memoryQueue({ time, atOnce: 50 });
  queue.join(async (message) => {
    if (message.kind === "keys") await handle(message);
    return true;
  });
  const until = async (isSo: () => boolean): Promise<void> => {
    for (let waited = 0; !isSo(); waited += 10) {
      if (waited > 60_000) throw new Error("waited in vain");
      await time.sleep(10);
    }
  };
  return { queue, until, now: time.now, [Symbol.dispose]: () => flowing[Symbol.dispose]() };
});
