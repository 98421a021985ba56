import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { eksError } from "../../../lib/aws/eks-errors.ts";
import { SyncError } from "../../../lib/errors.ts";

const ASKED = { thing: "EKS cluster prod in eu-central-1", remedy: "allow eks:DescribeCluster on it" };

function failed(name: string, fault?: "client" | "server") {
  const error = Object.assign(new Error("arn:aws:sts::1:secret"), { name }, fault && { $fault: fault });
  const { code, message } = eksError(error, ASKED);
  assert.doesNotMatch(message, /secret/);
  return `${code}: ${message}`;
}

describe("failures of EKS and STS", () => {
  it("name the thing and the remedy", () => {
    assert.equal(
      failed("AccessDeniedException", "client"),
      "KUBE_LOGIN_REFUSED: AWS refuses EKS cluster prod in eu-central-1 (AccessDeniedException): allow eks:DescribeCluster on it",
    );
    assert.equal(
      failed("ResourceNotFoundException", "client"),
      "REFERENCE_MISSING: there is no EKS cluster prod in eu-central-1: correct cluster, region or roleArn in fleet.yaml",
    );
  });

  it("are repeated when AWS throttles, fails or does not answer", () => {
    for (const fault of ["client", "server"] as const) {
      assert.match(failed("ThrottlingException", fault), /^CLOUD_UNAVAILABLE: AWS asks for fewer requests about EKS/);
    }
    assert.match(failed("ServerException", "server"), /^CLOUD_UNAVAILABLE: AWS does not answer about EKS/);
    assert.match(failed("TimeoutError"), /^CLOUD_UNAVAILABLE: .* \(TimeoutError\)/);
    assert.match(failed("RequestTimeoutException", "client"), /^CLOUD_UNAVAILABLE: /);
  });

  it("stay as they are when they have a code already", () => {
    const known = new SyncError("REFERENCE_INVALID", "known");
    assert.equal(eksError(known, ASKED), known);
  });
});
