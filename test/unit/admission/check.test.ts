import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { besideUs, injectedBy, isBeforeUs, reachedBy, registered } from "../../../lib/admission/check.ts";
import { clientConfig, WEBHOOK, webhookConfiguration } from "../../../lib/admission/registration.ts";

const KEY = "k".repeat(43);
const OURS = webhookConfiguration(clientConfig({ url: "https://10.0.0.1:8443", cluster: "east", key: KEY }));

describe("the check of the webhook", () => {
  it("says whether the API server asked us, and if not, what is in the way", () => {
    assert.equal(reachedBy({ refusedBy: WEBHOOK, how: "denied" }).isReached, true);
    const why = (answer: Parameters<typeof reachedBy>[0]): string => {
      const { isReached, says } = reachedBy(answer);
      assert.equal(isReached, false);
      return says;
    };
    assert.match(why({ pod: {} }), /without asking the webhook: apply keyferry injector manifests/);
    assert.match(why({ refusedBy: WEBHOOK, how: "broken" }), /no answer from the webhook: check the URL, the key/);
    assert.match(why({ refusedBy: "vault.hashicorp.com", how: "denied" }), /^vault-k8s \(vault\.hashicorp\.com\)/);
    assert.match(why({ refusedBy: "policy.example.com", how: "denied" }), /^another webhook \(policy\.example\.com\)/);
    assert.match(why({ refusedBy: undefined, how: "denied" }), /^another webhook \(without a readable name\)/);
  });

  it("says whether the pod was injected", () => {
    const annotations = { "vault.hashicorp.com/agent-inject-status": "injected" };
    const spec = {
      containers: [{ name: "app" }, { name: "vault-agent" }],
      initContainers: [{ name: "vault-agent-init" }],
    };
    assert.deepEqual(injectedBy({ pod: { metadata: { annotations }, spec } }), {
      isInjected: true,
      says: "the pod has vault-agent-init and vault-agent",
    });
    for (const pod of [
      {},
      { metadata: { annotations } },
      { spec },
      { metadata: { annotations }, spec: { containers: [{}] } },
    ]) {
      assert.equal(injectedBy({ pod }).isInjected, false);
    }
    assert.match(
      injectedBy({ refusedBy: WEBHOOK, how: "denied" }).says,
      /refused the pod; the log of keyferry says why/,
    );
  });

  it("names a vault-k8s by its webhook, whatever its configuration is called, and never ours", () => {
    const vaultK8s = { metadata: { name: "my-release-cfg" }, webhooks: [{ name: "vault.hashicorp.com" }] };
    const other = { metadata: { name: "policies" }, webhooks: [{ name: "policy.example.com" }] };
    assert.deepEqual(besideUs([OURS, vaultK8s, other, {}]), ["my-release-cfg"]);
    const names = ["vault-agent-injector-cfg", "prod-vault-agent-injector-cfg", "vault-prod-agent-injector-cfg"];
    assert.deepEqual(names.map(isBeforeUs), [true, true, false]);
  });

  it("knows where we are registered, and by which key", () => {
    assert.deepEqual(registered([{}, OURS]), { host: "10.0.0.1:8443", key: KEY, caBundle: "" });
    assert.equal(registered([{ metadata: { name: "other" } }]), undefined);
  });
});
