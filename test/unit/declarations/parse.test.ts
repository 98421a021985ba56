import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type DeclaredKind, mustParseSpec, parseSpec } from "../../../lib/declarations/parse.ts";
import { SyncError } from "../../../lib/errors.ts";
import { pathText } from "../../../lib/util/complaints.ts";

function complaints(kind: DeclaredKind, spec: unknown): readonly string[] {
  const parsed = parseSpec(kind, spec);
  return "complaints" in parsed ? parsed.complaints.map(({ path, message }) => `${pathText(path)}: ${message}`) : [];
}

const STATIC = { type: "kv-v2", mount: "kv", path: "app", destination: { name: "app" } };

describe("parsing a spec", () => {
  it("fills the defaults in", () => {
    assert.deepEqual(mustParseSpec("VaultStaticSecret", STATIC), {
      ...STATIC,
      hmacSecretData: true,
      destination: { name: "app", create: false, overwrite: false },
    });
    assert.equal(mustParseSpec("VaultConnection", { address: "https://v" }).skipTLSVerify, false);
    assert.equal(mustParseSpec("VaultAuth", { jwt: {} }).jwt?.tokenExpirationSeconds, 600);
    const dynamic = { mount: "db", path: "creds/app", destination: { name: "app" } };
    assert.equal(mustParseSpec("VaultDynamicSecret", dynamic).renewalPercent, 67);
  });

  it("leaves fields that it does not know aside, at every depth", () => {
    const spec = { ...STATIC, later: { a: 1 }, destination: { ...STATIC.destination, later: true } };
    assert.deepEqual(complaints("VaultStaticSecret", spec), []);
    assert.equal("later" in mustParseSpec("VaultStaticSecret", spec), false);
  });

  it("takes null for a field that is not set", () => {
    assert.deepEqual(complaints("VaultStaticSecret", { ...STATIC, refreshAfter: null, syncConfig: null }), []);
    assert.deepEqual(complaints("VaultStaticSecret", { ...STATIC, mount: null }), ["mount: required"]);
  });

  it("names every complaint at once, each with its path", () => {
    const spec = {
      type: "kv-v3",
      path: "../sys",
      version: -1,
      refreshAfter: "1h30m",
      hmacSecretData: "yes",
      destination: { name: "Not_A_Name", create: true, labels: { "a b": "c", ok: "-" }, annotations: [] },
      rolloutRestartTargets: [{ kind: "Pod", name: 3 }],
    };
    assert.deepEqual(complaints("VaultStaticSecret", spec).toSorted(), [
      "destination.annotations: must be a map",
      "destination.labels.ok: must be a label value: letters, digits, -, _ and ., 63 characters at most, a letter or digit at either end",
      'destination.labels["a b"]: is not a valid name: letters, digits, -, _ and ., 63 characters at most, optionally after a DNS name and /',
      "destination.name: must be a Kubernetes name: lower-case letters, digits, - and ., 253 characters at most",
      "hmacSecretData: must be true or false",
      "mount: required",
      "path: must not have a segment that is . or ..",
      'refreshAfter: must be a number and one of s, m, h, such as "30s" or "1.5h"',
      "rolloutRestartTargets[0].kind: must be one of Deployment, DaemonSet, StatefulSet, argo.Rollout",
      "rolloutRestartTargets[0].name: must be a string",
      "type: must be one of kv-v1, kv-v2",
      "version: must be at least 0",
    ]);
  });

  it("checks names as Kubernetes does, wherever a spec names an object, and quotes none of them", () => {
    const bad = "\u001b]0;mine\u0007";
    const name = "must be a Kubernetes name: lower-case letters, digits, - and ., 253 characters at most";
    const namespace =
      "must be the name of a namespace: lower-case letters, digits and -, 63 characters at most, no - at either end";
    const ref = 'is an invalid name: must be "name" or "namespace/name"';
    const transformation = { transformationRefs: [{ name: bad, namespace: "a.b" }] };
    const spec = {
      ...STATIC,
      vaultAuthRef: `${bad}/x`,
      destination: { name: bad, transformation },
      rolloutRestartTargets: [
        { kind: "Deployment", name: bad },
        { kind: "StatefulSet", name: "" },
        { kind: "DaemonSet", name: "-a" },
        { kind: "argo.Rollout", name: `${"a".repeat(254)}` },
        { kind: "Deployment", name: "fine.v2" },
      ],
    };
    assert.deepEqual(complaints("VaultStaticSecret", spec).toSorted(), [
      `destination.name: ${name}`,
      `destination.transformation.transformationRefs[0].name: ${name}`,
      `destination.transformation.transformationRefs[0].namespace: ${namespace}`,
      `rolloutRestartTargets[0].name: ${name}`,
      "rolloutRestartTargets[1].name: must not be empty",
      `rolloutRestartTargets[2].name: ${name}`,
      `rolloutRestartTargets[3].name: ${name}`,
      `vaultAuthRef: ${ref}`,
    ]);
    const auth = {
      vaultConnectionRef: bad,
      vaultAuthGlobalRef: { name: "a..b", namespace: "-a" },
      kubernetes: { serviceAccount: bad },
    };
    assert.deepEqual(complaints("VaultAuth", auth).toSorted(), [
      `kubernetes.serviceAccount: ${name}`,
      `vaultAuthGlobalRef.name: ${name}`,
      `vaultAuthGlobalRef.namespace: ${namespace}`,
      `vaultConnectionRef: ${ref}`,
    ]);
  });

  it("checks labels and annotations, each by its name, and annotations by what they hold in all", () => {
    const destination = (more: object) =>
      complaints("VaultStaticSecret", { ...STATIC, destination: { name: "app", create: true, ...more } });
    assert.match(
      destination({ labels: { "a b": "v", fine: "v" } }).join(),
      /^destination\.labels\["a b"\]: is not a valid name[^,]*(,[^,]*)*$/,
    );
    assert.match(destination({ labels: { a: "-" } }).join(), /^destination\.labels\.a: must be a label value/);
    assert.deepEqual(destination({ labels: { a: "" }, annotations: { "Example.com/A": "any thing" } }), []);
    const annotations = (bytes: number) => destination({ annotations: { a: "x".repeat(bytes - 3), b: "" + "y" } });
    assert.deepEqual(annotations(256 * 1024), []);
    assert.deepEqual(annotations(256 * 1024 + 1), ["destination.annotations: must hold at most 262144 bytes in all"]);
    const two = destination({ annotations: { a: "ü".repeat(131_071), b: "y" } });
    assert.deepEqual(two, ["destination.annotations: must hold at most 262144 bytes in all"], "bytes, not characters");
  });

  it("does not check labels and annotations that are put on no Secret", () => {
    const large = { a: "x".repeat(256 * 1024) };
    const marks = { labels: { "a b": "Platform & Data" }, annotations: { "a b": "c", ...large } };
    for (const create of [{}, { create: false }, { create: null }]) {
      assert.deepEqual(
        complaints("VaultStaticSecret", { ...STATIC, destination: { name: "app", ...create, ...marks } }),
        [],
      );
    }
    const wrong = { name: "app", create: "yes", labels: { a: 1 } };
    assert.deepEqual(complaints("VaultStaticSecret", { ...STATIC, destination: wrong }).toSorted(), [
      "destination.create: must be true or false",
      "destination.labels.a: must be a string",
    ]);
    const mixed = { name: "app", create: true, labels: { a: 1, "b c": "d" }, annotations: "none" };
    assert.deepEqual(
      complaints("VaultStaticSecret", { ...STATIC, destination: mixed }).map((complaint) => complaint.split(":")[0]),
      ["destination.labels.a", "destination.annotations", 'destination.labels["b c"]'],
    );
    assert.deepEqual(complaints("VaultStaticSecret", { ...STATIC, destination: [] }), ["destination: must be a map"]);
  });

  it("throws SPEC_INVALID with all of them, and cuts a long list", () => {
    const many = Object.fromEntries(Array.from({ length: 30 }, (_, at) => [`label ${at}`, "v"]));
    const spec = { ...STATIC, destination: { name: "app", create: true, labels: many } };
    assert.throws(
      () => mustParseSpec("VaultStaticSecret", spec),
      (error) =>
        error instanceof SyncError &&
        error.code === "SPEC_INVALID" &&
        error.message.startsWith('VaultStaticSecret is not valid: spec.destination.labels["label 0"]: ') &&
        error.message.endsWith("; and 10 more"),
    );
    assert.throws(() => mustParseSpec("VaultStaticSecret", undefined), /spec: required/);
  });

  it("refuses paths and mounts that would leave their place in a URL", () => {
    for (const path of ["..", "a/../b", "a/./b", "a//b", "a?b", "a#b", "a\nb", "a\u0000b", "", "/"]) {
      assert.equal(complaints("VaultStaticSecret", { ...STATIC, path }).length > 0, true, JSON.stringify(path));
      assert.equal(complaints("VaultStaticSecret", { ...STATIC, mount: path }).length > 0, true, JSON.stringify(path));
    }
    for (const path of ["a", "/a/b/", "team a/ü", "a..b"]) {
      assert.deepEqual(complaints("VaultStaticSecret", { ...STATIC, path }), [], path);
    }
    assert.equal(complaints("VaultStaticSecret", { ...STATIC, namespace: "a/../b" }).length, 1);
  });

  it("refuses references that are no names", () => {
    for (const vaultAuthRef of ["a/b/c", "/a", "a/", "A", "a b", "a#b", "../x"]) {
      assert.equal(complaints("VaultStaticSecret", { ...STATIC, vaultAuthRef }).length, 1, vaultAuthRef);
    }
    for (const vaultAuthRef of ["", "a", "ns/a", "a.b-c"]) {
      assert.deepEqual(complaints("VaultStaticSecret", { ...STATIC, vaultAuthRef }), [], vaultAuthRef);
    }
    const jwt = { role: "r", secretRef: "../../x", serviceAccount: "a/b" };
    assert.equal(complaints("VaultAuth", { method: "jwt", jwt }).length, 2);
  });

  it("refuses headers that belong to others", () => {
    const headers = { "x-VAULT-namespace": "a", "X-Vault-Token": "b", Host: "c", "a b": "d", ok: "e\nf", "X-Ok": "g" };
    assert.deepEqual(
      complaints("VaultConnection", { address: "https://v", headers }).map((line) => line.split(":")[0]),
      ["headers.x-VAULT-namespace", "headers.X-Vault-Token", "headers.Host", 'headers["a b"]', "headers.ok"],
    );
  });

  it("refuses addresses that are no base URL", () => {
    const bad = ["", "vault:8200", "ftp://v", "https://u:p@v", "https://v?a", "https://v#a", "https://v/ a", "http://"];
    bad.push(`https://v/${"a".repeat(1_000)}`);
    for (const address of bad) assert.equal(complaints("VaultConnection", { address }).length, 1, address);
    for (const address of ["https://v:8200", "http://10.0.0.1/base/", "https://[::1]:8200"]) {
      assert.deepEqual(complaints("VaultConnection", { address }), [], address);
    }
  });

  it("never quotes a value in a complaint", () => {
    const secret = "hunter2";
    for (const line of complaints("VaultConnection", {
      address: secret,
      headers: { a: `${secret}\n` },
      timeout: secret,
    })) {
      assert.equal(line.includes(secret), false, line);
    }
  });

  it("refuses a spec that nests without end", () => {
    let deep: unknown = "x";
    for (let level = 0; level < 50_000; level++) deep = { transformation: deep };
    assert.throws(() => mustParseSpec("VaultStaticSecret", { ...STATIC, destination: deep }), SyncError);
  });
});
