import assert from "node:assert/strict";
import { it } from "node:test";
import { type AwsIdentities, furnishAwsLogin } from "../../aws-identities.ts";
import type { Ministack } from "../../harness/index.ts";
import { brokenVault, json } from "../support/broken-vault.ts";
import { OPERATOR_NAMESPACE, ROLE } from "../support/world.ts";
import { API, type AuthScene, NS } from "./scene.ts";

const SERVER_ID = "vault.example.com";
/** The IAM role that the engine's process has. */
export const OWN_ROLE = "fleet";
/** How fleet.yaml lends it. */
export const LENT = { name: "own", method: "aws", role: OWN_ROLE, headerValue: SERVER_ID, mount: "aws" } as const;

/** Logins by AWS identities, to a Vault that asks an AWS that checks every signature. */
export function awsStories(scene: () => AuthScene, aws: () => Ministack, people: () => AwsIdentities): void {
  const spec = (block: object) => ({
    method: "aws",
    mount: "aws",
    aws: { region: aws().region, headerValue: SERVER_ID, stsEndpoint: aws().url, ...block },
  });

  it("aws: by keys that stand in a Secret", async () => {
    const { world, put, declareAuth, place, follows, secrets } = scene();
    const principals = ["user/robot", "role/billing", `role/${OWN_ROLE}`];
    await furnishAwsLogin(world.vault, aws(), principals, { policy: ROLE, serverId: SERVER_ID });
    await declareAuth("aws-keys", spec({ role: "robot", secretRef: "robot" }));
    await place.declare("aws-keys", { path: "db", vaultAuthRef: "aws-keys" });
    await place.failed("aws-keys", "REFERENCE_MISSING");
    const keys = await people().user("robot");
    secrets.push(keys.secret_access_key);
    await put("robot", NS, { ...keys });
    await follows("aws-keys", { vaultAuthRef: "aws-keys" });
  });

  it("aws: by the IAM role that a service account is bound to", async () => {
    const { cluster, declareAuth, place, follows } = scene();
    const metadata = { namespace: NS, name: "billing" };
    await cluster.apply({ apiVersion: "v1", kind: "ServiceAccount", metadata });
    await declareAuth("aws-account", spec({ role: "billing", irsaServiceAccount: "billing", sessionName: "shop" }));
    await place.declare("aws-account", { path: "db", vaultAuthRef: "aws-account" });
    assert.match(await place.failed("aws-account", "REFERENCE_INVALID"), /eks\.amazonaws\.com\/role-arn/);
    const annotations = { "eks.amazonaws.com/role-arn": await people().roleFor("billing", cluster, metadata) };
    await cluster.apply({ apiVersion: "v1", kind: "ServiceAccount", metadata: { ...metadata, annotations } });
    await place.touch("aws-account");
    await follows("aws-account", { vaultAuthRef: "aws-account" });
  });

  it("aws: with the engine's own role where fleet.yaml lends it, for VaultAuths of the operator's namespace alone", async () => {
    const { declareAuth, place, follows } = scene();
    // The header's value is fleet.yaml's.
    const own = { method: "aws", mount: "aws", aws: { role: OWN_ROLE } };
    await declareAuth("aws-own", own);
    await place.declare("aws-own", { path: "db", vaultAuthRef: "aws-own" });
    assert.match(await place.failed("aws-own", "UNSUPPORTED"), /operator's namespace alone/);
    await declareAuth("aws-own", { ...own, allowedNamespaces: [NS] }, OPERATOR_NAMESPACE);
    await follows("aws-own", { vaultAuthRef: `${OPERATOR_NAMESPACE}/aws-own` });
  });

  it("aws: the engine's own role is not signed for another role, another header value or another Vault", async () => {
    const { cluster, declareAuth, place } = scene();
    await using theirs = await brokenVault((response) => json(response, { data: {} }));
    const metadata = { name: "theirs", namespace: OPERATOR_NAMESPACE };
    await cluster.apply({ apiVersion: API, kind: "VaultConnection", metadata, spec: { address: theirs.address } });
    const lured = {
      method: "aws",
      mount: "aws",
      allowedNamespaces: [NS],
      aws: { role: OWN_ROLE, headerValue: SERVER_ID },
    };
    const wishes: readonly (readonly [name: string, spec: object, says: RegExp])[] = [
      ["aws-lured", { ...lured, vaultConnectionRef: "theirs" }, /does not lend/],
      ["aws-role", { ...lured, aws: { role: "billing" } }, /does not lend/],
      [
        "aws-header",
        { ...lured, aws: { role: OWN_ROLE, headerValue: "other" } },
        /spec\.aws\.headerValue differs from that/,
      ],
    ];
    for (const [name, spec, says] of wishes) {
      await declareAuth(name, spec, OPERATOR_NAMESPACE);
      await place.declare(name, { path: "db", vaultAuthRef: `${OPERATOR_NAMESPACE}/${name}` });
      assert.match(await place.failed(name, "REFERENCE_NOT_ALLOWED"), says);
    }
    assert.equal(theirs.reads, 0);
  });
}
