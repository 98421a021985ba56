import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { after, before, describe, it } from "node:test";
import { SyncError } from "../../lib/errors.ts";
import { syncKey } from "../../lib/keys.ts";
import type { VaultIdentity } from "../../lib/ports/vault.ts";
import type { IssuedData, IssueTarget, OwnToken, VaultRequest } from "../../lib/ports/vault-issues.ts";
import { SecretValue } from "../../lib/secret-value.ts";
import { type Cluster, startCluster, startPostgres, startVault, type Vault } from "../harness/index.ts";
import { appRole, openVaultApi, type TestVaultApi } from "./vault-world.ts";

const POLICY = new URL("../../infra/vault/issuing.hcl", import.meta.url);
const RULE = /path "([^"]+)" \{\n {2}capabilities = \["(\w+)"\]\n\}\n/g;
const PUBLIC_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEE0A1pSgfPXhC0g6oIzW9TgxQ0m5jN3vWlyN5u0zGQ2";
const BY = syncKey({ cluster: "test", kind: "VaultPKISecret", namespace: "default", name: "shop" });
const forever = new AbortController().signal;

/** A login with some of the policy's rules, and without the policy `default`. */
interface Holder {
  readonly end: TestVaultApi;
  readonly identity: VaultIdentity;
  readonly way: IssueTarget;
  readonly own: OwnToken;
  readonly issued: IssuedData;
}

const CREDS: VaultRequest = { method: "GET", mount: "database", path: "creds/shop" };
const posted = (mount: string, path: string, body: NonNullable<VaultRequest["body"]>): VaultRequest => ({
  ...{ method: "POST", mount, path, body },
});
const CERTIFICATE = { common_name: "shop.example.com", ttl: "10m" };

/** Whether keyferry gets what this rule is for. */
const USES: Readonly<Record<string, (holder: Holder) => Promise<boolean>>> = {
  "database/creds/shop": issues(CREDS),
  "database/static-creds/shop-fixed": issues({ method: "GET", mount: "database", path: "static-creds/shop-fixed" }),
  "ssh/sign/shop": issues(posted("ssh", "sign/shop", { public_key: PUBLIC_KEY, valid_principals: "a" })),
  "kubernetes/creds/shop": issues(posted("kubernetes", "creds/shop", { kubernetes_namespace: "default", ttl: "600s" })),
  "pki/issue/shop": issues(posted("pki", "issue/shop", CERTIFICATE)),
  "pki/issuer/+/issue/shop": issues(posted("pki", "issuer/default/issue/shop", CERTIFICATE)),
  "pki/revoke": async ({ end, identity, issued }) => {
    const body = { serial_number: String(issued.fields.get("serial_number")) };
    await end.issues.ask(identity, posted("pki", "revoke", body), BY, true, forever);
    return true;
  },
  "sys/leases/renew": async ({ end, way, own, issued }) =>
    (await end.issues.renewLease(way, own.value, leaseOf(issued), forever)).kind === "renewed",
  "auth/token/renew-self": async ({ end, way, own }) =>
    (await end.issues.renewToken(way, own.value, own.seconds, forever)).kind === "renewed",
  "auth/token/revoke-self": async ({ end, way, own }) =>
    (await end.issues.revokeToken(way, own.value, forever)) === "ended",
  // A token that may not ask is thought to have all rights.
  "sys/capabilities-self": async ({ end, way, own }) => {
    const { token, lease } = await end.issues.endRights(way, own.value, forever);
    return token && !lease;
  },
  "sys/leases/lookup": async ({ end, way, own, issued }) =>
    (await end.issues.lookUpLease(way, own.value, leaseOf(issued).id, forever)).kind === "renewed",
};

function issues(request: VaultRequest) {
  return async ({ end, way, own }: Holder): Promise<boolean> => {
    const { fields } = await end.issues.issue(way, own.value, request, forever);
    return fields.size > 0;
  };
}

function leaseOf({ lease }: IssuedData) {
  return lease ?? assert.fail("it has no lease");
}

describe("infra/vault/issuing.hcl", { concurrency: true }, () => {
  for (const flavor of ["openbao", "vault"] as const) {
    describe(flavor, { concurrency: 1 }, () => {
      const servers = new AsyncDisposableStack();
      let vault: Vault;
      let cluster: Cluster;
      let end: TestVaultApi;
      let rules: readonly { readonly path: string; readonly text: string }[];

      before(async () => {
        const [postgres, started, server, text] = await Promise.all([
          startPostgres().then((one) => servers.use(one)),
          startCluster().then((one) => servers.use(one)),
          startVault({ flavor }).then((one) => servers.use(one)),
          readFile(POLICY, "utf8"),
        ]);
        [vault, cluster] = [server, started];
        await vault.enableDatabase(postgres);
        await vault.putDatabaseRole("shop", { defaultTtl: "10m" });
        await vault.putStaticRole(postgres, "shop-fixed", { rotationPeriod: "1h" });
        await vault.enablePki();
        await vault.putPkiRole("shop");
        await vault.enableSsh({ role: "shop" });
        await vault.enableKubernetesSecrets(cluster);
        await vault.putKubernetesRole("shop", { account: "default" });
        end = servers.use(openVaultApi(cluster));
        rules = [...text.matchAll(RULE)].map(([rule, path = ""]) => ({ path, text: rule }));
      });
      after(() => servers.disposeAsync());

      let logins = 0;
      const withRules = async (texts: readonly string[], on: VaultRequest): Promise<Holder> => {
        const policy = `issuing-${++logins}`;
        await vault.writePolicy(policy, texts.join("\n"));
        const identity = await appRole({ vault, cluster }, { policies: [policy], ttl: "10m" });
        await vault.write(`auth/approle/role/${identity.role}`, { token_no_default_policy: true });
        const way: IssueTarget = { target: identity.target };
        const own = await end.issues.login(identity, forever);
        // What there is to renew, look up or revoke; by root where the rule for it is the one that is left out.
        const issued = await end.issues.issue(way, SecretValue.of(vault.token), on, forever);
        return { end, identity, way, own, issued: on === CREDS ? await ofItsOwn(way, own, issued) : issued };
      };
      const ofItsOwn = (way: IssueTarget, own: OwnToken, otherwise: IssuedData): Promise<IssuedData> =>
        end.issues.issue(way, own.value, CREDS, forever).catch(() => otherwise);
      const works = async (path: string, texts: readonly string[]): Promise<boolean> => {
        const holder = await withRules(texts, path === "pki/revoke" ? posted("pki", "issue/shop", CERTIFICATE) : CREDS);
        try {
          return (await USES[path]?.(holder)) ?? assert.fail(`nothing is known of ${path}`);
        } catch (error) {
          if (error instanceof SyncError && error.code === "VAULT_DENIED") return false;
          throw error;
        }
      };

      it("has the rules that are tested here", () => {
        assert.deepEqual(rules.map(({ path }) => path).sort(), Object.keys(USES).sort());
      });

      for (const path of Object.keys(USES)) {
        it(`lets keyferry use ${path}, and nothing else of it does`, async () => {
          const all = rules.map(({ text }) => text);
          const without = rules.filter((rule) => rule.path !== path).map(({ text }) => text);
          assert.equal(await works(path, all), true, "with the whole policy");
          assert.equal(await works(path, without), false, "without this rule");
        });
      }
    });
  }
});
