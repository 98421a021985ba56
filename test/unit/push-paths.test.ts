import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { allowsPath, pushPathProblems, pushPatternProblems } from "../../lib/push-paths.ts";

const VALUES = { cluster: "east", namespace: "shop", name: "app" };

describe("paths that Secrets are pushed to", () => {
  it("are accepted with and without slashes at their ends", () => {
    for (const path of ["kv/data/app", "/kv/app/", "team/kv/a.b-c_d"]) assert.deepEqual(pushPathProblems(path), []);
  });

  it("are refused when they climb, hide something, or are Vault's own", () => {
    for (const path of [
      ...[
        "kv/../sys/policies",
        "kv/./a",
        "kv//a",
        "kv/a?x=1",
        "kv/a#b",
        "kv/%2e%2e/a",
        "kv/a%00",
        "kv/a\u0000",
        "kv/\\a",
      ],
      ...["sys/policies/acl/x", "/sys/x", "auth/token/create", "identity/entity", "cubbyhole/x", "SYS/x", "", "/"],
      ...["kv/a b", "kv/\ud800", `kv/${"a".repeat(600)}`],
    ]) {
      assert.notDeepEqual(pushPathProblems(path), [], JSON.stringify(path));
    }
  });

  it("say what is wrong, each thing once", () => {
    const reserved = "must not be below sys/, auth/, identity/, cubbyhole/";
    const longest = `kv/${"a".repeat(509)}`;
    for (const [path, problem] of [
      ["kv/%41", "must not contain %: write the characters themselves"],
      ["kv/a b", "must not contain backslashes or spaces"],
      ["kv/\\a", "must not contain backslashes or spaces"],
      ...["sys/x", "/SYS/x", "auth/x", "identity/x", "cubbyhole/x"].map((path) => [path, reserved] as const),
      [`${longest}a`, "must have at most 512 characters"],
    ] as const) {
      assert.deepEqual(pushPathProblems(path), [problem], path);
    }
    assert.deepEqual(pushPathProblems(longest), []);
  });
});

describe("patterns of allowed paths", () => {
  it("match segment by segment", () => {
    const cases: readonly (readonly [pattern: string, path: string, expected: boolean])[] = [
      ["kv/apps/{namespace}/*", "kv/apps/shop/db", true],
      ["kv/apps/{namespace}/*", "kv/apps/shop/db/deep", false],
      ["kv/apps/{namespace}/*", "kv/apps/pay/db", false],
      ["kv/apps/{namespace}/**", "kv/apps/shop/db/deep", true],
      ["kv/apps/{namespace}/**", "kv/apps/shop", false],
      ["kv/apps/{namespace}/**", "kv/apps/shopping/db", false],
      ["kv/{cluster}/{name}-*", "kv/east/app-1", true],
      ["kv/{cluster}/{name}-*", "kv/east/apple", false],
      ["kv/a*c*e", "kv/abcde", true],
      ["kv/a*c*e", "kv/abde", false],
      ["kv/*", "kv/", true],
      ["kv/apps/{namespace}/**", "kv/apps/shop/db", true],
      ["kv/a*e", "kv/abd", false],
      ["kv/ab*b", "kv/ab", false],
      ["kv/a*ce*e", "kv/ace", false],
      ["kv/*c*e", "kv/ce", true],
      ["kv/a", "kv/a", true],
      ["kv/a", "kv/ab", false],
    ];
    for (const [pattern, path, expected] of cases) {
      assert.equal(allowsPath(pattern, VALUES, path), expected, `${pattern} ${path}`);
    }
  });

  it("are refused where they say less than they seem to", () => {
    for (const pattern of [
      "*/app",
      "kv",
      "kv/**/a",
      "kv/{tenant}/a",
      "kv/a*b*c*d",
      "sys/*",
      "kv/../x",
      "/kv/a",
      "kv/{a",
    ]) {
      assert.notDeepEqual(pushPatternProblems(pattern), [], pattern);
    }
    for (const pattern of ["kv/{namespace}/*", "kv/**", "team/kv/a-*"])
      assert.deepEqual(pushPatternProblems(pattern), []);
  });

  it("say what is wrong", () => {
    const mount = "must name its mount without *";
    const depth = "must have ** only as its last segment";
    const braces = "must have no braces but those of {cluster}, {namespace}, {name}";
    for (const [pattern, ...problems] of [
      ["/kv/a", "must not begin or end with a slash"],
      ["kv/a/", "must not begin or end with a slash"],
      ["kv", "must have a mount and at least one segment below it"],
      ["*/app", mount],
      ["kv/**/a", depth],
      ["**/a", mount, depth],
      ["kv/a*b*c*d", "must have at most 2 stars in a segment"],
      ["kv/{tenant}/a", braces],
      ["kv/{a", braces],
    ] as const) {
      assert.deepEqual(pushPatternProblems(pattern), problems, pattern);
    }
  });
});
