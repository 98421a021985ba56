import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import type { GcpMethod, VaultIdentity } from "../../lib/ports/vault.ts";
import type { Cluster, Vault } from "../harness/index.ts";
import { type Google, startGoogle } from "./google.ts";
import { account, failure, identityOn, kv2, openVaultApi, type TestVaultApi } from "./vault-world.ts";

const forever = new AbortController().signal;
const PLACE = { projectID: "shop-prod", region: "europe-west3", clusterName: "main" };
const EMAIL = "vault@shop-prod.iam.gserviceaccount.com";
const ACCOUNT = "workload";

/**
 * What is owed by a login with a Google Cloud identity, as far as it goes without Google: our server in its place, and a Vault
 * that takes the ID token at its JWT login, whose request is the same as that of the GCP one.
 */
export function vaultGcpContract(
  name: string,
  servers: () => { readonly vault: Vault; readonly cluster: Cluster },
): void {
  describe(`a login with a Google Cloud identity on ${name}`, () => {
    const started = new AsyncDisposableStack();
    const mount = "gcp";
    let cluster: Cluster;
    let vault: Vault;
    let google: Google;
    let end: TestVaultApi;

    before(async () => {
      ({ vault, cluster } = servers());
      const member = `system:serviceaccount:default:${ACCOUNT}`;
      google = started.use(await startGoogle({ cluster, ...PLACE, email: EMAIL, member }));
      end = started.use(openVaultApi(cluster, { google: google.endpoints }));
      await declare(ACCOUNT, { "iam.gke.io/gcp-service-account": EMAIL });
      await vault.write(`sys/auth/${mount}`, { type: "jwt" });
      const keys = { jwt_validation_pubkeys: [google.publicKeyPem], bound_issuer: "https://accounts.google.com" };
      await vault.write(`auth/${mount}/config`, keys);
      await vault.write(`auth/${mount}/role/shop`, {
        role_type: "jwt",
        user_claim: "email",
        bound_audiences: "https://vault/shop",
        bound_claims: { email: EMAIL },
        token_policies: "reader",
      });
    });
    after(() => started.disposeAsync());

    const declare = (account: string, annotations: Readonly<Record<string, string>> = {}) =>
      cluster.apply({
        apiVersion: "v1",
        kind: "ServiceAccount",
        metadata: { namespace: "default", name: account, annotations },
      });
    const by = (serviceAccount: string, more: Partial<GcpMethod> = {}): VaultIdentity => {
      const credential = {
        ...account(`${PLACE.projectID}.svc.id.goog`),
        name: serviceAccount,
      } as GcpMethod["credential"];
      return identityOn(vault, { mount, method: { kind: "gcp", role: "shop", credential, ...PLACE, ...more } });
    };
    const read = (identity: VaultIdentity) => end.read(kv2(identity, "app"), forever);

    it("by the Google service account that the service account is bound to", async () => {
      assert.equal((await read(by(ACCOUNT))).fields.get("password"), "s3cr3t");
    });

    it("is refused for another role of Vault's: the token is for one alone", async () => {
      await failure(read(by(ACCOUNT, { role: "other" })), "VAULT_LOGIN_REFUSED");
    });

    it("says what Google refuses, and what to look at", async () => {
      const elsewhere = await failure(read(by(ACCOUNT, { region: "us-east1" })), "VAULT_LOGIN_REFUSED");
      assert.match(elsewhere.message, /request to Google to exchange the token was refused \(400\): check region/);
      await declare("stranger", { "iam.gke.io/gcp-service-account": EMAIL });
      assert.match((await failure(read(by("stranger")), "VAULT_LOGIN_REFUSED")).message, /\(403\)/);
    });

    it("says that the service account is bound to none", async () => {
      await declare("unbound");
      const error = await failure(read(by("unbound")), "REFERENCE_INVALID");
      assert.match(error.message, /annotate it with iam\.gke\.io\/gcp-service-account/);
    });

    it("says that Google fails, which opens no circuit of Vault", async () => {
      for (const status of [429, 500, 503]) {
        google.fail(status);
        const error = await failure(read(by(ACCOUNT)), "CLOUD_UNAVAILABLE");
        assert.equal(error.circuit, undefined);
      }
      google.fail(undefined);
      await read(by(ACCOUNT));
    });
  });
}
