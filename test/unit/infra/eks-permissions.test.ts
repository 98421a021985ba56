import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { describe, it } from "node:test";

interface Policy {
  readonly Properties: {
    readonly PolicyDocument: { readonly Statement: readonly object[] };
    readonly Roles: readonly object[];
  };
}
interface Permissions {
  permissionsFor(settings: object): { readonly Resources?: Readonly<Record<string, Policy>> };
}

const { permissionsFor } = createRequire(import.meta.url)("../../../infra/eks/permissions.cjs") as Permissions;
const CLUSTER = "arn:aws:eks:eu-central-1:111122223333:cluster/prod-eu";
const ROLE = "arn:aws:iam::111122223333:role/keyferry-prod";

describe("the permissions for clusters in EKS", () => {
  it("are those of the settings, for the two functions that reach clusters", () => {
    const { Resources = {} } = permissionsFor({ eksClusters: [CLUSTER], eksRoles: [ROLE] });
    assert.deepEqual(
      Object.values(Resources).map(({ Properties }) => Properties.Roles),
      [[{ Ref: "DiscoverRole" }], [{ Ref: "ReconcileRole" }]],
    );
    for (const { Properties } of Object.values(Resources)) {
      assert.deepEqual(Properties.PolicyDocument.Statement, [
        { Sid: "EksClusters", Effect: "Allow", Action: "eks:DescribeCluster", Resource: [CLUSTER] },
        { Sid: "EksRoles", Effect: "Allow", Action: "sts:AssumeRole", Resource: [ROLE] },
      ]);
    }
  });

  it("are none without settings, and only the one that is set", () => {
    assert.deepEqual(permissionsFor({}), {});
    const { Resources = {} } = permissionsFor({ eksRoles: [ROLE] });
    assert.equal(Resources.DiscoverEksPolicy?.Properties.PolicyDocument.Statement.length, 1);
  });
});
