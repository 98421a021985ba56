import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { parseAllDocuments } from "yaml";
import { ownResourceDefinitions } from "../../lib/declarations/crd.ts";
import { SyncError } from "../../lib/errors.ts";
import { VAULT_PUSH_SECRET } from "../../lib/resource-kinds.ts";
import { type KubernetesRight, pushRights } from "../../lib/rights/kubernetes.ts";
import { bindingYaml, roleYaml } from "../../lib/rights/rbac.ts";
import { type Cluster, startCluster, waitFor } from "../harness/index.ts";
import { base64, endsOf, patient } from "./kubernetes-fixtures.ts";

const NAMESPACE = "default";
const LOGIN = "keyferry-push";
const ALL = { include: ["*"], exclude: [] };

/** What bootstrap prints for VaultPushSecrets alone, one resource and one verb each. */
const RIGHTS = pushRights({
  ...{ observe: "apply", namespaces: ALL, operatorNamespace: "vault-secrets-operator-system" },
  push: {
    ...{ kinds: ["VaultPushSecret"], namespaces: ALL, secrets: "poll" },
    identity: { serviceAccount: { name: LOGIN } },
  },
}).flatMap(({ resources, verbs, ...right }) =>
  resources.flatMap((resource) => verbs.map((verb) => ({ ...right, resources: [resource], verbs: [verb] }))),
);

describe("each permission for VaultPushSecrets", { timeout: 200_000 }, () => {
  let cluster: Cluster;
  before(async () => {
    cluster = await startCluster({ name: "push-rights", crds: [...ownResourceDefinitions().values()] });
    await cluster.apply([
      { apiVersion: "v1", kind: "ServiceAccount", metadata: { namespace: NAMESPACE, name: LOGIN } },
      { apiVersion: "v1", kind: "Secret", metadata: { namespace: NAMESPACE, name: "db" }, data: { a: base64("1") } },
      {
        apiVersion: "keyferry.dev/v1alpha1",
        kind: "VaultPushSecret",
        metadata: { namespace: NAMESPACE, name: "db" },
        spec: { destination: { mount: "kv", path: "a" }, sources: [{ secretRef: { name: "db" } }] },
      },
    ]);
  });
  after(() => cluster?.[Symbol.asyncDispose]());

  /** What a push does in a cluster, with these permissions alone: the steps that were refused. */
  async function refusals(name: string, rights: readonly KubernetesRight[]): Promise<() => Promise<readonly string[]>> {
    const account = { namespace: NAMESPACE, name };
    const text = [roleYaml({ name }, rights), bindingYaml({ name }, account)].join("---\n");
    await cluster.apply({ apiVersion: "v1", kind: "ServiceAccount", metadata: account });
    await cluster.apply(parseAllDocuments(text).map((document) => document.toJS()));
    const apis = endsOf(cluster, await cluster.kubeconfigFor({ serviceAccount: account }));
    const { clusters, resources, secrets, credentials } = apis;
    const signal = patient();
    const at = { cluster: "rbac", namespace: NAMESPACE, name: "db" };
    const own = { ...at, kind: VAULT_PUSH_SECRET };
    const whole = { metadataOnly: false };
    const token = { kind: "serviceAccount", cluster: "rbac", namespace: NAMESPACE, name: LOGIN } as const;
    const version = async (): Promise<string> => {
      const found = await cluster.get({ apiVersion: "keyferry.dev/v1alpha1", ...own, kind: "VaultPushSecret" });
      return found?.metadata.resourceVersion ?? assert.fail();
    };
    const watch = async (): Promise<void> => {
      const since = { resourceVersion: await version(), seconds: 1 };
      for await (const _ of clusters.watch("rbac", VAULT_PUSH_SECRET, whole, since, signal));
    };
    const steps: Readonly<Record<string, () => Promise<unknown>>> = {
      "list vaultpushsecrets": () => clusters.list("rbac", VAULT_PUSH_SECRET, whole, undefined, signal),
      "watch vaultpushsecrets": watch,
      "get vaultpushsecrets": () => resources.get(own, signal),
      "patch vaultpushsecrets/status": async () =>
        resources.writeStatus(own, { lastGeneration: 1 }, await version(), signal),
      "get secrets": () => secrets.observe(at, "get", signal),
      "create serviceaccounts/token": () =>
        credentials.credential({ ...token, audiences: ["vault"], expirationSeconds: 600 }, signal),
    };
    return async () => {
      const refused: string[] = [];
      for (const [step, work] of Object.entries(steps)) {
        try {
          await work();
        } catch (error) {
          if (!(error instanceof SyncError) || error.code !== "KUBE_DENIED") throw error;
          refused.push(step);
        }
      }
      return refused;
    };
  }

  it("all together are enough, and without one of them just its step is refused", async () => {
    const names = RIGHTS.map(({ resources, verbs }) => `${verbs[0]} ${resources[0]}`);
    assert.equal(names.length, 6, names.join());
    const cases = [undefined, ...RIGHTS.keys()];
    for (const left of cases) {
      const refused = await refusals(
        `without-${left ?? "none"}`,
        RIGHTS.filter((_, index) => index !== left),
      );
      const expected = left === undefined ? [] : [names[left]];
      // A role is in force a moment after it is stored.
      await waitFor(`a refusal of ${expected.join() || "nothing"}`, async () => {
        const found = await refused();
        return found.join() === expected.join();
      });
    }
  });
});
