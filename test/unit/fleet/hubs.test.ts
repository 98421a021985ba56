import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { InputError } from "../../../lib/errors.ts";
import { parseFleet } from "../../../lib/fleet/fleet.ts";
import { selectorText } from "../../../lib/fleet/hub-schema.ts";

const HEAD = "apiVersion: keyferry.dev/v1alpha1\nkind: Fleet\nvaults: [{name: main, addresses: ['https://v']}]\n";
const CONNECT = "connect: {kubeconfig: {path: hub}}";

function complaints(hubs: string): string {
  try {
    parseFleet(`${HEAD}hubs: ${hubs}\n`, "fleet.yaml");
  } catch (error) {
    assert.ok(error instanceof InputError, String(error));
    return error.complaints.join("\n");
  }
  return "";
}

describe("hubs in fleet.yaml", () => {
  it("need no clusters beside them, and have the defaults of a cluster", () => {
    const { clusters, hubs, vaults } = parseFleet(`${HEAD}hubs: [{name: a, ${CONNECT}, argocd: {}}]`, "fleet.yaml");
    assert.deepEqual(clusters, []);
    assert.deepEqual(hubs, [
      {
        name: "a",
        connect: { kubeconfig: { path: "hub" } },
        argocd: { namespace: "argocd" },
        defaults: {
          labels: {},
          observe: "watch",
          namespaces: { include: ["*"], exclude: [] },
          operatorNamespace: "vault-secrets-operator-system",
          vaults,
        },
      },
    ]);
  });

  it("say which objects count as Kubernetes does", () => {
    const selector = (text: string) => {
      const { hubs } = parseFleet(`${HEAD}hubs: [{name: a, ${CONNECT}, argocd: {}, selector: ${text}}]`, "fleet.yaml");
      return hubs[0] && selectorText(hubs[0]);
    };
    const more = "{key: a, operator: In, values: [x, y]}, {key: b, operator: NotIn, values: [z]}";
    const present = "{key: c, operator: Exists}, {key: d, operator: DoesNotExist}";
    assert.equal(
      selector(`{matchLabels: {env: prod}, matchExpressions: [${more}, ${present}]}`),
      "env=prod,a in (x,y),b notin (z),c,!d",
    );
    assert.equal(selector("{}"), undefined);
  });

  for (const [what, hubs, expected] of [
    ["neither kind", `[{name: a, ${CONNECT}}]`, /hubs\[0\]: must have exactly one of argocd, clusterProfile/],
    ["both kinds", `[{name: a, ${CONNECT}, argocd: {}, clusterProfile: {}}]`, /exactly one of argocd, clusterProfile/],
    ["no way to connect", "[{name: a, connect: {}, argocd: {}}]", /hubs\[0\]\.connect: must have exactly one of/],
    [
      "one name twice",
      `[{name: a, ${CONNECT}, argocd: {}}, {name: a, ${CONNECT}, argocd: {}}]`,
      /hubs\[1\]\.name: is already the name of another hub/,
    ],
    ["a long name", `[{name: ${"a".repeat(60)}, ${CONNECT}, argocd: {}}]`, /59 characters at most/],
    [
      "keyferry's own identity",
      `[{name: a, ${CONNECT}, argocd: {}, defaults: {vault: {identities: [main/hub]}}}]`,
      /hubs\[0\]\.defaults\.vault\.identities: can't be lent to the clusters of a hub/,
    ],
    [
      "the uid of one namespace",
      `[{name: a, ${CONNECT}, argocd: {}, defaults: {operatorNamespaceUid: x}}]`,
      /operatorNamespaceUid: unknown field/,
    ],
    [
      "values of a bare operator",
      `[{name: a, ${CONNECT}, argocd: {}, selector: {matchExpressions: [{key: a, operator: Exists, values: [x]}]}}]`,
      /must not have values with Exists/,
    ],
    [
      "a label that ends the selector",
      `[{name: a, ${CONNECT}, argocd: {}, selector: {matchLabels: {env: "a,b"}}}]`,
      /selector\.matchLabels\.env: must be a label value/,
    ],
  ] as const) {
    it(`refuse ${what}`, () => {
      assert.match(complaints(hubs), expected);
    });
  }
});
