import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { type Cluster, type Postgres, startCluster, startPostgres, startVault, type Vault } from "../harness/index.ts";
import { issueApiContract } from "./issue-api.contract.ts";
import { appRole, failure, openVaultApi } from "./vault-world.ts";

const forever = new AbortController().signal;
const FLAVORS = ["openbao", "vault"] as const;

describe("credentials", () => {
  const servers = new AsyncDisposableStack();
  let cluster: Cluster;
  let postgres: Postgres;
  const vaults = new Map<string, Vault>();
  const vaultOf = (flavor: string): Vault => vaults.get(flavor) ?? assert.fail();

  before(async () => {
    const starting = Promise.all([startCluster(), startPostgres()]);
    await Promise.all(FLAVORS.map(async (flavor) => vaults.set(flavor, servers.use(await startVault({ flavor })))));
    [cluster, postgres] = await starting;
    servers.use(cluster);
    servers.use(postgres);
    for (const vault of vaults.values()) {
      await vault.enableDatabase(postgres);
      await vault.enablePki();
    }
  });
  after(() => servers.disposeAsync());

  const CREATING = "SELECT 1 FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep%' AND state = 'active'";
  for (const flavor of FLAVORS) {
    issueApiContract(flavor, () => ({
      vault: vaultOf(flavor),
      cluster,
      login: postgres.login,
      isCreating: async () => (await postgres.query(CREATING)).length > 0,
      // Both Vaults share the database.
      putStaticRole: (name, rotationPeriod) => vaultOf(flavor).putStaticRole(postgres, name, { rotationPeriod }),
    }));

    it(`of ${flavor} that are wrapped are refused`, async () => {
      const vault = vaultOf(flavor);
      await using end = openVaultApi(cluster);
      await vault.putDatabaseRole("wrapped");
      const identity = await appRole({ vault, cluster }, { policies: ["issuer"] });
      const own = await end.issues.login(identity, forever);
      const target = { ...identity.target, headers: { "X-Vault-Wrap-TTL": "60s" } };
      const request = { method: "GET", mount: "database", path: "creds/wrapped" } as const;
      const error = await failure(end.issues.issue({ target }, own.value, request, forever), "VAULT_ANSWER_INVALID");
      assert.equal(error.outcome, "unknown");
      assert.match(error.message, /is wrapped/);
      assert.equal(await end.issues.revokeToken({ target }, own.value, forever), "ended");
    });
  }
});
