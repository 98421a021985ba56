import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { OperatorSeen } from "../../../lib/ports/store.ts";
import { classifyOperator, mustBeOurs, operatorWarning } from "../../../lib/references/operator-namespace.ts";
import { aCluster } from "../../builders.ts";

const A = "aaaaaaaa-0000-4000-8000-000000000001";
const B = "bbbbbbbb-0000-4000-8000-000000000002";

describe("which namespace is the operator's", () => {
  const settings = aCluster();
  const vouched = aCluster({ operatorNamespaceUid: B });
  /** What watch passes say one after the other: a uid, nothing where there is none, empty where it may not be read. */
  const seen = (...uids: readonly (string | undefined)[]) =>
    uids.reduce<OperatorSeen | undefined>((before, uid) => classifyOperator(before, settings, uid), undefined);

  it("the one that is there at the first watch pass, while it is that one", () => {
    assert.deepEqual(seen(A), { name: "vso", first: A });
    assert.deepEqual(seen(A, A), { name: "vso", first: A });
    assert.equal(seen(A, undefined)?.without, "absent");
    assert.equal(seen(A, undefined, A)?.without, undefined, "an etcd that was restored");
  });

  it("not one that came later, or in its place: anybody may have made it", () => {
    assert.deepEqual(seen(undefined), { name: "vso", first: "", without: "absent" });
    assert.equal(seen(undefined, A)?.without, "later");
    assert.equal(seen(undefined, A, A, A)?.without, "later", "it does not become older by being looked at");
    assert.equal(seen(A, undefined, B)?.without, "later");
    assert.equal(seen(A, B)?.without, "later");
  });

  it("where its uid may not be read, one that was there from the beginning; the right to ask makes it known", () => {
    assert.deepEqual(seen(""), { name: "vso", first: "?" });
    assert.equal(seen("", "")?.without, undefined);
    assert.equal(seen(undefined, "")?.without, "later");
    assert.equal(seen("", undefined)?.without, "absent");
    assert.deepEqual(seen("", A), { name: "vso", first: A });
    assert.equal(seen("", A, B)?.without, "later");
    assert.equal(seen(A, "")?.without, undefined, "the right was taken away again");
  });

  it("fleet.yaml vouches for one by its uid, and for no other", () => {
    const later = seen(undefined, B);
    assert.deepEqual(classifyOperator(later, vouched, B), { name: "vso", first: B });
    assert.equal(classifyOperator(later, vouched, A)?.without, "other");
    assert.equal(classifyOperator(undefined, vouched, A)?.without, "other");
    assert.equal(classifyOperator(undefined, vouched, "")?.without, "other");
    assert.equal(classifyOperator(classifyOperator(later, vouched, B), settings, B).without, undefined);
  });

  it("another name in fleet.yaml means the one that is there now", () => {
    assert.deepEqual(classifyOperator(seen(undefined, B), aCluster({ operatorNamespace: "ops" }), A), {
      name: "ops",
      first: A,
    });
  });

  it("a warning names namespace, cluster and remedy; one that counts has none", () => {
    const warning = (operator: OperatorSeen | undefined) => operator && operatorWarning("east", operator);
    assert.equal(warning(seen(A)), undefined);
    for (const operator of [seen(undefined), seen(undefined, A), classifyOperator(undefined, vouched, A)]) {
      assert.match(
        warning(operator) ?? "",
        /operator namespace vso .*cluster east.*no default VaultAuth.*operatorNamespaceUid/,
      );
    }
  });

  it("lease-table 25: another installation is told where its mark was found", () => {
    const deps = { installation: "ours", clusters: undefined as never };
    mustBeOurs(deps, settings, "ours");
    mustBeOurs(deps, settings, undefined);
    assert.throws(
      () => mustBeOurs(deps, settings, "theirs"),
      /another keyferry installation \(theirs\).*ConfigMap vso\/keyferry-installation/,
    );
  });
});
