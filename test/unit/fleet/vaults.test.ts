import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "node:test";
import { HOUR_MS, SECOND_MS } from "../../../lib/clock.ts";
import { InputError, SyncError } from "../../../lib/errors.ts";
import { bucketFiles, folderFiles } from "../../../lib/fleet/files.ts";
import { parseFleet } from "../../../lib/fleet/fleet.ts";
import { reachOfFleet, trustAnchors } from "../../../lib/fleet/vaults.ts";
import type { FleetVault } from "../../../lib/ports/fleet-vault.ts";

const HEAD = "apiVersion: keyferry.dev/v1alpha1\nkind: Fleet\n";
const forever = new AbortController().signal;

function complaints(text: string): readonly string[] {
  try {
    parseFleet(`${HEAD}${text}`, "fleet.yaml");
  } catch (error) {
    assert.ok(error instanceof InputError, String(error));
    return error.complaints;
  }
  return [];
}

const FLEET = `${HEAD}vaults:
  - name: main
    addresses: [HTTPS://Vault.Example.com:443/, http://127.0.0.1:8200]
    caFile: ./ca.pem
    namespace: teams
    maxRequestDuration: 1m
    identities:
      - {name: hub, method: aws, role: fleet, headerValue: vault.example.com, region: eu-central-1, mount: aws}
  - {name: edge, addresses: [https://edge.example.com/vault/]}
clusters:
  - name: east
    connect: {kubeconfig: {path: ./east}}
    vault: {address: "http://127.0.0.1:8300", identities: [main/hub], requireAudiences: true, stsEndpoint: "http://[::1]:1/"}
    vaultAddresses: named
  - name: west
    connect: {kubeconfig: {path: ./west}}
`;

describe("the Vaults of a fleet", () => {
  it("have defaults, and each address in one spelling", () => {
    const { vaults, clusters } = parseFleet(FLEET, "fleet.yaml");
    const hub = { name: "hub", method: "aws", role: "fleet", headerValue: "vault.example.com" };
    assert.deepEqual(vaults, [
      {
        name: "main",
        addresses: ["https://vault.example.com", "http://127.0.0.1:8200"],
        caFile: "./ca.pem",
        namespace: "teams",
        maxRequestDurationMs: 60 * SECOND_MS,
        retentionMs: 24 * HOUR_MS,
        identities: [{ ...hub, region: "eu-central-1", mount: "aws" }],
      },
      {
        name: "edge",
        addresses: ["https://edge.example.com/vault"],
        maxRequestDurationMs: 90 * SECOND_MS,
        retentionMs: 24 * HOUR_MS,
        identities: [],
      },
    ]);
    for (const cluster of clusters) assert.equal(cluster.vaults, vaults, "whoever judges a declaration has both");
  });

  it("are what a cluster's resources may name, with its own address", () => {
    const fleet = parseFleet(FLEET, "fleet.yaml");
    const reachOf = reachOfFleet(() => fleet);
    const all = ["https://vault.example.com", "http://127.0.0.1:8200", "https://edge.example.com/vault"];
    assert.deepEqual(reachOf("east"), {
      named: [...all, "http://127.0.0.1:8300"],
      onlyNamed: true,
      stsEndpoint: "http://[::1]:1",
      requiresAudiences: true,
    });
    assert.deepEqual(reachOf("west"), { named: all, onlyNamed: false });
    const everywhere = { named: [...all, "http://127.0.0.1:8300"], onlyNamed: false };
    for (const other of ["gone", undefined]) assert.deepEqual(reachOf(other), everywhere);
  });

  it("have addresses of at most 512 characters, as those that declarations name", () => {
    const long = `https://v/${"a".repeat(503)}`;
    const text = `vaults:
  - {name: main, addresses: ["${long}"]}
clusters:
  - name: east
    connect: {kubeconfig: {path: ./east}}
    vault: {address: "${long}", stsEndpoint: "${long}"}
`;
    assert.deepEqual(complaints(text), [
      "fleet.yaml:4: vaults[0].addresses[0]: must have at most 512 characters",
      "fleet.yaml:8: clusters[0].vault.address: must have at most 512 characters",
    ]);
  });

  it("are refused with every complaint at once, each by line and path", () => {
    const text = `vaults:
  - name: Main
    addresses: [vault, "https://a/?x"]
    caFle: x
    namespace: a/../b
    maxRequestDuration: 90
    retention: 0s
    identities:
      - {name: hub, method: gcp, role: "", region: "a.b/"}
      - {name: hub, method: aws, role: r, headerValue: "a b"}
  - {name: b, addresses: []}
  - {name: b, addresses: [https://c, "https://C:443/"]}
clusters:
  - name: east
    connect: {kubeconfig: {path: ./east}}
    vaultAddresses: none
    vault: {identities: [b/hub, hub], stsEndpoint: sts, requireAudience: true}
`;
    assert.deepEqual(complaints(text), [
      "fleet.yaml:4: vaults[0].name: must be lower-case letters, digits and -, 63 characters at most, no - at either end",
      "fleet.yaml:5: vaults[0].addresses[0]: must be a URL that begins with http:// or https://",
      "fleet.yaml:5: vaults[0].addresses[1]: must not have a query or a fragment",
      "fleet.yaml:6: vaults[0].caFle: unknown field (did you mean caFile?)",
      "fleet.yaml:7: vaults[0].namespace: must not have a segment that is . or ..",
      'fleet.yaml:8: vaults[0].maxRequestDuration: must be a number and one of s, m, h, such as "30s" or "1.5h"',
      "fleet.yaml:9: vaults[0].retention: must be longer than 0, and at most 292 years",
      "fleet.yaml:11: vaults[0].identities[0].method: must be one of aws, jwt, kubernetes, appRole",
      "fleet.yaml:12: vaults[0].identities[1].headerValue: must be printable ASCII without spaces",
      "fleet.yaml:12: vaults[0].identities[1].name: is already the name of another identity",
      "fleet.yaml:13: vaults[1].addresses: must name at least one address",
      "fleet.yaml:14: vaults[2].name: is already the name of another Vault",
      "fleet.yaml:14: vaults[2].addresses[1]: is already an address of a Vault above",
      "fleet.yaml:18: clusters[0].vaultAddresses: must be one of any, named",
      "fleet.yaml:19: clusters[0].vault.stsEndpoint: must be a URL that begins with http:// or https://",
      "fleet.yaml:19: clusters[0].vault.requireAudience: unknown field (did you mean requireAudiences?)",
      "fleet.yaml:19: clusters[0].vault.identities[0]: is not an identity in vaults: must be vault/identity, by their names",
      "fleet.yaml:19: clusters[0].vault.identities[1]: is not an identity in vaults: must be vault/identity, by their names",
    ]);
  });

  it("must be there where nothing else may be named", () => {
    const cluster = (more: string) =>
      complaints(`clusters:\n  - {name: a, connect: {kubeconfig: {path: x}}, vaultAddresses: named${more}}\n`);
    assert.deepEqual(cluster(""), [
      "fleet.yaml:4: clusters[0].vaultAddresses: is named, but this file names no Vault: add vaults, or vault.address",
    ]);
    assert.deepEqual(cluster(", vault: {address: 'https://v'}"), []);
  });

  it("are no reason to throw anything else, whatever stands there", () => {
    for (const value of ["3", "{}", "[3, null, [], {}]", "[{name: [], addresses: {}, identities: 3}]", "null"]) {
      const cluster = `{name: a, connect: {kubeconfig: {path: x}}, vault: {identities: ${value}}}`;
      assert.ok(complaints(`vaults: ${value}\nclusters: [${cluster}]\n`).length > 0, value);
    }
  });
});

describe("the CA file of a Vault", () => {
  const PEM = "-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----\n";
  const vaults: readonly FleetVault[] = [
    { name: "main", addresses: [], caFile: "./ca.pem", identities: [] },
    { name: "plain", addresses: [], identities: [] },
  ];
  const fails = async (work: Promise<string>, message: RegExp) => {
    await assert.rejects(work, (error) => {
      assert.ok(error instanceof SyncError);
      assert.equal(error.code, "REFERENCE_INVALID");
      assert.match(error.message, message);
      return true;
    });
  };

  it("lies beside fleet.yaml, and is read as it is now", async (t) => {
    const folder = await mkdtemp(join(tmpdir(), "fleet-"));
    t.after(() => rm(folder, { recursive: true }));
    const anchors = trustAnchors(() => vaults, folderFiles(folder));
    await fails(
      anchors("main", forever),
      /caFile \.\/ca\.pem of Vault main in fleet\.yaml: .*ca\.pem can't be read \(ENOENT\)/,
    );
    await writeFile(join(folder, "ca.pem"), "nothing");
    await fails(anchors("main", forever), /holds no PEM certificate/);
    await writeFile(join(folder, "ca.pem"), PEM);
    assert.equal(await anchors("main", forever), PEM);
    for (const name of ["plain", "gone"]) await fails(anchors(name, forever), /no longer has a caFile in fleet\.yaml/);
  });

  it("is an object beside fleet.yaml where that is one", async () => {
    const objects = new Map([["prod/ca.pem", PEM]]);
    const read = async (key: string) => {
      const text = objects.get(key);
      return text === undefined ? undefined : { text, tag: "1" };
    };
    const files = bucketFiles({ bucket: "b", key: "prod/fleet.yaml", read });
    assert.equal(await trustAnchors(() => vaults, files)("main", forever), PEM);
    objects.clear();
    const gone = trustAnchors(() => vaults, files)("main", forever);
    await fails(gone, /there is no object s3:\/\/b\/prod\/ca\.pem: upload the file that prod\/fleet\.yaml names/);
    await fails(files.text("../../ca.pem"), /there is no object/);
  });
});
