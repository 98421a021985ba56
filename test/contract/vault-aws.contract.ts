import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import type { AwsMethod, VaultIdentity } from "../../lib/ports/vault.ts";
import { type AwsIdentities, awsIdentities, furnishAwsLogin, STRICT } from "../aws-identities.ts";
import { type Cluster, type Ministack, startMinistack, type Vault } from "../harness/index.ts";
import {
  account,
  failure,
  identityOn,
  kv2,
  openVaultApi,
  putSecret,
  reachHere,
  secretKey,
  type TestVaultApi,
} from "./vault-world.ts";

const forever = new AbortController().signal;
const SERVER_ID = "vault.example.com";
const CODE = "VAULT_ADDRESS_NOT_ALLOWED";
const NOWHERE = "http://127.0.0.1:9";
const HERE = { namespace: "default", name: "default" };

/** What is owed by a login with an AWS identity, to a Vault that has it and an AWS that checks every signature. */
export function vaultAwsContract(servers: () => { readonly vault: Vault; readonly cluster: Cluster }): void {
  describe("a login with an AWS identity", () => {
    const started = new AsyncDisposableStack();
    let cluster: Cluster;
    let vault: Vault;
    let aws: Ministack;
    let people: AwsIdentities;
    let end: TestVaultApi;

    before(async () => {
      ({ vault, cluster } = servers());
      aws = started.use(await startMinistack(STRICT));
      people = started.use(awsIdentities(aws));
      end = started.use(openVaultApi(cluster, { reachOf: reachHere(aws.url) }));
      const principals = ["user/robot", "role/shop", "role/billing", "role/audited"];
      await furnishAwsLogin(vault, aws, principals, { policy: "reader", serverId: SERVER_ID });
      await putSecret(cluster, "robot", { ...(await people.user("robot")) });
      await putSecret(cluster, "shop", { ...(await people.session("shop")) });
      const arn = await people.roleFor("billing", cluster, HERE);
      await annotate({ "eks.amazonaws.com/role-arn": arn });
    });
    after(() => started.disposeAsync());

    const annotate = (annotations: Readonly<Record<string, string | null>>) =>
      cluster.apply({ apiVersion: "v1", kind: "ServiceAccount", metadata: { ...HERE, annotations } });
    const identity = (method: Pick<AwsMethod, "role" | "credential"> & Partial<AwsMethod>): VaultIdentity =>
      identityOn(vault, {
        mount: "aws",
        method: { kind: "aws", headerValue: SERVER_ID, region: aws.region, ...method },
      });
    const byAccount = (method: Partial<AwsMethod> = {}) =>
      identity({ role: "billing", credential: account("sts.amazonaws.com"), stsEndpoint: aws.url, ...method });
    const reads = async (who: VaultIdentity) => {
      assert.equal((await end.read(kv2(who, "app"), forever)).fields.get("password"), "s3cr3t");
    };

    it("by keys in a Secret, of a user and of a session", async () => {
      await reads(identity({ role: "robot", credential: secretKey("robot", "access_key_id") }));
      await reads(identity({ role: "shop", credential: secretKey("shop", "access_key_id") }));
    });

    it("signs for the token service of all regions where none is named", async () => {
      const { region: _, ...method } = identity({ role: "shop", credential: secretKey("shop", "access_key_id") })
        .method as AwsMethod;
      await reads(identityOn(vault, { mount: "aws", method }));
    });

    it("by the IAM role that a service account is bound to, in a session of the name that is asked for", async () => {
      await reads(byAccount());
      await reads(byAccount({ sessionName: "keyferry-of-prod" }));
      const accessors = (await vault.read("auth/token/accessors?list=true"))?.data.keys as readonly string[];
      // Tokens of other tests may end meanwhile.
      const lookUp = async (accessor: string) =>
        (await vault.request("POST", "auth/token/lookup-accessor", { accessor })).body.data?.display_name;
      const names = await Promise.all(accessors.map(lookUp));
      assert.ok(names.includes("aws-billing/keyferry") && names.includes("aws-billing/keyferry-of-prod"));
    });

    it("by a token for the audience and the time that the service account is annotated with", async () => {
      const metadata = { namespace: "default", name: "audited" };
      const arn = await people.roleFor("audited", cluster, { ...metadata, audience: "aws.example.com" });
      const annotations = {
        "eks.amazonaws.com/role-arn": arn,
        "eks.amazonaws.com/audience": "aws.example.com",
        "eks.amazonaws.com/token-expiration": "900",
      };
      await cluster.apply({ apiVersion: "v1", kind: "ServiceAccount", metadata: { ...metadata, annotations } });
      const credential = { ...account("sts.amazonaws.com"), name: "audited" };
      await reads(byAccount({ role: "audited", credential }));
    });

    it("is refused where the IAM role does not trust the account, or Vault the role", async () => {
      const stranger = { ...account("sts.amazonaws.com"), name: "stranger" };
      await cluster.apply({
        apiVersion: "v1",
        kind: "ServiceAccount",
        metadata: {
          namespace: "default",
          name: "stranger",
          annotations: { "eks.amazonaws.com/role-arn": "arn:aws:iam::000000000000:role/billing" },
        },
      });
      const refused = await failure(
        end.read(kv2(byAccount({ credential: stranger }), "app"), forever),
        "VAULT_LOGIN_REFUSED",
      );
      assert.match(refused.message, /IAM role arn:aws:iam::000000000000:role\/billing was refused \(AccessDenied/);
      await failure(end.read(kv2(byAccount({ role: "shop" }), "app"), forever), "VAULT_LOGIN_REFUSED");
    });

    it("is refused without the header that the mount demands, and with a wrong signature", async () => {
      const credential = secretKey("robot", "access_key_id");
      await failure(
        end.read(kv2(identity({ role: "robot", credential, headerValue: "x" }), "app"), forever),
        "VAULT_LOGIN_REFUSED",
      );
      const keys = await people.user("forger");
      await putSecret(cluster, "forger", { ...keys, secret_access_key: "s3cr3t-of-another" });
      const forged = identity({ role: "robot", credential: secretKey("forger", "access_key_id") });
      await failure(end.read(kv2(forged, "app"), forever), "VAULT_LOGIN_REFUSED");
    });

    it("says what the Secret, the account or the process lacks", async () => {
      await putSecret(cluster, "half", { access_key_id: "AKIA" });
      const half = identity({ role: "robot", credential: secretKey("half", "access_key_id") });
      assert.match(
        (await failure(end.read(kv2(half, "app"), forever), "REFERENCE_MISSING")).message,
        /secret_access_key/,
      );
      const unbound = { ...account(), name: "unbound" };
      await cluster.apply({
        apiVersion: "v1",
        kind: "ServiceAccount",
        metadata: { namespace: "default", name: "unbound" },
      });
      const error = await failure(
        end.read(kv2(byAccount({ credential: unbound }), "app"), forever),
        "REFERENCE_INVALID",
      );
      assert.match(error.message, /annotate it with eks\.amazonaws\.com\/role-arn/);
    });

    it("goes to no token service on loopback that a VaultAuth names: the same is said of open and closed ports", async () => {
      const open = await failure(end.read(kv2(byAccount({ stsEndpoint: `${aws.url}/x` }), "app"), forever), CODE);
      const closed = await failure(end.read(kv2(byAccount({ stsEndpoint: NOWHERE }), "app"), forever), CODE);
      assert.equal(open.message.replace(`${aws.url}/x`, NOWHERE), closed.message);
      assert.match(closed.message, /vault\.stsEndpoint/);
      const byName = byAccount({ stsEndpoint: aws.url.replace("127.0.0.1", "localhost") });
      await failure(end.read(kv2(byName, "app"), forever), CODE);
      await using strict = openVaultApi(cluster, { reachOf: () => ({ ...reachHere()(undefined), onlyNamed: true }) });
      const elsewhere = byAccount({ stsEndpoint: "https://sts.attacker.example" });
      await failure(strict.read(kv2(elsewhere, "app"), forever), CODE);
    });

    it("says that AWS is out of reach, which opens no circuit of Vault", async () => {
      const lost = byAccount({ stsEndpoint: NOWHERE });
      await using sent = openVaultApi(cluster, { reachOf: reachHere(NOWHERE) });
      const error = await failure(sent.read(kv2(lost, "app"), forever), "CLOUD_UNAVAILABLE");
      assert.equal(error.circuit, undefined);
      aws.server.pause();
      try {
        const late = end.read(kv2(byAccount(), "app"), AbortSignal.timeout(200));
        await failure(late, "DEADLINE_EXCEEDED");
      } finally {
        aws.server.resume();
      }
    });
  });
}
