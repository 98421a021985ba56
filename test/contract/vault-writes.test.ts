import assert from "node:assert/strict";
import { after, before, describe } from "node:test";
import { type Cluster, startCluster, startVault, type Vault } from "../harness/index.ts";
import { furnish } from "./vault-world.ts";
import { vaultWritesContract } from "./vault-writes.contract.ts";

const FLAVORS = ["openbao", "vault"] as const;

describe("kv mounts", () => {
  const servers = new AsyncDisposableStack();
  let cluster: Cluster;
  const vaults = new Map<string, Vault>();

  before(async () => {
    const starting = startCluster();
    await Promise.all(FLAVORS.map(async (flavor) => vaults.set(flavor, servers.use(await startVault({ flavor })))));
    cluster = servers.use(await starting);
    for (const vault of vaults.values()) await furnish(vault);
  });
  after(() => servers.disposeAsync());

  for (const flavor of FLAVORS) {
    vaultWritesContract(flavor, () => ({ vault: vaults.get(flavor) ?? assert.fail(), cluster }));
  }
});
