import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { InputError } from "../../../lib/errors.ts";
import { parseFleet } from "../../../lib/fleet/fleet.ts";

const HEAD = "apiVersion: keyferry.dev/v1alpha1\nkind: Fleet\n";
const EAST = "  - name: east\n    connect:\n      kubeconfig: {path: ./east}\n";

function complaints(text: string): readonly string[] {
  try {
    parseFleet(text, "fleet.yaml");
  } catch (error) {
    assert.ok(error instanceof InputError, String(error));
    return error.complaints;
  }
  return [];
}

/** Complaints about one cluster that is written from line 4 on. */
function ofCluster(...lines: readonly string[]): readonly string[] {
  const [first = "", ...rest] = lines;
  return complaints(`${HEAD}clusters:\n${[`  - ${first}`, ...rest.map((line) => `    ${line}`)].join("\n")}\n`);
}

describe("parseFleet", () => {
  it("says of an alias without an anchor, and of a merge key, what is wrong with it", () => {
    assert.deepEqual(ofCluster("name: east", "connect: *nope"), ["fleet.yaml:5: *nope has no anchor &nope before it"]);
    const [, merge] = ofCluster("name: east", "labels: &x {a: b}", "<<: *x");
    assert.equal(
      merge,
      'fleet.yaml:6: clusters[0]["<<"]: unknown field (merge keys are not read: write its fields out)',
    );
  });

  it("says one thing of clusters that are no list", () => {
    assert.deepEqual(complaints(`${HEAD}clusters: foo\n`), ["fleet.yaml:3: clusters: must be a list"]);
  });

  it("says of a duration how it is written, and how long it may be", () => {
    const vault = (more: string) =>
      complaints(`${HEAD}clusters:\n${EAST}vaults:\n  - {name: a, addresses: ["https://a"], ${more}}\n`);
    assert.deepEqual(vault("retention: 5"), [
      'fleet.yaml:8: vaults[0].retention: must be a number and one of s, m, h, such as "30s" or "1.5h"',
    ]);
    assert.deepEqual(vault("events: {silentAfter: 99999999h, file: {path: ./audit.log}}"), [
      "fleet.yaml:8: vaults[0].events.silentAfter: must be at least 1m, and at most 292 years",
    ]);
  });

  it("fills the defaults in", () => {
    assert.deepEqual(parseFleet(`${HEAD}clusters:\n${EAST}`, "fleet.yaml"), {
      vaults: [],
      hubs: [],
      clusters: [
        {
          name: "east",
          labels: {},
          connect: { kubeconfig: { path: "./east" } },
          observe: "watch",
          namespaces: { include: ["*"], exclude: [] },
          operatorNamespace: "vault-secrets-operator-system",
        },
      ],
    });
  });

  it("reads everything that a cluster may say", () => {
    const text = `${HEAD}clusters:
  - name: prod-eu
    labels: {env: prod, region: eu-west-1}
    connect:
      server: {url: "https://10.0.0.1:6443", caFile: ca.crt, tokenFile: /run/token, serverName: api}
    observe: apply
    namespaces: {exclude: [kube-*]}
    operatorNamespace: vso
    vault: {address: "https://vault.example.com:8200", authMount: kubernetes-prod-eu}
`;
    const server = { url: "https://10.0.0.1:6443", caFile: "ca.crt", tokenFile: "/run/token", serverName: "api" };
    assert.deepEqual(parseFleet(text, "fleet.yaml").clusters, [
      {
        name: "prod-eu",
        labels: { env: "prod", region: "eu-west-1" },
        connect: { server: { ...server, insecure: false } },
        observe: "apply",
        namespaces: { include: ["*"], exclude: ["kube-*"] },
        operatorNamespace: "vso",
        vault: { address: "https://vault.example.com:8200", authMount: "kubernetes-prod-eu" },
      },
    ]);
  });

  it("refuses unknown fields with line, path and the field that was meant", () => {
    const text = `${HEAD}clusters:\n  - name: east\n    conect:\n      kubeconfig: {path: a}\nzzz: 1\n`;
    assert.deepEqual(complaints(text), [
      "fleet.yaml:4: clusters[0].connect: required",
      "fleet.yaml:5: clusters[0].conect: unknown field (did you mean connect?)",
      "fleet.yaml:7: zzz: unknown field",
    ]);
    const nested = ofCluster("name: a", "connect:", "  kubeconfig:", "    path: x", "    Context: y");
    assert.deepEqual(nested, [
      "fleet.yaml:8: clusters[0].connect.kubeconfig.Context: unknown field (did you mean context?)",
    ]);
  });

  it("names every complaint at once, in the order of the lines", () => {
    const text = `apiVersion: v1
kind: Flee
clusters:
  - name: East_1
    labels: {env: 3}
    observe: list
    connect: {kubeconfig: {path: a}, server: {url: "ftp://x", tokenFile: t}}
    namespaces: {include: ["a/b", "*-*-*-*-*"]}
    vault: {address: vault, authMount: a/../b}
  - connect: {}
`;
    assert.deepEqual(complaints(text), [
      "fleet.yaml:1: apiVersion: must be one of keyferry.dev/v1alpha1",
      "fleet.yaml:2: kind: must be one of Fleet",
      "fleet.yaml:4: clusters[0].name: must be lower-case letters, digits and -, 63 characters at most, no - at either end",
      "fleet.yaml:5: clusters[0].labels.env: must be a string",
      "fleet.yaml:6: clusters[0].observe: must be one of watch, apply",
      "fleet.yaml:7: clusters[0].connect.server.url: must be a URL that begins with http:// or https://",
      "fleet.yaml:7: clusters[0].connect: must have exactly one of kubeconfig, server, eks, vaultKubernetes, vaultKubeconfig",
      "fleet.yaml:8: clusters[0].namespaces.include[0]: must be a namespace, with * for any characters",
      "fleet.yaml:8: clusters[0].namespaces.include[1]: must have at most 4 stars",
      "fleet.yaml:9: clusters[0].vault.address: must be a URL that begins with http:// or https://",
      "fleet.yaml:9: clusters[0].vault.authMount: must not have a segment that is . or ..",
      "fleet.yaml:10: clusters[1].name: required",
      "fleet.yaml:10: clusters[1].connect: must have exactly one of kubeconfig, server, eks, vaultKubernetes, vaultKubeconfig",
    ]);
  });

  it("asks of a server what a connection needs", () => {
    const server = (fields: string) =>
      ofCluster("name: a", `connect: {server: {${fields}}}`).map((line) => line.slice(40));
    assert.deepEqual(server("url: 'https://a', tokenFile: t"), []);
    assert.deepEqual(server("url: 'http://a', insecure: true, clientCertFile: c, clientKeyFile: k"), []);
    assert.deepEqual(server("url: 'http://a', tokenFile: t"), [".url: must begin with https://"]);
    assert.deepEqual(server("url: 'https://a'"), [": must have a tokenFile, or a clientCertFile and a clientKeyFile"]);
    assert.deepEqual(server("url: 'https://a', clientCertFile: c"), [
      ": must have both of clientCertFile and clientKeyFile, or neither",
    ]);
    assert.deepEqual(server("url: 'https://a', tokenFile: t, caFile: a, caData: eA=="), [
      ".caData: must hold a PEM certificate",
      ": must have one of caFile and caData",
    ]);
    assert.deepEqual(server("url: 'https://a', tokenFile: t, caData: '!'"), [".caData: must be base64"]);
  });

  it("refuses a name that another cluster has", () => {
    assert.deepEqual(complaints(`${HEAD}clusters:\n${EAST}${EAST}`), [
      "fleet.yaml:7: clusters[1].name: is already the name of another cluster",
    ]);
  });

  it("refuses an empty file, an empty list, and what is no map", () => {
    assert.deepEqual(complaints(""), ["fleet.yaml:1: must be a map"]);
    assert.deepEqual(complaints("- a"), ["fleet.yaml:1: must be a map"]);
    assert.deepEqual(complaints(`${HEAD}clusters: []`), [
      "fleet.yaml:3: clusters: must name at least one cluster, unless there are hubs",
    ]);
  });

  it("says in which line YAML is broken", () => {
    assert.match(complaints(`${HEAD}clusters: [`).join(), /^fleet\.yaml:3: /);
    assert.match(complaints(`${HEAD}kind: Fleet\n`).join(), /^fleet\.yaml:3: Map keys must be unique/);
    assert.match(complaints(`${HEAD}clusters: !x []`).join(), /^fleet\.yaml:3: Unresolved tag/);
    assert.deepEqual(complaints(`${HEAD}---\n${HEAD}`), [
      "fleet.yaml:3: must hold one document: leave out what follows after ---",
    ]);
    assert.deepEqual(complaints(`${HEAD}clusters: ${"[".repeat(5_000)}`), [
      "fleet.yaml:3: is not valid YAML: it nests too deep",
    ]);
  });

  it("follows aliases, and refuses those that stand for too much", () => {
    const text = `${HEAD}clusters:\n  - &a {name: a, connect: &c {kubeconfig: {path: x}}}\n  - {name: b, connect: *c}\n`;
    assert.equal(parseFleet(text, "f").clusters.length, 2);
    const levels = Array.from({ length: 30 }, (_, at) => `l${at + 1}: &l${at + 1} [*l${at}, *l${at}]`);
    assert.match(complaints(`l0: &l0 [x]\n${levels.join("\n")}`).join(), /aliases expand to too much/);
  });

  it("refuses what nests too deep or is too long, soon", () => {
    assert.match(complaints("[".repeat(200_000)).join(), /^fleet\.yaml:1: /);
    assert.match(complaints(`a: ${"x".repeat(5_000_000)}`).join(), /more than 4194304 characters/);
  });
});
