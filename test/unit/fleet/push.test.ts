import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { InputError } from "../../../lib/errors.ts";
import { parseFleet } from "../../../lib/fleet/fleet.ts";

const LOGIN = "identity: {mount: kubernetes, role: push, serviceAccount: {name: push}, audiences: [vault]}";

function fleet(push: string, vault = "vault: {name: main}"): string {
  return `apiVersion: keyferry.dev/v1alpha1
kind: Fleet
vaults:
  - {name: main, addresses: ["https://vault.example.com"]}
clusters:
  - name: east
    connect: {kubeconfig: {path: ./east}}
    ${vault}
    push: {${push}}
`;
}

function complaints(push: string, vault?: string): readonly string[] {
  try {
    parseFleet(fleet(push, vault), "fleet.yaml");
  } catch (error) {
    assert.ok(error instanceof InputError, String(error));
    return error.complaints;
  }
  return [];
}

describe("push in fleet.yaml", () => {
  it("has defaults for everything but paths and the login", () => {
    const [cluster] = parseFleet(fleet(`paths: ["kv/{namespace}/*"], ${LOGIN}`), "fleet.yaml").clusters;
    assert.deepEqual(cluster?.push, {
      kinds: ["Deployment", "Secret"],
      namespaces: { include: ["*"], exclude: [] },
      paths: ["kv/{namespace}/*"],
      identity: {
        ...{ method: "kubernetes", mount: "kubernetes", role: "push" },
        ...{ serviceAccount: { name: "push" }, audiences: ["vault"] },
      },
      ...{ secrets: "watch", pollEvery: "5m", conflict: "fail", deletion: "version", prefix: "none" },
      ...{ mountedOnly: false, projectedVolumes: false, imagePullSecrets: false },
    });
  });

  it("offers choices to VaultPushSecrets", () => {
    const named = "{name: narrow, mount: m, role: r, serviceAccount: {name: s}, audiences: [vault]}";
    const text = `kinds: [VaultPushSecret], paths: ["kv/{name}"], ${LOGIN}, choices: {conflict: merge, identities: [${named}]}`;
    const [cluster] = parseFleet(fleet(text), "fleet.yaml").clusters;
    const identity = {
      method: "kubernetes",
      mount: "m",
      role: "r",
      serviceAccount: { name: "s" },
      audiences: ["vault"],
    };
    assert.deepEqual(cluster?.push?.choices, { conflict: "merge", identities: [{ name: "narrow", ...identity }] });
    const own = 'kinds: [VaultPushSecret], paths: ["kv/{name}"]';
    const cases: readonly (readonly [push: string, says: RegExp])[] = [
      [`${own}, mountedOnly: true, ${LOGIN}`, /push\.mountedOnly: must not be true if kinds has VaultPushSecret/],
      [`paths: ["kv/a"], ${LOGIN}, choices: {conflict: merge}`, /push\.choices: has no effect without/],
      [`${own}, ${LOGIN}, choices: {deletion: preserve}`, /choices\.deletion: must be one of version, metadata/],
      [
        `${own}, ${LOGIN}, choices: {identities: [${named}, ${named}]}`,
        /identities\[1\]\.name: is the name of another/,
      ],
      [`${own}, ${LOGIN}, choices: {identities: [{name: A b}]}`, /identities\[0\]\.name/],
    ];
    for (const [push, says] of cases) assert.match(complaints(push).join("\n"), says, push);
    assert.deepEqual(complaints(`${own}, secrets: poll, ${LOGIN}`), []);
  });

  it("is refused where it allows less or more than it seems to", () => {
    const cases: readonly (readonly [push: string, says: RegExp, vault?: string])[] = [
      [LOGIN, /push\.paths: required/],
      ['paths: ["kv/a"]', /push\.identity: required/],
      [`paths: ["*/a"], ${LOGIN}`, /must name its mount without \*/],
      [`paths: ["sys/*"], ${LOGIN}`, /must not be below sys\//],
      [`paths: ["kv/a/../b"], ${LOGIN}`, /segment that is \. or \.\./],
      [`paths: ["kv/a"], vault: other, ${LOGIN}`, /push\.vault: is not the name of one of vaults/],
      [`paths: ["kv/a"], ${LOGIN}`, /push\.vault: required, unless/, "labels: {}"],
      [`paths: ["kv/a"], secrets: poll, ${LOGIN}`, /push\.kinds: must leave out Secret/],
      [`paths: ["kv/a"], pollEvery: 1s, ${LOGIN}`, /push\.pollEvery: must be at least 30s/],
      [`paths: ["kv/a"], conflicts: fail, ${LOGIN}`, /unknown field \(did you mean conflict\?\)/],
      [
        'paths: ["kv/a"], identity: {mount: m, role: r, serviceAccount: {name: p}, audiences: []}',
        /at least one audience/,
      ],
    ];
    for (const [push, says, vault] of cases) assert.match(complaints(push, vault).join("\n"), says, push);
  });
});
