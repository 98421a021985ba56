import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { namedNamespaces, namespaceMatcher, referenceNamespaces } from "../../lib/namespaces.ts";

describe("namespaces of a cluster that are ours to look at", () => {
  const matches = (namespace: string, include: readonly string[], exclude: readonly string[] = []) =>
    namespaceMatcher({ include, exclude })(namespace);

  it("takes names and patterns, whole and with every character but * as it is", () => {
    assert.ok(matches("shop", ["shop"]));
    assert.ok(!matches("shop-2", ["shop"]));
    assert.ok(matches("shop-2", ["shop*"]));
    assert.ok(matches("team-a-prod", ["team-*-prod"]));
    assert.ok(!matches("team-a-prod-x", ["team-*-prod"]));
    assert.ok(!matches("shopx", ["shop."]));
    assert.ok(matches("anything", ["*"]));
  });

  it("lets exclude win", () => {
    assert.ok(!matches("kube-system", ["*"], ["kube-*"]));
    assert.ok(!matches("shop", ["shop"], ["shop"]));
    assert.ok(matches("shop", ["*"], ["kube-*"]));
  });

  it("takes nothing when nothing is included", () => {
    assert.ok(!matches("shop", []));
  });

  it("agrees with the regular expression that a pattern stands for", () => {
    const text = fc.stringMatching(/^[ab]{0,6}$/);
    fc.assert(
      fc.property(fc.stringMatching(/^[ab*]{0,6}$/), text, (pattern, namespace) => {
        const expected = new RegExp(`^${pattern.replaceAll("*", ".*")}$`).test(namespace);
        assert.equal(matches(namespace, [pattern]), expected);
      }),
    );
  });

  it("finds the parts of a pattern one after the other, none of them twice", () => {
    assert.ok(matches("aaaa", ["*aa*aa*"]));
    assert.ok(!matches("aaa", ["*aa*aa*"]));
    assert.ok(!matches("ab", ["*ab*b"]));
    assert.ok(!matches("a", ["a*a"]));
  });

  it("is not slow on patterns that are made to be", () => {
    const before = process.threadCpuUsage();
    matches("a".repeat(63), [`${"*a".repeat(8)}b`]);
    assert.ok(process.threadCpuUsage(before).user < 1_000_000);
  });

  it("lease-table 21: names each of them only when there is no pattern, each once, without those that are excluded", () => {
    assert.deepEqual(namedNamespaces({ include: ["a", "b", "a"], exclude: [] }), ["a", "b"]);
    assert.deepEqual(namedNamespaces({ include: ["a", "b"], exclude: ["b*"] }), ["a"]);
    assert.equal(namedNamespaces({ include: ["a", "b*"], exclude: [] }), undefined);
  });

  it("sees what syncs refer to in the operator's namespace too, once", () => {
    const seen = (include: readonly string[], operatorNamespace: string) =>
      referenceNamespaces({ namespaces: { include, exclude: [] }, operatorNamespace });
    assert.deepEqual(seen(["a", "b"], "vso"), ["a", "b", "vso"]);
    assert.deepEqual(seen(["a", "vso"], "vso"), ["a", "vso"]);
    assert.equal(seen(["a*"], "vso"), undefined);
  });

  it("names exactly what it matches", () => {
    const name = fc.stringMatching(/^[a-z]{1,4}$/);
    fc.assert(
      fc.property(fc.array(name), fc.array(name), name, (include, exclude, namespace) => {
        const named = namedNamespaces({ include, exclude }) ?? [];
        assert.equal(named.includes(namespace), matches(namespace, include, exclude));
      }),
    );
  });
});
