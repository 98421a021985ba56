import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type Ownership, type Registrations, register } from "../../../lib/admission/register.ts";
import {
  CONFIGURATION,
  clientConfig,
  registeredConfig,
  WEBHOOK,
  webhookConfiguration,
} from "../../../lib/admission/registration.ts";

const KEY = "k".repeat(43);
const AT = { url: "https://keyferry.example.com:8443/", cluster: "east", key: KEY };
const CONFIG = clientConfig({ ...AT, ca: "PEM" });
const SIGNAL = new AbortController().signal;

interface Selector {
  readonly matchExpressions: readonly {
    readonly key: string;
    readonly operator: string;
    readonly values: readonly string[];
  }[];
}
interface Webhook {
  readonly namespaceSelector: Selector;
  readonly matchConditions?: readonly { readonly expression: string }[];
  readonly [field: string]: unknown;
}

const webhookOf = (object: object): Webhook =>
  (object as { webhooks: readonly Webhook[] }).webhooks[0] ?? assert.fail("no webhook");

describe("the registration of the webhook", () => {
  it("names the path of the cluster with its key, and the CA in base64; no CA for one that is trusted anyway", () => {
    assert.deepEqual(CONFIG, {
      url: `https://keyferry.example.com:8443/c/east/${KEY}/mutate`,
      caBundle: Buffer.from("PEM").toString("base64"),
    });
    assert.deepEqual(Object.keys(clientConfig(AT)), ["url"]);
  });

  it("sends no pods but new ones with the annotation, outside of Kubernetes' own namespaces", () => {
    const { matchConditions, namespaceSelector, ...rest } = webhookOf(webhookConfiguration(CONFIG));
    assert.match(
      matchConditions?.[0]?.expression ?? "",
      /'vault\.hashicorp\.com\/agent-inject' in object\.metadata\.annotations/,
    );
    assert.match(
      matchConditions?.[1]?.expression ?? "",
      /^!\(.*\['vault\.hashicorp\.com\/agent-inject-status'\] == 'injected'\)$/,
    );
    assert.deepEqual(namespaceSelector.matchExpressions[0]?.values, ["kube-system", "kube-public", "kube-node-lease"]);
    assert.deepEqual(
      [rest.name, rest.failurePolicy, rest.timeoutSeconds, rest.reinvocationPolicy, rest.sideEffects],
      [WEBHOOK, "Fail", 5, "IfNeeded", "None"],
    );
    assert.deepEqual(rest.rules, [
      { apiGroups: [""], apiVersions: ["v1"], operations: ["CREATE"], resources: ["pods"], scope: "Namespaced" },
    ]);
  });

  it("for older clusters goes by a label of namespaces", () => {
    const { matchConditions, namespaceSelector } = webhookOf(webhookConfiguration(CONFIG, "namespace-label"));
    assert.equal(matchConditions, undefined);
    assert.deepEqual(
      namespaceSelector.matchExpressions.map(({ key, operator }) => [key, operator]),
      [
        ["kubernetes.io/metadata.name", "NotIn"],
        ["keyferry.dev/inject", "In"],
      ],
    );
  });

  it("comes after those of EKS and of vault-k8s", () => {
    const names = [CONFIGURATION, "vault-agent-injector-cfg", "pod-identity-webhook"];
    assert.equal(names.sort().at(-1), CONFIGURATION);
  });
});

/** The registrations of a cluster in memory. */
function inMemory(found?: object): Registrations & { readonly did: unknown[] } {
  const did: unknown[] = [];
  return {
    did,
    get: async () => found,
    apply: async (_cluster, name, object) => void did.push(["apply", name, object]),
    patch: async (_cluster, name, patch) => void did.push(["patch", name, patch]),
  };
}

const NOBODY_ELSE: Ownership = { isOwn: () => true, mayTakeOver: () => assert.fail("it is ours") };

describe("a registration that keyferry manages", () => {
  const registered = webhookConfiguration(CONFIG);

  it("is applied as a whole where there is none, and left alone where it is right", async () => {
    const none = inMemory();
    assert.equal(await register(none, "east", CONFIG, NOBODY_ELSE, SIGNAL), "created");
    assert.deepEqual(none.did, [["apply", CONFIGURATION, registered]]);
    const right = inMemory(registered);
    assert.equal(await register(right, "east", CONFIG, NOBODY_ELSE, SIGNAL), "unchanged");
    assert.deepEqual(right.did, []);
  });

  it("is changed in clientConfig alone: where it is, its key, its CA", async () => {
    for (const next of [
      clientConfig({ ...AT, key: "n".repeat(43), ca: "PEM" }),
      clientConfig({ ...AT, ca: "PEM 2" }),
    ]) {
      const other = inMemory(registered);
      assert.equal(await register(other, "east", next, NOBODY_ELSE, SIGNAL), "updated");
      assert.deepEqual(other.did, [
        ["patch", CONFIGURATION, { metadata: {}, webhooks: [{ name: WEBHOOK, clientConfig: { ...next } }] }],
      ]);
    }
    const trusted = inMemory(registered);
    await register(trusted, "east", clientConfig(AT), NOBODY_ELSE, SIGNAL);
    assert.deepEqual(trusted.did, [
      [
        "patch",
        CONFIGURATION,
        { metadata: {}, webhooks: [{ name: WEBHOOK, clientConfig: { ...clientConfig(AT), caBundle: null } }] },
      ],
    ]);
  });

  it("is applied again where somebody has removed our webhook from it", async () => {
    const emptied = inMemory({ metadata: { name: CONFIGURATION }, webhooks: [{ name: "another" }] });
    assert.equal(await register(emptied, "east", CONFIG, NOBODY_ELSE, SIGNAL), "updated");
    assert.deepEqual(emptied.did, [["apply", CONFIGURATION, registered]]);
  });

  it("of another keyferry is replaced only if it may be, and only as it was read", async () => {
    const found = { ...registered, metadata: { name: CONFIGURATION, resourceVersion: "7" } };
    const next = clientConfig({ ...AT, key: "n".repeat(43) });
    for (const [may, did] of [
      [false, "left"],
      [true, "taken-over"],
    ] as const) {
      const others = inMemory(found);
      const asked: unknown[] = [];
      const ownership: Ownership = {
        isOwn: (key) => key !== KEY,
        mayTakeOver: async (config) => asked.push(config) > 0 && may,
      };
      assert.equal(await register(others, "east", next, ownership, SIGNAL), did);
      assert.deepEqual(asked, [CONFIG]);
      assert.deepEqual(
        others.did.map((one) => (one as readonly unknown[])[2]),
        may
          ? [
              {
                metadata: { resourceVersion: "7" },
                webhooks: [{ name: WEBHOOK, clientConfig: { ...next, caBundle: null } }],
              },
            ]
          : [],
      );
    }
  });

  it("is found among other webhooks, whatever an API server sends", () => {
    for (const object of [undefined, null, {}, { webhooks: 1 }, { webhooks: [null, 1] }]) {
      assert.equal(registeredConfig(object), undefined);
    }
    assert.deepEqual(registeredConfig(registered), CONFIG);
  });
});
