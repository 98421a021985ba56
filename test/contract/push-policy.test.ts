import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { after, before, describe, it } from "node:test";
import { SyncError } from "../../lib/errors.ts";
import type { KvField, KvFields, KvPath, Pusher, VaultWrites } from "../../lib/ports/vault-writes.ts";
import { SecretValue } from "../../lib/secret-value.ts";
import { aKey } from "../builders.ts";
import { type Cluster, startCluster, startVault, type Vault } from "../harness/index.ts";
import { appRole, openVaultApi, type TestVaultApi } from "./vault-world.ts";

const POLICY = new URL("../../infra/vault/push.hcl", import.meta.url);
const RULE = /^path "([^"]+)" \{\n {2}capabilities = \[([^\]]+)\]\n\}$/gm;
const forever = new AbortController().signal;

interface Rule {
  readonly path: string;
  readonly capabilities: readonly string[];
}

/** One request of a push, and what has to be there before. */
interface Use {
  readonly engine: KvPath["engine"];
  readonly exists: boolean;
  readonly work: (writes: VaultWrites, who: Pusher, at: KvPath) => Promise<unknown>;
}

const field: KvField = { value: SecretValue.of("2"), base64: false };
const FIELDS: KvFields = new Map([["a", field]]);
const read: Use["work"] = (writes, who, at) => writes.read(who, at, forever);
const put: (cas: number) => Use["work"] = (cas) => (writes, who, at) => writes.put(who, at, FIELDS, cas, forever);
const v2 = (exists: boolean, work: Use["work"]): Use => ({ engine: "kv-v2", exists, work });
const v1 = (exists: boolean, work: Use["work"]): Use => ({ engine: "kv-v1", exists, work });

/** What each capability of each rule is for. */
const USES: Readonly<Record<string, Use>> = {
  "kv/data/apps/shop/* create": v2(false, put(0)),
  "kv/data/apps/shop/* read": v2(true, read),
  "kv/data/apps/shop/* update": v2(true, put(1)),
  "kv/data/apps/shop/* patch": v2(true, (writes, who, at) => writes.patch(who, at, FIELDS, 1, forever)),
  "kv/delete/apps/shop/* update": v2(true, (writes, who, at) => writes.remove(who, at, 1, forever)),
  "kv/metadata/apps/shop/* patch": v2(true, (writes, who, at) => writes.describe(who, at, { a: "1" }, forever)),
  "kv/metadata/apps/shop/* delete": v2(true, (writes, who, at) => writes.removeAll(who, at, forever)),
  "kv-v1/apps/shop/* create": v1(false, put(0)),
  "kv-v1/apps/shop/* read": v1(true, read),
  "kv-v1/apps/shop/* update": v1(true, put(0)),
  "kv-v1/apps/shop/* delete": v1(true, (writes, who, at) => writes.remove(who, at, undefined, forever)),
};

const MOUNTS = { "kv-v2": "kv", "kv-v1": "kv-v1" } as const;

function hclOf(rules: readonly Rule[]): string {
  return rules
    .filter(({ capabilities }) => capabilities.length > 0)
    .map(({ path, capabilities }) => `path "${path}" { capabilities = ${JSON.stringify(capabilities)} }`)
    .join("\n");
}

async function isAllowed(work: Promise<unknown>): Promise<boolean> {
  try {
    await work;
    return true;
  } catch (error) {
    if (error instanceof SyncError && error.code === "VAULT_DENIED") return false;
    throw error;
  }
}

describe("infra/vault/push.hcl", { concurrency: true }, () => {
  for (const flavor of ["openbao", "vault"] as const) {
    describe(flavor, { concurrency: 1 }, () => {
      const servers = new AsyncDisposableStack();
      let vault: Vault;
      let cluster: Cluster;
      let end: TestVaultApi;
      let rules: readonly Rule[];
      let paths = 0;

      before(async () => {
        [vault, cluster] = await Promise.all([
          startVault({ flavor }).then((one) => servers.use(one)),
          startCluster().then((one) => servers.use(one)),
        ]);
        await vault.enableKv("kv", 2);
        await vault.enableKv("kv-v1", 1);
        end = servers.use(openVaultApi(cluster));
        const text = (await readFile(POLICY, "utf8")).replaceAll(/\{\{identity[^}]*\}\}/g, "shop");
        rules = [...text.matchAll(RULE)].map(([, path = "", list = ""]) => ({
          path,
          capabilities: [...list.matchAll(/"(\w+)"/g)].map(([, one = ""]) => one),
        }));
      });
      after(() => servers.disposeAsync());

      /** Whether a login with these rules may do it, somewhere new. */
      const works = async (granted: readonly Rule[], { engine, exists, work }: Use): Promise<boolean> => {
        paths += 1;
        const at: KvPath = { mount: MOUNTS[engine], engine, path: `apps/shop/p${paths}` };
        if (exists) await vault.putKv(at.mount, at.path, { a: "1" });
        const policy = `push-${paths}`;
        await vault.writePolicy(policy, hclOf(granted));
        const who: Pusher = { identity: await appRole({ vault, cluster }, { policies: [policy] }), by: aKey() };
        return isAllowed(work(end.writes, who, at));
      };

      it("has the rules that are tested here", () => {
        const all = rules.flatMap(({ path, capabilities }) => capabilities.map((one) => `${path} ${one}`));
        assert.deepEqual(all.toSorted(), Object.keys(USES).toSorted());
      });

      for (const [name, use] of Object.entries(USES)) {
        it(`needs ${name}, and nothing else allows the same`, async () => {
          const [path, capability] = name.split(" ");
          const without = rules.map((rule) =>
            rule.path === path ? { path, capabilities: rule.capabilities.filter((one) => one !== capability) } : rule,
          );
          assert.equal(await works(rules, use), true, "with the whole policy");
          assert.equal(await works(without, use), false, "without it");
        });
      }
    });
  }
});
