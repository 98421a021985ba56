import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { InputError } from "../../../lib/errors.ts";
import { parseFleet } from "../../../lib/fleet/fleet.ts";
import { reachOfFleet } from "../../../lib/fleet/vaults.ts";

const IDENTITIES = [
  { name: "cloud", method: "aws", role: "ferry", headerValue: "vault.example" },
  { name: "projected", method: "jwt", role: "ferry", tokenFile: "/run/token" },
  { name: "account", method: "kubernetes", role: "ferry", tokenFile: "/run/token", mount: "hub" },
  { name: "app", method: "appRole", roleId: "id", secretIdFile: "secret-id" },
];
const MAIN = { name: "main", addresses: ["https://vault.example"], identities: IDENTITIES };
const MINTING = {
  ...{ vault: "main", identity: "app", role: "ferry", namespace: "keyferry", url: "https://east.example:6443" },
};
const IN_VAULT = { vault: "main", identity: "cloud", mount: "kv", path: "clusters/east" };
const KUBECONFIG = { kubeconfig: { path: "./east" } };

interface Parts {
  readonly vault?: object;
  readonly connect?: object;
  readonly cluster?: object;
}

function fleet({ vault = {}, connect = KUBECONFIG, cluster = {} }: Parts) {
  const text = {
    apiVersion: "keyferry.dev/v1alpha1",
    kind: "Fleet",
    vaults: [{ ...MAIN, ...vault }],
    clusters: [{ name: "east", connect, ...cluster }],
  };
  return parseFleet(JSON.stringify(text), "fleet.yaml");
}

function complaints(parts: Parts): string {
  try {
    fleet(parts);
  } catch (error) {
    assert.ok(error instanceof InputError, String(error));
    return error.complaints.join("\n");
  }
  return "";
}

const minting = (more: object): Parts => ({ connect: { vaultKubernetes: { ...MINTING, ...more } } });
const inVault = (more: object): Parts => ({ connect: { vaultKubeconfig: { ...IN_VAULT, ...more } } });
const identity = (fields: object): Parts => ({ vault: { identities: [fields] } });

describe("a Vault of fleet.yaml", () => {
  it("has identities of every method, as they are written", () => {
    assert.deepEqual(fleet({}).vaults[0]?.identities, IDENTITIES);
  });

  it("is reached through its proxy at its addresses, and no other address is", () => {
    const found = fleet({
      vault: { proxy: "http://user:pa%40ss@proxy:3128" },
      cluster: { vault: { address: "http://other" } },
    });
    const reach = reachOfFleet(() => found)("east");
    assert.deepEqual(reach.named, ["https://vault.example", "http://other"]);
    assert.deepEqual(reach.proxies, new Map([["https://vault.example", "http://user:pa%40ss@proxy:3128"]]));
    const probes = reachOfFleet(() => found)(undefined);
    assert.deepEqual(probes.proxies, reach.proxies);
  });
});

describe("the ways to a cluster by a Vault", () => {
  it("have defaults", () => {
    const { connect } = fleet(minting({})).clusters[0] ?? assert.fail();
    const preset = { mount: "kubernetes", ttl: "1h", clusterRoleBinding: false, audiences: [] };
    assert.deepEqual(connect, { vaultKubernetes: { ...MINTING, ...preset } });
    const other = fleet(inVault({})).clusters[0] ?? assert.fail();
    assert.deepEqual(other.connect, { vaultKubeconfig: { ...IN_VAULT, key: "kubeconfig", engine: "kv-v2" } });
  });
});

describe("what fleet.yaml says of Vaults and is wrong", () => {
  const WAY = "clusters[0].connect.vaultKubernetes";
  for (const [what, parts, complaint] of [
    [
      "an unknown Vault of a cluster",
      { cluster: { vault: { name: "mian" } } },
      "clusters[0].vault.name: is not the name of one of vaults",
    ],
    [
      "a name and an address",
      { cluster: { vault: { name: "main", address: "https://vault.example" } } },
      "clusters[0].vault: must have one of name and address",
    ],
    [
      "an identity of a file that is lent",
      { cluster: { vault: { identities: ["main/app"] } } },
      "vault.identities[0]: can't be lent: only an identity of method aws can",
    ],
    [
      "an identity without its file",
      identity({ name: "a", method: "jwt", role: "r" }),
      "identities[0].tokenFile: required",
    ],
    ["an identity of an unknown method", identity({ name: "a", method: "cert" }), "identities[0].method: "],
    [
      "an identity with a field of another method",
      identity({ ...IDENTITIES[1], headerValue: "x" }),
      "headerValue: unknown field",
    ],
    [
      "an identity with a typing error",
      identity({ ...IDENTITIES[1], tokenFil: "x" }),
      "tokenFil: unknown field (did you mean tokenFile?)",
    ],
    [
      "a proxy by another protocol",
      { vault: { proxy: "socks5://u:s3cr3t@proxy" } },
      "vaults[0].proxy: must be a URL that begins with http:// or https://",
    ],
    ["a proxy with a path", { vault: { proxy: "http://u:s3cr3t@proxy/x" } }, "vaults[0].proxy: must have no path"],
    [
      "a proxy with a broken escape",
      { vault: { proxy: "http://u:s3cr3t%zz@proxy" } },
      "must have its user and password percent-encoded",
    ],
    ["minting by an unknown Vault", minting({ vault: "mian" }), `${WAY}.vault: is not the name of one of vaults`],
    [
      "minting by an unknown identity",
      minting({ identity: "other" }),
      `${WAY}.identity: is not the name of one of the identities of that Vault`,
    ],
    ["a TTL that is too short", minting({ ttl: "599s" }), `${WAY}.ttl: must be whole seconds, from 10m to 24h`],
    ["a TTL that is too long", minting({ ttl: "25h" }), `${WAY}.ttl: must be whole seconds, from 10m to 24h`],
    ["a TTL that is none", minting({ ttl: "soon" }), `${WAY}.ttl: `],
    ["an API server without TLS", minting({ url: "http://east" }), `${WAY}.url: must begin with https://`],
    [
      "two CAs",
      minting({ caFile: "a", caData: btoa("-----BEGIN CERTIFICATE-----") }),
      `${WAY}: must have one of caFile and caData`,
    ],
    ["a CA that is none", minting({ caData: btoa("x") }), "must hold a PEM certificate"],
    ["a role that leaves its mount", minting({ role: "../x" }), `${WAY}.role: must not have a segment that is . or ..`],
    ["a missing namespace", minting({ namespace: undefined }), `${WAY}.namespace: required`],
    ["a field that minting has not", minting({ insecure: true }), `${WAY}.insecure: unknown field`],
    [
      "a kubeconfig by an unknown identity",
      inVault({ identity: "x" }),
      "vaultKubeconfig.identity: is not the name of one of",
    ],
    ["a kubeconfig by an unknown engine", inVault({ engine: "kv" }), "vaultKubeconfig.engine: "],
    [
      "a kubeconfig at a path that leaves its mount",
      inVault({ path: "a/../b" }),
      "vaultKubeconfig.path: must not have a segment",
    ],
    [
      "two ways",
      { connect: { ...minting({}).connect, ...KUBECONFIG } },
      "clusters[0].connect: must have exactly one of",
    ],
  ] as const satisfies readonly (readonly [string, Parts, string])[]) {
    it(what, () => {
      const text = complaints(parts);
      assert.ok(text.includes(complaint), text);
      assert.match(text, /^fleet\.yaml:\d+: /);
      assert.ok(!text.includes("s3cr3t"));
    });
  }
});
