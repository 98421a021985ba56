import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { ClusterSettings } from "../../../lib/ports/fleet.ts";
import type { FleetVault } from "../../../lib/ports/fleet-vault.ts";
import type { JsonObject } from "../../../lib/util/json.ts";
import { aCluster } from "../../builders.ts";
import { account, EAST, fails, identity, login, mine, type Objects } from "./logged-in.ts";

describe("a login by AWS", () => {
  const aws = (block: JsonObject) => mine({ method: "aws", mount: "aws", aws: block });

  it("uses a Secret, else a service account", () => {
    const block = {
      role: "r",
      region: "eu-central-1",
      headerValue: "v",
      sessionName: "s",
      stsEndpoint: "https://STS/",
    };
    const bySecret = login(aws({ ...block, iamEndpoint: "https://iam", secretRef: "keys", irsaServiceAccount: "sa" }));
    assert.deepEqual(bySecret.identity?.method, {
      kind: "aws",
      role: "r",
      credential: { kind: "secret", cluster: "east", namespace: "shop", name: "keys", key: "access_key_id" },
      region: "eu-central-1",
      headerValue: "v",
      sessionName: "s",
      stsEndpoint: "https://sts",
    });
    assert.ok(bySecret.asked.includes("Secret/shop/keys"));
    const { method } = identity(aws({ role: "r", irsaServiceAccount: "sa" }));
    assert.deepEqual(method, { kind: "aws", role: "r", credential: account("sa", ["sts.amazonaws.com"], 86_400) });
  });

  describe("with the process's own identity", () => {
    const ADDRESS = "https://vault.example:8200";
    const LENT = { name: "hub", method: "aws", role: "r", headerValue: "v", region: "eu-central-1" } as const;
    const VAULT: FleetVault = { name: "main", addresses: [ADDRESS], identities: [LENT] };
    const lending = (vault: Partial<FleetVault> = {}, identities = ["main/hub"]) =>
      aCluster({ vaults: [{ ...VAULT, ...vault }], vault: { identities } });
    const own = (block: object = {}, spec: object = {}): Objects => ({
      "VaultAuth/vso/default": { method: "aws", mount: "aws", aws: { role: "r", ...block }, ...spec },
    });
    const refused = (objects: Objects, cluster: ClusterSettings, message: RegExp) => {
      const { error } = login(objects, "", cluster);
      assert.equal(error?.code, "REFERENCE_NOT_ALLOWED", error?.message);
      assert.equal(error.lacks, undefined);
      assert.match(error.message, message);
    };

    it("is lent to the operator's VaultAuths, with region and header value of fleet.yaml", () => {
      const { method } = identity(own(), "", lending());
      const { name: _, ...lent } = LENT;
      const { method: kind, ...rest } = lent;
      assert.deepEqual(method, { kind, ...rest, credential: { kind: "process" } });
      const shared = { "VaultAuth/vso/aws": { ...own()["VaultAuth/vso/default"], allowedNamespaces: ["shop"] } };
      assert.equal(identity(shared, "vso/aws", lending()).method.credential.kind, "process");
      assert.equal(identity(own({ headerValue: "v", region: "eu-central-1" }), "", lending()).method.kind, "aws");
    });

    it("is no VaultAuth's elsewhere", () => {
      const says = /spec\.aws without secretRef or irsaServiceAccount .*operator's namespace/;
      const { error } = login(aws({ role: "r" }), "mine", lending());
      assert.equal(error?.code, "UNSUPPORTED");
      assert.match(error.message, says);
    });

    it("is lent to no cluster that fleet.yaml does not name for it, for that Vault, role and mount", () => {
      refused(own(), EAST, /does not lend to cluster east for role r of https:\/\/vault\.example:8200/);
      refused(own(), aCluster({ vaults: [VAULT] }), /does not lend/);
      refused(own(), lending({}, []), /add one of its identities to the cluster's vault\.identities/);
      refused(own(), lending({ addresses: ["https://other:8200"] }), /does not lend/);
      refused(own({ role: "admin" }), lending(), /does not lend/);
      refused(own(), lending({ identities: [{ ...LENT, mount: "aws-hub" }] }), /does not lend/);
      const theirs = { "VaultConnection/vso/default": { address: "https://theirs.example" } };
      refused({ ...own(), ...theirs }, lending(), /of https:\/\/theirs\.example/);
    });

    it("is lent at the mount that fleet.yaml names, and at any where it names none", () => {
      const atHub = lending({ identities: [{ ...LENT, mount: "aws-hub" }] });
      assert.equal(identity(own({}, { mount: "aws-hub" }), "", atHub).mount, "aws-hub");
      assert.equal(identity(own({}, { mount: "other" }), "", lending()).mount, "other");
      refused(own({}, { mount: "other" }), atHub, /^VaultAuth vso\/default would log in/);
    });

    it("signs for nothing that the VaultAuth says otherwise", () => {
      refused(
        own({ headerValue: "other" }),
        lending(),
        /spec\.aws\.headerValue differs from that of identity main\/hub/,
      );
      refused(own({ region: "us-east-1" }), lending(), /spec\.aws\.region differs from that/);
      const both = { headerValue: "other", region: "us-east-1" };
      refused(own(both), lending(), /its spec\.aws\.headerValue and spec\.aws\.region differs from that/);
    });

    it("has no region where neither says one", () => {
      const { region: _region, ...anywhere } = LENT;
      const { method } = identity(own(), "", lending({ identities: [anywhere] }));
      assert.deepEqual(method, { kind: "aws", role: "r", headerValue: "v", credential: { kind: "process" } });
      const [east, west] = ["east", "west"].map((name) => identity(own(), "", { ...lending(), name }).id);
      assert.notEqual(east, west, "clusters share no token");
    });

    it("has the VaultAuth's region where fleet.yaml says none", () => {
      const { region: _region, ...anywhere } = LENT;
      const { method } = identity(own({ region: "us-east-1" }), "", lending({ identities: [anywhere] }));
      assert.equal(method.kind === "aws" && method.region, "us-east-1");
    });

    it("trusts whom fleet.yaml trusts", () => {
      const by = (spec: object): Objects => ({
        ...own(),
        "VaultConnection/vso/default": { address: ADDRESS, ...spec },
      });
      refused(by({ skipTLSVerify: true }), lending(), /skipTLSVerify/);
      refused(by({ tlsServerName: "theirs" }), lending(), /tlsServerName/);
      refused(by({ caCertSecretRef: "ca" }), lending(), /set caFile of vaults main/);
      const { target } = identity(by({ caCertSecretRef: "ca" }), "", lending({ caFile: "./ca.pem" }));
      assert.deepEqual(target, {
        address: ADDRESS,
        cluster: "east",
        connection: "vso/default",
        headers: {},
        caOf: "main",
        skipTlsVerify: false,
        timeoutMs: 8_000,
        place: "east/shop",
      });
    });
  });

  it("says what is wrong with it", () => {
    fails(aws({}), "REFERENCE_INVALID", /spec\.aws\.role: required/);
    const keys = { role: "r", secretRef: "keys" };
    fails(aws({ ...keys, stsEndpoint: "sts" }), "REFERENCE_INVALID", /spec\.aws\.stsEndpoint: must be a URL/);
    fails(aws({ ...keys, region: "evil.example/" }), "REFERENCE_INVALID", /spec\.aws\.region: must be the name of/);
  });

  it("keeps its mount: the fleet's is for a cluster's own tokens", () => {
    const cluster = { ...EAST, vault: { authMount: "kubernetes-east" } };
    assert.equal(identity(aws({ role: "r", secretRef: "keys" }), "mine", cluster).mount, "aws");
  });
});

describe("a login by Google Cloud", () => {
  const gcp = (block: JsonObject) => mine({ method: "gcp", mount: "gcp", gcp: block });
  const BLOCK = {
    role: "r",
    workloadIdentityServiceAccount: "sa",
    region: "europe-west3",
    clusterName: "c",
    projectID: "p",
  };

  it("shows a token for the project's own pool of workload identities", () => {
    const { role, workloadIdentityServiceAccount: _, ...place } = BLOCK;
    const credential = account("sa", ["p.svc.id.goog"], 600);
    assert.deepEqual(identity(gcp(BLOCK)).method, { kind: "gcp", role, credential, ...place });
  });

  it("names what VSO would ask a node's metadata server for", () => {
    const { region: _, projectID: __, ...without } = BLOCK;
    fails(gcp(without), "UNSUPPORTED", /spec\.gcp\.region, spec\.gcp\.projectID would be read from .* set it/);
  });

  it("says what is missing", () => {
    fails(
      gcp({}),
      "REFERENCE_INVALID",
      /spec\.gcp\.role: required; spec\.gcp\.workloadIdentityServiceAccount: required/,
    );
  });
});
