import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { policyText } from "../../cli/bootstrap/policy.ts";
import type { VaultRead } from "../../lib/ports/vault.ts";
import { type Cluster, startCluster, startVault, type Vault } from "../harness/index.ts";
import { account, failure, identityOn, openVaultApi, type TestVaultApi } from "./vault-world.ts";

const MOUNT = "kubernetes-test";
const RULE = /path "[^"]+" \{\n {2}capabilities = \[[^\]]+\]\n\}\n/g;
const forever = new AbortController().signal;

/** Logins are made in this namespace, which the policy's template puts into paths. */
const OWN = "default";

type At = Pick<VaultRead, "mount" | "path" | "engine">;

/** What `keyferry bootstrap` prints rules for, one each, and what they are for. */
const USES = [
  { kind: "kv-v2", mount: "kv", path: "{namespace}/*" },
  { kind: "kv-v2", mount: "kv", path: "shared/tls" },
  { kind: "kv-v1", mount: "old", path: "{namespace}/*" },
] as const;

const ALLOWED: readonly At[] = [
  { mount: "kv", path: `${OWN}/db`, engine: "kv-v2" },
  { mount: "kv", path: "shared/tls", engine: "kv-v2" },
  { mount: "old", path: `${OWN}/db`, engine: "kv-v1" },
];

const REFUSED: readonly At[] = [
  { mount: "kv", path: "other/db", engine: "kv-v2" },
  { mount: "kv", path: "shared/tls-of-others", engine: "kv-v2" },
  { mount: "old", path: "other/db", engine: "kv-v1" },
];

describe("the kv policy that keyferry bootstrap prints", { concurrency: true }, () => {
  for (const flavor of ["openbao", "vault"] as const) {
    describe(flavor, { concurrency: 1 }, () => {
      const servers = new AsyncDisposableStack();
      let vault: Vault;
      let end: TestVaultApi;
      let rules: readonly string[];
      let logins = 0;

      before(async () => {
        const [server, cluster]: [Vault, Cluster] = await Promise.all([
          startVault({ flavor }).then((one) => servers.use(one)),
          startCluster().then((one) => servers.use(one)),
        ]);
        vault = server;
        await vault.enableKv("kv", 2);
        await vault.enableKv("old", 1);
        for (const { mount, path } of [...ALLOWED, ...REFUSED]) await vault.putKv(mount, path, { a: "1" });
        await vault.enableKubernetesAuth(cluster, { mount: MOUNT });
        end = servers.use(openVaultApi(cluster));
        const { body } = await vault.request("GET", "sys/auth");
        const accessor = (body.data[`${MOUNT}/`] as { accessor?: string } | undefined)?.accessor;
        rules = policyText(USES, accessor ?? assert.fail("no accessor")).match(RULE) ?? [];
      });
      after(() => servers.disposeAsync());

      /** What a login by the cluster can read with these rules alone, without the policy `default`. */
      const readable = async (granted: readonly string[], places: readonly At[]): Promise<readonly At[]> => {
        const role = `policy-${++logins}`;
        await vault.writePolicy(role, granted.join("\n"));
        await vault.write(`auth/${MOUNT}/role/${role}`, {
          bound_service_account_names: "default",
          bound_service_account_namespaces: OWN,
          token_policies: role,
          token_no_default_policy: true,
          token_ttl: "1h",
        });
        const identity = identityOn(vault, {
          mount: MOUNT,
          method: { kind: "kubernetes", role, credential: account() },
        });
        const found: At[] = [];
        for (const at of places) {
          const read = end.read({ identity, version: 0, ...at }, forever);
          if ((await read.catch(() => undefined)) === undefined) await failure(read, "VAULT_DENIED");
          else found.push(at);
        }
        return found;
      };

      it("allows what is declared, and nothing of another namespace", async () => {
        assert.equal(rules.length, USES.length);
        assert.deepEqual(await readable(rules, [...ALLOWED, ...REFUSED]), ALLOWED);
      });

      it("has no rule without which all of it works", async () => {
        for (const [left, at] of ALLOWED.entries()) {
          const without = rules.filter((_rule, index) => index !== left);
          assert.deepEqual(
            await readable(without, ALLOWED),
            ALLOWED.filter((other) => other !== at),
            rules[left],
          );
        }
      });
    });
  }
});
