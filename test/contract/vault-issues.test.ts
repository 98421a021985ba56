import { after, before, describe } from "node:test";
import { type Cluster, startCluster, startPostgres, startVault } from "../harness/index.ts";
import { enginesContract } from "./vault-issues/engines.contract.ts";
import { leasesContract } from "./vault-issues/leases.contract.ts";
import { namespacesContract } from "./vault-issues/namespaces.contract.ts";
import { outageContract } from "./vault-issues/outage.contract.ts";
import { tokensContract } from "./vault-issues/tokens.contract.ts";
import type { IssueServers } from "./vault-issues/world.ts";

const FLAVORS = ["openbao", "vault"] as const;

/** Facts of both servers that issuing builds on: if one of them changes, the protocol of an issue has to. */
describe("what Vault servers do with what they issue", { concurrency: true }, () => {
  for (const flavor of FLAVORS) {
    // The two side by side, and the tests of each one after the other: the database goes down in some.
    describe(flavor, { concurrency: 1 }, () => {
      const servers = new AsyncDisposableStack();
      let world: IssueServers | undefined;

      before(async () => {
        const [postgres, cluster, vault] = await Promise.all([
          startPostgres().then((started) => servers.use(started)),
          startCluster().then((started: Cluster) => servers.use(started)),
          startVault({ flavor }).then((started) => servers.use(started)),
        ]);
        await vault.enableDatabase(postgres);
        await vault.enablePki();
        await vault.enableSsh({ role: "user" });
        await vault.enableKubernetesSecrets(cluster);
        world = { vault, postgres, cluster };
      });
      after(() => servers.disposeAsync());

      const here = (): IssueServers => {
        if (world === undefined) throw new Error("its servers did not start");
        return world;
      };
      leasesContract(flavor, here);
      tokensContract(flavor, here);
      enginesContract(flavor, here);
      outageContract(flavor, here);
      if (flavor === "openbao") namespacesContract(here);
    });
  }
});
