import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { lacksAudience, loginMethod } from "../../../lib/declarations/login-method.ts";
import type { VaultAuthSpec } from "../../../lib/declarations/vault-auth.ts";
import type { Complaint } from "../../../lib/util/complaints.ts";
import { pathText } from "../../../lib/util/complaints.ts";
import { aCluster } from "../../builders.ts";

const PLACE = { cluster: aCluster(), namespace: "shop" };
const DEMANDING = { ...PLACE, cluster: aCluster({ vault: { requireAudiences: true } }) };
const account = (name: string, more: object = {}) => ({
  ...{ kind: "serviceAccount", cluster: "east", namespace: "shop", name, audiences: [], expirationSeconds: 600 },
  ...more,
});
const secret = (name: string, key: string) => ({ kind: "secret", cluster: "east", namespace: "shop", name, key });
const method = (spec: object, place = PLACE) => loginMethod(spec as VaultAuthSpec, place);
const lacks = (spec: object, place = PLACE) =>
  (method(spec, place) as readonly Complaint[]).map(({ path, message }) => `${pathText(path)}: ${message}`);
const block = { role: "r", serviceAccount: "sa", audiences: ["vault"], tokenExpirationSeconds: 700 };

describe("how a VaultAuth logs in", () => {
  it("is by the method that it names", () => {
    const cases: readonly (readonly [object, object])[] = [
      [
        { method: "kubernetes", kubernetes: block },
        { kind: "kubernetes", role: "r", credential: account("sa", { audiences: ["vault"], expirationSeconds: 700 }) },
      ],
      [
        { method: "jwt", jwt: block },
        { kind: "jwt", role: "r", credential: account("sa", { audiences: ["vault"], expirationSeconds: 700 }) },
      ],
      [
        { method: "jwt", jwt: { ...block, secretRef: "token" } },
        { kind: "jwt", role: "r", credential: account("sa", { audiences: ["vault"], expirationSeconds: 700 }) },
      ],
      [
        { method: "jwt", jwt: { role: "r", secretRef: "token" } },
        { kind: "jwt", role: "r", credential: secret("token", "jwt") },
      ],
      [
        { method: "appRole", appRole: { roleId: "id", secretRef: "s" } },
        { kind: "appRole", roleId: "id", credential: secret("s", "id") },
      ],
      [
        { method: "aws", aws: { role: "r" } },
        { kind: "aws", role: "r", credential: { kind: "process" } },
      ],
      [
        { method: "aws", aws: { role: "r", secretRef: "s", irsaServiceAccount: "sa" } },
        { kind: "aws", role: "r", credential: secret("s", "access_key_id") },
      ],
      [
        {
          method: "aws",
          aws: {
            role: "r",
            region: "eu-central-1",
            headerValue: "h",
            sessionName: "n",
            stsEndpoint: "https://STS.example/",
          },
        },
        {
          ...{ kind: "aws", role: "r", credential: { kind: "process" }, region: "eu-central-1", headerValue: "h" },
          ...{ sessionName: "n", stsEndpoint: "https://sts.example" },
        },
      ],
      [
        {
          method: "gcp",
          gcp: { role: "r", workloadIdentityServiceAccount: "sa", region: "x", clusterName: "c", projectID: "p" },
        },
        {
          ...{ kind: "gcp", role: "r", region: "x", clusterName: "c", projectID: "p" },
          credential: account("sa", { audiences: ["p.svc.id.goog"] }),
        },
      ],
    ];
    for (const [spec, expected] of cases) assert.deepEqual(method(spec), expected, JSON.stringify(spec));
  });

  it("lacks what its method needs, all of it at once", () => {
    const cases: readonly (readonly [object, readonly string[]])[] = [
      [{}, ["method: required"]],
      [{ method: "ldap" }, ["method: required"]],
      [{ method: "kubernetes" }, ["kubernetes.role: required", "kubernetes.serviceAccount: required"]],
      [{ method: "kubernetes", kubernetes: { role: "r" } }, ["kubernetes.serviceAccount: required"]],
      [{ method: "kubernetes", kubernetes: { serviceAccount: "sa" } }, ["kubernetes.role: required"]],
      [{ method: "jwt" }, ["jwt.role: required", "jwt: needs serviceAccount or secretRef"]],
      [{ method: "jwt", jwt: { role: "r" } }, ["jwt: needs serviceAccount or secretRef"]],
      [{ method: "jwt", jwt: { secretRef: "s" } }, ["jwt.role: required"]],
      [{ method: "jwt", jwt: { serviceAccount: "sa" } }, ["jwt.role: required"]],
      [{ method: "appRole" }, ["appRole.roleId: required", "appRole.secretRef: required"]],
      [{ method: "appRole", appRole: { roleId: "r" } }, ["appRole.secretRef: required"]],
      [{ method: "appRole", appRole: { secretRef: "s" } }, ["appRole.roleId: required"]],
      [{ method: "aws" }, ["aws.role: required"]],
      [
        { method: "aws", aws: { role: "r", region: "EU central" } },
        ["aws.region: must be the name of a region, such as eu-central-1"],
      ],
      [
        { method: "gcp" },
        ["role", "workloadIdentityServiceAccount", "region", "clusterName", "projectID"].map(
          (field) => `gcp.${field}: required`,
        ),
      ],
      [
        { method: "gcp", gcp: { role: "r", workloadIdentityServiceAccount: "sa", region: "x", clusterName: "c" } },
        ["gcp.projectID: required"],
      ],
    ];
    for (const [spec, expected] of cases) assert.deepEqual(lacks(spec), expected, JSON.stringify(spec));
    assert.match(lacks({ method: "aws", aws: { role: "r", stsEndpoint: "ftp://x" } }).join(), /^aws\.stsEndpoint: /);
  });

  it("asks the STS that fleet.yaml names before the VaultAuth's", () => {
    const place = { ...PLACE, cluster: aCluster({ vault: { stsEndpoint: "https://fleet.example" } }) };
    const found = method({ method: "aws", aws: { role: "r", stsEndpoint: "https://theirs.example" } }, place);
    assert.equal((found as { readonly stsEndpoint?: string }).stsEndpoint, "https://fleet.example");
  });

  it("lacks an audience where fleet.yaml demands one, beside what else it lacks", () => {
    const { audiences: _none, ...bare } = block;
    const complaint =
      "audiences: required, since fleet.yaml sets vault.requireAudiences for this cluster: name Vault's audience";
    for (const name of ["kubernetes", "jwt"]) {
      assert.deepEqual(lacks({ method: name, [name]: bare }, DEMANDING), [`${name}.${complaint}`]);
      const { role: _role, ...roleless } = bare;
      assert.deepEqual(lacks({ method: name, [name]: roleless }, DEMANDING), [
        `${name}.role: required`,
        `${name}.${complaint}`,
      ]);
      assert.equal("kind" in method({ method: name, [name]: block }, DEMANDING), true);
      assert.equal("kind" in method({ method: name, [name]: bare }), true);
    }
    const both = { role: "r", serviceAccount: "sa", secretRef: "s" };
    assert.deepEqual(lacks({ method: "jwt", jwt: both }, DEMANDING), [`jwt.${complaint}`]);
  });
});

describe("a token for the cluster's own API server", () => {
  it("is that of a service account without an audience, by one of both methods", () => {
    for (const [spec, expected] of [
      [{ method: "kubernetes", kubernetes: { serviceAccount: "sa" } }, true],
      [{ method: "kubernetes", kubernetes: { serviceAccount: "sa", audiences: ["", "vault"] } }, false],
      [{ method: "kubernetes", kubernetes: { serviceAccount: "sa", audiences: [""] } }, true],
      [{ method: "kubernetes", kubernetes: {} }, false],
      [{ method: "kubernetes", jwt: { serviceAccount: "sa" } }, false],
      [{ method: "jwt", jwt: { serviceAccount: "sa" } }, true],
      [{ method: "jwt", kubernetes: { serviceAccount: "sa" } }, false],
      [{ method: "appRole", kubernetes: { serviceAccount: "sa" } }, false],
    ] as const) {
      assert.equal(lacksAudience(spec as unknown as VaultAuthSpec), expected, JSON.stringify(spec));
    }
  });
});
